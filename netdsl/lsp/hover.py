"""Hover texts for the word under the cursor, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from netdsl.base.source import Span
from netdsl.base.tree import around
from netdsl.base.values import Value, show
from netdsl.ir.typed import (
    Instance,
    TypedEach,
    TypedLet,
    TypedMark,
    TypedOperation,
    TypedParameterCall,
    TypedSection,
    TypedSkip,
    TypedStage,
)
from netdsl.lsp.completion import Candidate
from netdsl.lsp.instances import Visit, is_known
from netdsl.lsp.reading import Reading
from netdsl.ops.operation import show_shape
from netdsl.resolve.bindings import Symbol
from netdsl.syntax import nodes

# The largest number of lines for a step that runs in many places.
MOST_LINES = 10


def of_word(candidate: Candidate) -> str:
    """A word of the language: how it is written, and one line of what it means."""
    written = candidate.detail or candidate.name
    return "\n\n".join(filter(None, (_code(written), candidate.documentation)))


def of_symbol(symbol: Symbol, reading: Reading) -> str:
    """A name: its definition, its comment, and the values that it has."""
    match symbol.kind:
        case "block" | "network":
            parameters = ", ".join(parameter.whole.text for parameter in symbol.parameters.values())
            head = f"{symbol.kind} {symbol.name}" + (f"({parameters})" if parameters else "")
        case "parameter" | "label" | "index":
            head = f"{symbol.kind} {symbol.name if symbol.kind != 'parameter' else symbol.whole.text}"
            head += f" of {symbol.owner.name}" if symbol.owner else ""
        case _:
            head = symbol.whole.text.partition("\n")[0]
    parts = [_code(head), symbol.documentation]
    value = reading.constant(symbol)
    if value is not None:
        parts.append(f"is `{show(value)}`")
    elif symbol.kind in ("parameter", "local"):
        parts.append(_table((_path(path), f"= {show(found)}") for path, found in _values(symbol, reading)))
    return "\n\n".join(filter(None, parts))


def of_incoming(block: Span, reading: Reading) -> str:
    """The values of `in` in the block whose name has this span."""
    if reading.instances is None:
        return ""
    visits = reading.instances.visits(block)
    found = ((v.path, v.node.values.get("in")) for v in visits if isinstance(v.node, Instance))
    return _table((_path(path), f"= {show(value)}") for path, value in found if value is not None)


def of_place(reading: Reading, path: str, offset: int) -> str:
    """All runs of the step, stage or section at a place: shapes, parameters, MACs."""
    instances = reading.instances
    if instances is None:
        return ""
    spans = _runs_at(reading.compiled.files[path].program, offset)
    visits = (visit for span in spans for visit in instances.visits(span) if is_known(visit.input))
    return _table(row for visit in visits if (row := _row(visit)))


def _runs_at(program: nodes.Program, offset: int) -> list[Span]:
    """The span by which `Instances` finds the runs of the innermost step around an offset; in a table outside
    of its rows, that of each row.
    """
    found: list[Span] = []
    place = Span(program.statements[0].span.source, offset, offset) if program.statements else None
    for node in around(program, place) if place else ():
        match node:
            case nodes.Call() | nodes.Save() | nodes.From() | nodes.Stage() | nodes.Row():
                return [node.span]
            case nodes.Skip() | nodes.Repeat() | nodes.Each() | nodes.When():
                found = [node.keyword]
            case nodes.Branches():
                found = [node.join.span]
            case nodes.Section() | nodes.Block():
                name = node.kind if isinstance(node, nodes.Section) else node.name
                whole = node.span if isinstance(node, nodes.Section) else name.span
                found = [whole] if place and place.within(name.span) else []
            case nodes.Stages():
                found = [row.span for row in node.rows if isinstance(row, nodes.Row)]
            case nodes.Body() | nodes.Let() | nodes.Default():
                found = []
    return found


def _values(symbol: Symbol, reading: Reading) -> Iterator[tuple[tuple[str, ...], Value]]:
    """The values of a block's parameter, or of a constant in a body."""
    if reading.instances is None:
        return
    place = symbol.owner.span if symbol.kind == "parameter" and symbol.owner else symbol.whole
    for path, node, _ in reading.instances.visits(place):
        if isinstance(node, TypedLet):
            yield path, node.value
        elif isinstance(node, Instance) and symbol.name in node.values:
            yield path, node.values[symbol.name]


def _row(visit: Visit) -> tuple[str, ...]:
    """The cells of a run; none where an error hides its shape."""
    path, node = _path(visit.path), visit.node
    match node:
        case TypedMark(output=output):
            return (path, show_shape(output)) if is_known(output) else ()
        case TypedEach():  # of which there is a row for each tensor
            return ()
        case TypedSection(body=body):
            output, cost, note = body.output, node.cost, ""
        case TypedStage(runs=runs):
            output, cost = runs[-1][0].output, node.cost
            copies = sum(count for _, count in runs)
            note = f"{copies} blocks" if copies > 1 else "1 block"
        case TypedSkip(step=step, same=same):
            output, cost = node.output, node.cost
            note = "+ x" if same else "without x" if step.if_same else "+ shortcut(x)"
        case TypedParameterCall(name=name):
            output, cost, note = node.output, node.cost, name
        case TypedOperation(step=step) if step.operation.name not in step.span.text:
            output, cost, note = node.output, node.cost, f"its {step.operation.name} alone"  # of a `unit`
        case _:
            output, cost, note = node.output, node.cost, ""
    if not is_known(output):
        return ()
    shapes = f"{show_shape(visit.input)} → {show_shape(output)}"
    costs = (_counted(cost.parameters, "parameter"), _counted(cost.macs, "MAC"))
    return path, shapes, *costs, note


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' if number != 1 else ''}" if number else ""


def _path(path: tuple[str, ...]) -> str:
    return " › ".join(path)


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    """Rows in columns; those that differ in their path alone are one."""
    paths: dict[tuple[str, ...], list[str]] = {}
    for path, *cells in rows:
        known = paths.setdefault(tuple(cells), [])
        if path not in known:
            known.append(path)
    if not paths:
        return ""
    lines: list[tuple[str, ...]] = []
    for row, found in islice(paths.items(), MOST_LINES):
        shown = "; ".join(found) if len(found) < 3 else f"{found[0]}; {found[1]} and {len(found) - 2} more"
        lines.append((shown, *row))
    columns = [column for column in zip(*lines, strict=True) if any(column)]
    padded = [[cell.ljust(max(map(len, column))) for cell in column] for column in columns]
    text = ["  ".join(cells).rstrip() for cells in zip(*padded, strict=True)]
    if len(paths) > MOST_LINES:
        text.append(f"… and {len(paths) - MOST_LINES} more")
    return _code("\n".join(text), "text")


def _code(text: str, language: str = "net") -> str:
    return f"```{language}\n{text}\n```"
