"""An editor for the tests: pygls' client, with the server as a process behind pipes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from lsprotocol import types
from pygls.lsp.client import LanguageClient

from tests.support.programs import LONGEST

T = TypeVar("T")


class Editor:
    """Opens files, edits them and asks; `notes` holds the newest diagnostics of each file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._loop = asyncio.new_event_loop()
        self.client = LanguageClient("tests", "1")
        self.notes: dict[str, types.PublishDiagnosticsParams] = {}
        self.messages: list[str] = []
        self._texts: dict[str, str] = {}
        self._versions: dict[str, int] = {}
        self._published = asyncio.Event()

        def published(params: types.PublishDiagnosticsParams) -> None:
            self.notes[params.uri] = params
            self._published.set()

        def message(params: types.ShowMessageParams) -> None:
            self.messages.append(params.message)

        self.client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(published)
        self.client.feature(types.WINDOW_SHOW_MESSAGE)(message)

    def _wait(self, answer: Awaitable[T]) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(LONGEST):
                return await answer

        return self._loop.run_until_complete(bounded())

    def sleep(self, seconds: float) -> None:
        """For benchmarks: no test waits for the clock."""
        self._wait(asyncio.sleep(seconds))

    def start(
        self,
        *encodings: types.PositionEncodingKind,
        module: str = "tests.support.patient_server",
        options: dict[str, object] | None = None,
    ) -> types.InitializeResult:
        """Starts the language server; benchmarks start `netdsl` itself, whose answers have deadlines."""
        self._wait(self.client.start_io(sys.executable, "-m", module, "lsp"))
        general = types.GeneralClientCapabilities(position_encodings=list(encodings)) if encodings else None
        folder = types.WorkspaceFolder(self.folder.as_uri(), "tests")
        capabilities = types.ClientCapabilities(general=general)
        params = types.InitializeParams(
            capabilities=capabilities, initialization_options=options, workspace_folders=[folder]
        )
        result = self._wait(self.client.initialize_async(params))
        self.client.initialized(types.InitializedParams())
        return result

    def stop(self) -> int | None:
        """Ends the server as an editor does; its exit status."""
        process = self.client._server
        assert process is not None
        try:
            self._wait(self.client.shutdown_async(None))
            self.client.exit(None)
            self._wait(process.wait())
            stop: Callable[[], Awaitable[None]] = self.client.stop
            self._wait(stop())
        finally:
            if process.returncode is None:
                process.kill()
            self._loop.close()
        return process.returncode

    # texts

    def uri(self, name: str) -> str:
        return (self.folder / name).as_uri()

    def open(self, name: str, text: str) -> list[types.Diagnostic]:
        """Opens a file, and waits for its diagnostics."""
        uri = self.uri(name)
        self._texts[uri], self._versions[uri] = text, 1
        item = types.TextDocumentItem(uri, "netdsl", 1, text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return self.settle(name)

    def replace(self, name: str, old: str, new: str, settle: bool = True) -> None:
        """Edits the first place where `old` stands, as an editor does: by a range."""
        uri = self.uri(name)
        text = self._texts[uri]
        start = text.index(old)
        self._texts[uri] = text[:start] + new + text[start + len(old) :]
        self._versions[uri] += 1
        edited = types.Range(position(text, start), position(text, start + len(old)))
        self.client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(self._versions[uri], uri),
                [types.TextDocumentContentChangePartial(edited, new)],
            )
        )
        if settle:
            self.settle(name)

    def settle(self, name: str) -> list[types.Diagnostic]:
        """The diagnostics of the text as it is."""
        uri = self.uri(name)
        while uri not in self.notes or self.notes[uri].version != self._versions[uri]:
            self._published.clear()
            self._wait(self._published.wait())
        return list(self.notes[uri].diagnostics)

    def close(self, name: str) -> None:
        document = types.TextDocumentIdentifier(self.uri(name))
        self.client.text_document_did_close(types.DidCloseTextDocumentParams(document))
        del self._versions[self.uri(name)]
        self.notes.pop(self.uri(name), None)

    # questions: `where` is a text in the file; the place is behind it

    def at(self, name: str, where: str) -> tuple[types.TextDocumentIdentifier, types.Position]:
        text = self._texts[self.uri(name)]
        offset = text.index(where) + len(where)
        return types.TextDocumentIdentifier(self.uri(name)), position(text, offset)

    def hover(self, name: str, where: str) -> str:
        found = self._wait(self.client.text_document_hover_async(types.HoverParams(*self.at(name, where))))
        if found is None:
            return ""
        assert isinstance(found.contents, types.MarkupContent)
        return found.contents.value

    def complete(self, name: str, where: str) -> dict[str, types.CompletionItem]:
        params = types.CompletionParams(*self.at(name, where))
        found = self._wait(self.client.text_document_completion_async(params))
        assert isinstance(found, types.CompletionList)
        return {item.label: item for item in found.items}

    def definition(self, name: str, where: str) -> tuple[str, str] | None:
        """The file's name, and the text at the place."""
        params = types.DefinitionParams(*self.at(name, where))
        found = self._wait(self.client.text_document_definition_async(params))
        if found is None:
            return None
        assert isinstance(found, types.Location)
        path = found.uri.rsplit("/", 1)[-1]
        known = self._texts.get(found.uri)
        text = known if known is not None else Path(found.uri.removeprefix("file://")).read_text("utf-8")
        return path, text_in(text, found.range)

    def rename(self, name: str, where: str, new: str) -> dict[str, str]:
        """The files' texts after the change, by name."""
        params = types.RenameParams(*self.at(name, where), new_name=new)
        edit = self._wait(self.client.text_document_rename_async(params))
        assert edit is not None and edit.changes is not None
        changed = {}
        for uri, edits in edit.changes.items():
            path = Path(uri.removeprefix("file://"))
            text = self._texts[uri] if uri in self._texts else path.read_text("utf-8")
            for one in sorted(
                edits, key=lambda e: (e.range.start.line, e.range.start.character), reverse=True
            ):
                start, end = offset(text, one.range.start), offset(text, one.range.end)
                text = text[:start] + one.new_text + text[end:]
            changed[path.name] = text
        return changed

    def ask(self, answer: Awaitable[T]) -> T:
        """Of the client's own methods, for what has none here."""
        return self._wait(answer)


def position(text: str, offset: int) -> types.Position:
    """In UTF-16 units, as an editor counts by itself."""
    line = text.count("\n", 0, offset)
    before = text[text.rfind("\n", 0, offset) + 1 : offset]
    return types.Position(line, len(before.encode("utf-16-le")) // 2)


def offset(text: str, place: types.Position) -> int:
    lines = text.split("\n")
    start = sum(len(line) + 1 for line in lines[: place.line])
    encoded = lines[place.line].encode("utf-16-le")[: 2 * place.character]
    return start + len(encoded.decode("utf-16-le"))


def text_in(text: str, place: types.Range) -> str:
    return text[offset(text, place.start) : offset(text, place.end)]
