"""Decorations of a text in an editor: colours of names, shapes behind steps, and the parts that fold."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol import types

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Source, Span
from netdsl.base.tree import bodies, nested, steps
from netdsl.ir.typed import TypedLet, TypedOperation, TypedStage
from netdsl.lsp.documents import Document
from netdsl.lsp.instances import is_known
from netdsl.lsp.net_server import NetServer
from netdsl.lsp.reading import Reading
from netdsl.ops import OPERATIONS
from netdsl.ops.operation import Shape, show_shape
from netdsl.resolve.bindings import Kind
from netdsl.syntax import nodes
from netdsl.syntax.tokens import CLOSING, OPENING, tokens

# The types of semantic tokens, as the protocol calls them, and those of names.
TOKEN_TYPES = ("namespace", "class", "parameter", "variable", "property", "function")
MODIFIERS = ("declaration", "readonly", "defaultLibrary")
_TYPES: dict[Kind, str] = {
    "network": "namespace",
    "block": "class",
    "parameter": "parameter",
    "constant": "variable",
    "local": "variable",
    "index": "variable",
    "tensor": "variable",
    "label": "property",
}


class ColouredName(NamedTuple):
    """A name with its type and modifiers, of those above."""

    span: Span
    type: str
    modifiers: tuple[str, ...] = ()


def coloured_names(reading: Reading) -> list[ColouredName]:
    """The names of a file in the order of the text: what it defines, and the operations that it calls."""
    found = []
    for span, symbol, role in reading.names.occurrences:
        if span.source is reading.source:
            own = symbol.span.source.name in reading.files
            modifiers = (role == "definition", symbol.is_constant, not own)
            chosen = tuple(name for name, holds in zip(MODIFIERS, modifiers, strict=True) if holds)
            found.append(ColouredName(span, _TYPES[symbol.kind], chosen))
    places = {name.span for name in found}
    for call in nested(reading.program, nodes.Call):
        if call.name.text in OPERATIONS and call.name.span not in places:
            found.append(ColouredName(call.name.span, "function", ("defaultLibrary",)))
    return sorted(found, key=lambda name: name.span.start)


class Hint(NamedTuple):
    """A text that is shown behind a place."""

    offset: int
    text: str


def shape_hints(reading: Reading) -> list[Hint]:
    """The shape after each step and stage of a file; where it differs between runs, the first ones."""
    typed, source = reading.compiled.typed, reading.source
    if typed is None:
        return []
    # A step with bodies has the span of its keyword; the shape is shown at its end.
    every = (step for body in nested(reading.program, nodes.Body) for step in body.steps)
    ends = {step.span.start: step.span.end for step in every if bodies(step)}
    shapes: dict[int, dict[Shape, None]] = {}

    def add(place: Span, shape: Shape) -> None:
        if place.source is source and is_known(shape):
            shapes.setdefault(ends.get(place.start, place.end), {})[shape] = None

    for body in typed.bodies:
        units: dict[Span, Shape] = {}
        for step in steps(body):
            if isinstance(step, TypedOperation) and step.step.unit:
                units[step.step.unit] = step.output
            elif not isinstance(step, TypedLet):
                units.pop(step.step.span, None)
                units[step.step.span] = step.output
        for place, shape in units.items():
            add(place, shape)
    for part in typed.parts:
        if isinstance(part, TypedStage):
            add(part.stage.span, part.runs[-1][0].output)
    return [Hint(offset, _shown(list(found))) for offset, found in sorted(shapes.items())]


def _shown(shapes: list[Shape]) -> str:
    return ", ".join(map(show_shape, shapes[:2])) + (", …" if len(shapes) > 2 else "")


def folds(source: Source) -> Iterator[tuple[int, int, bool]]:
    """The offsets of the start and end of what folds: brackets, and comments of several lines (True)."""
    opened: list[int] = []
    comment: list[int] = []
    for token in tokens(source):
        if token.kind == "COMMENT":
            comment = [*comment[:1], token.start]
        elif token.kind != "_NL":
            if len(comment) > 1:
                yield comment[0], comment[1], True
            comment = []
        if token.text in CLOSING:
            opened.append(token.start)
        elif token.text in OPENING and opened and source.text[opened[-1]] == OPENING[token.text]:
            yield opened.pop(), token.start, False


# as the protocol has them

LEGEND = types.SemanticTokensLegend(list(TOKEN_TYPES), list(MODIFIERS))


def semantic_tokens(server: NetServer, document: Document) -> types.SemanticTokens:
    """The colours of names, each relative to the one before."""
    lines = server.lines(document.text)
    data: list[int] = []
    before = types.Position(0, 0)
    for reading in document.readings()[:1]:
        shift = document.shift(reading)
        for span, kind, modifiers in coloured_names(reading):
            if (moved := shift.to_new(span.start, span.end)) is None:
                continue
            place = server.range(lines, *moved)
            first, length = place.start, place.end.character - place.start.character
            column = first.character - (before.character if first.line == before.line else 0)
            bits = sum(1 << MODIFIERS.index(modifier) for modifier in modifiers)
            data += [first.line - before.line, column, length, TOKEN_TYPES.index(kind), bits]
            before = first
    return types.SemanticTokens(data)


def inlay_hints(server: NetServer, document: Document, part: types.Range) -> list[types.InlayHint]:
    """The shapes in a part of the text."""
    lines = server.lines(document.text)
    found = []
    for reading in document.readings()[:1]:
        shift = document.shift(reading)
        for hint in shape_hints(reading):
            if moved := shift.to_new(hint.offset, hint.offset):
                place = types.Position(*lines.position(moved[0]))
                if part.start.line <= place.line <= part.end.line:
                    found.append(types.InlayHint(place, hint.text, padding_left=True))
    return found


def folding_ranges(server: NetServer, document: Document) -> list[types.FoldingRange]:
    """The lines that fold; that of a closing bracket stays visible."""
    lines = server.lines(document.text)
    found = []
    for start, end, is_comment in folds(document.source):
        first, last = lines.position(start)[0], lines.position(end)[0] - (not is_comment)
        if first < last:
            kind = types.FoldingRangeKind.Comment if is_comment else None
            found.append(types.FoldingRange(first, last, kind=kind))
    return found
