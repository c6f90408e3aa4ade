"""The texts that an editor has open. Each is read anew after an edit, beside the loop that answers."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from netdsl.base.source import Source
from netdsl.lsp.positions import Shift
from netdsl.lsp.reading import Reading, read
from netdsl.syntax.net_files import read_text

# Seconds without an edit before errors are shown, so that they don't flicker while the user types.
QUIET = 0.15
# Seconds that an answer waits until the latest edit is compiled. A text that takes longer is compiled
# after a pause, and until then answers are about the version before.
PATIENCE = 0.025
# Seconds without an edit before garbage is collected: with a long text that takes a tenth of a second.
REST = 1.0


@dataclass(eq=False)
class Document:
    """An open text, and the newest readings of it: any, one that could be read to the end, and one
    without errors.
    """

    uri: str
    path: str
    text: str
    version: int | None = None
    latest: Reading | None = None
    whole: Reading | None = None
    typed: Reading | None = None
    # When it was edited, by the loop's clock, how long reading it took, and whether `latest` is of the
    # text as it is.
    edited: float = 0.0
    seconds: float = 0.0
    current: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    _source: Source = Source("", "")

    def take(self, reading: Reading) -> None:
        self.latest = reading
        if reading.is_whole:
            self.whole = reading
        if reading.compiled.network or not reading.compiled.errors:
            self.typed = reading

    @property
    def source(self) -> Source:
        """The text as it is, whose tokens are read once."""
        if self._source.text is not self.text:
            self._source = Source(self.path, self.text)
        return self._source

    def readings(self) -> list[Reading]:
        """The different readings, the newest first."""
        found = {id(reading): reading for reading in (self.latest, self.whole, self.typed) if reading}
        return list(found.values())

    def shift(self, reading: Reading) -> Shift:
        """From the text that a reading has of this one: its own, or that of a file that it uses."""
        return Shift.between(reading.files[self.path], self.text)


class Documents:
    """All open texts by their URI. `publish` is called when what is known of one is worth showing."""

    def __init__(self, publish: Callable[[Document], None]) -> None:
        self._publish = publish
        self._open: dict[str, Document] = {}
        # One thread, so that readings come in the order of the edits.
        self._readers = ThreadPoolExecutor(1)
        self._rest: asyncio.TimerHandle | None = None

    def __iter__(self) -> Iterator[Document]:
        return iter(self._open.values())

    def get(self, uri: str) -> Document | None:
        return self._open.get(uri)

    def open(self, document: Document) -> None:
        self._open[document.uri] = document
        self.read_again()

    def change(self, document: Document, text: str, version: int | None) -> None:
        document.text, document.version = text, version
        self._start(document)
        for other in self:
            if other.latest and document.path in other.latest.compiled.used:
                self._start(other)

    def close(self, uri: str) -> None:
        document = self._open.pop(uri, None)
        if document and document.task:
            document.task.cancel()
        self.read_again()

    def read_again(self) -> None:
        """After files have changed: any of them may be used."""
        for document in self:
            self._start(document)

    def end(self) -> None:
        for document in self:
            if document.task:
                document.task.cancel()
        self._readers.shutdown(cancel_futures=True)

    def reader(self) -> Callable[[str], str]:
        """Reads open texts as they are now, others from the disk."""
        texts = {document.path: document.text for document in self}
        return lambda path: texts[path] if path in texts else read_text(path)

    async def settled(self, document: Document, patience: float = PATIENCE) -> bool:
        """Waits until the text as it is was read, if that may be in time; whether it was."""
        if document.current.is_set() or document.seconds > patience:
            return document.current.is_set()
        try:
            await asyncio.wait_for(document.current.wait(), patience)
        except TimeoutError:
            return False
        return True

    def _start(self, document: Document) -> None:
        loop = asyncio.get_running_loop()
        document.current.clear()
        document.edited = loop.time()
        if self._rest:
            self._rest.cancel()
        self._rest = loop.call_later(REST, gc.collect)
        if document.task is None or document.task.done():
            document.task = asyncio.create_task(self._follow(document))

    async def _follow(self, document: Document) -> None:
        """Reads a text until it stays as it is, and then shows what was found."""
        loop = asyncio.get_running_loop()
        while True:
            edited, now = document.edited, loop.time()
            left = edited + QUIET - now
            if not document.current.is_set() and (document.seconds < PATIENCE or left <= 0):
                work = partial(read, document.path, document.text, self.reader())
                document.take(await loop.run_in_executor(self._readers, work))
                document.seconds = loop.time() - now
                if document.edited == edited:
                    document.current.set()
            elif left > 0:
                await asyncio.sleep(left)
            else:
                self._publish(document)
                return
