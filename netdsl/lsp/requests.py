"""The requests of an editor, answered from the readings of a document. Offsets refer to its current text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Source, Span
from netdsl.diagnostics import Diagnostics
from netdsl.format import formatted
from netdsl.lsp import hover as texts
from netdsl.lsp.completion import Candidate, Known, called, candidates, complete
from netdsl.lsp.cursor_context import context_at
from netdsl.lsp.documents import Document
from netdsl.lsp.outline import Entry, outline
from netdsl.lsp.reading import STANDARD, Reading
from netdsl.lsp.vocabulary import Signature
from netdsl.resolve.bindings import Occurrence, Symbol
from netdsl.syntax.tokens import word_at

# Shown below information about a text that has errors, or was edited a moment ago.
STALE = "*Shapes and values are those of the last version without errors.*"


class Target(NamedTuple):
    """A range of a file, in the text that the file had when it was read."""

    path: str
    text: str
    start: int
    end: int


class Help(NamedTuple):
    """The signature of the call at a place, and the index of the argument being written."""

    signature: Signature
    active: int | None


def known(document: Document, files: Callable[[], Iterable[str]] = tuple) -> Known:
    """The names of a document: also those of parts that can't be read at the moment."""
    blocks: dict[str, Symbol] = {}
    constants: dict[str, Symbol] = {}
    labels: dict[str, None] = {}
    saved: dict[str, None] = {}
    for reading in reversed(document.readings()):
        blocks.update(reading.names.main.blocks)
        constants.update(reading.names.main.constants)
        labels.update({symbol.name: None for symbol in reading.names.definitions if symbol.kind == "label"})
        own = reading.names.main.own
        saved.update(dict.fromkeys(own.known_at(own.end, tensor=True) if own.source else ()))
    return Known(blocks, constants, labels, saved, files)


def completion(document: Document, offset: int, files: Callable[[], Iterable[str]]) -> list[Candidate]:
    return complete(document.source, offset, known(document, files))


def hover(document: Document, offset: int, networks: Sequence[Reading] = ()) -> tuple[str, int, int] | None:
    """Markdown, and the range of the word that it is about. `networks` are those that use the document:
    the steps of a library run in them alone.
    """
    text = document.text
    word = word_at(text, offset)
    context = context_at(document.source, word[0] if word else offset)
    if context.inside:
        return None
    begin, end = offset, offset
    shown = ""
    if word:
        begin, end = word
        shown = _of_word(document, begin, text[begin:end], networks)
    elif not text[offset : offset + 1].strip():
        return None  # between words
    markdown = "\n\n".join(filter(None, (shown, _runs(document, begin, networks))))
    return (markdown, begin, end) if markdown else None


def _runs(document: Document, offset: int, networks: Sequence[Reading]) -> str:
    """The runs of the step at a place, with a note if they are not those of the current text."""
    own = document.readings()
    for reading in (*own, *networks):
        place = document.shift(reading).to_old(offset)
        if place is None or not (runs := texts.of_place(reading, document.path, place)):
            continue
        if reading not in own:
            name = reading.source.name.rsplit("/", 1)[-1]
            return f"{runs}\n\n*As {name} uses it.*"
        is_current = reading is document.latest and document.current.is_set()
        return runs if is_current else f"{runs}\n\n{STALE}"
    return ""


def _of_word(document: Document, start: int, word: str, networks: Sequence[Reading]) -> str:
    found = occurrences(document, start, networks)
    if shown := [texts.of_symbol(name.symbol, reading) for reading, name in found]:
        return max(shown, key=len)  # an older reading may know values that a new error hides
    context = context_at(document.source, start)
    for candidate in candidates(context, known(document)):
        if candidate.name == word:
            incoming = _incoming(document, start) if word == "in" else ""
            return "\n\n".join(filter(None, (texts.of_word(candidate), incoming)))
    return ""


def _incoming(document: Document, offset: int) -> str:
    """The values of `in` in the block around a place."""
    for reading in document.readings():
        place = document.shift(reading).to_old(offset)
        for block in reading.names.main.own.blocks.values():
            inside = place is not None and block.whole.start <= place <= block.whole.end
            if inside and (found := texts.of_incoming(block.span, reading)):
                return found
    return ""


def occurrences(
    document: Document, offset: int, networks: Sequence[Reading] = ()
) -> Iterator[tuple[Reading, Occurrence]]:
    """The name at an offset, in each reading that has it."""
    start, end = word_at(document.text, offset) or (0, 0)
    for reading in (*networks, *document.readings()):
        place = document.shift(reading).to_old(start)
        found = None if place is None else reading.names.at(document.path, place)
        if start < end and found is not None and found.span.text == document.text[start:end]:
            yield reading, found


def definition(document: Document, offset: int) -> Target | None:
    """The definition of the name at an offset; for a `use`, the file."""
    if found := next(occurrences(document, offset), None):
        return target(found[0], found[1].symbol.span)
    for reading in document.readings():
        place = document.shift(reading).to_old(offset)
        file = next(iter(reading.compiled.files.values()))
        for path, span in file.used:
            if place is not None and span.start <= place <= span.end:
                return Target(path, reading.files.get(path, ""), 0, 0)
    return None


def target(reading: Reading, span: Span) -> Target | None:
    path = span.source.name
    if path in reading.files:
        return Target(path, reading.files[path], span.start, span.end)
    if path == "std.net":
        return Target(STANDARD, span.source.text, span.start, span.end)
    return None


def references(document: Document, offset: int) -> list[Target]:
    """All occurrences of the name at an offset, in the files that the document is made of."""
    found = next(occurrences(document, offset), None)
    if found is None:
        return []
    reading, chosen = found
    spans = reading.names.of(chosen.symbol)
    return [place for span in spans if (place := target(reading, span))]


def symbols(document: Document) -> tuple[Reading, list[Entry]] | None:
    """The outline of the last version that could be read to the end."""
    reading = document.whole or document.latest
    return (reading, outline(reading.program)) if reading else None


def layout(document: Document) -> str | None:
    """The text in its canonical layout, with the newlines that it has; None where it has errors."""
    source = Source(document.path, document.text.replace("\r\n", "\n"))
    result = formatted(source, Diagnostics())
    return result and (result.replace("\n", "\r\n") if "\r\n" in document.text else result)


def signature_help(document: Document, offset: int) -> Help | None:
    """The innermost call around a place."""
    context = context_at(document.source, offset)
    if context.inside:
        return None
    names = known(document)
    for bracket in reversed(context.brackets):
        if bracket.opening == "{":
            return None
        defines = bracket.head[:1] in (("block",), ("network",)) and len(bracket.head) == 2
        if bracket.callee and not defines and (found := called(context, bracket, names)):
            inner = bracket is context.brackets[-1]
            clause = context.clause if inner else ()
            given = [argument.name for argument in found.arguments]
            if clause[1:2] == ("=",):
                return Help(found, given.index(clause[0]) if clause[0] in given else None)
            return Help(found, bracket.arguments if bracket.arguments < len(given) else None)
    return None
