"""The parts of a file, as an editor lists them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias

from netdsl.base import tree
from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Span
from netdsl.syntax import nodes

Kind: TypeAlias = Literal[
    "network", "section", "stage", "block", "constant", "parameter", "label", "statement"
]


class Entry(NamedTuple):
    """`span` is all of it, `name_span` what is marked when it is chosen."""

    name: str
    kind: Kind
    detail: str
    span: Span
    name_span: Span
    children: tuple[Entry, ...] = ()


def outline(program: nodes.Program) -> list[Entry]:
    """The entries in the order of the text; stages are numbered as in errors."""
    entries: list[Entry] = []
    stages = 0
    for statement in program.statements:
        match statement:
            case nodes.Network(name, parameters, _, span):
                children = tuple(_parameters(parameters))
                entries.append(Entry(name.text, "network", "network", span, name.span, children))
            case nodes.Block(name, parameters, body, _, span):
                children = (*_parameters(parameters), *_inside(body.steps))
                entries.append(Entry(name.text, "block", "block", span, name.span, children))
            case nodes.Let(name, value, span):
                entries.append(Entry(name.text, "constant", value.span.text, span, name.span))
            case nodes.Section():
                entries.append(_section(statement))
            case nodes.Stage(call, span):
                stages += 1
                name = call.name
                entries.append(Entry(f"stage {stages}", "stage", call.span.text, span, name.span))
            case nodes.Stages(block, _, _, rows, span):
                rows_before, stages = stages, stages + sum(isinstance(row, nodes.Row) for row in rows)
                children = tuple(_rows(block.text, rows, rows_before))
                entries.append(Entry(f"stages {block.text}", "stage", "", span, block.span, children))
            case nodes.Init(span=span) | nodes.Train(span=span):
                word = Span(span.source, span.start, span.start + len(span.text.split("{")[0].rstrip()))
                entries.append(Entry(word.text, "statement", "", span, word))
            case _:
                pass
    return entries


def _parameters(parameters: Iterable[nodes.Parameter]) -> Iterator[Entry]:
    for parameter in parameters:
        name, default = parameter.name, parameter.default
        detail = f"= {default.span.text}" if default else ""
        yield Entry(name.text, "parameter", detail, parameter.span, name.span)


def _section(section: nodes.Section) -> Entry:
    kind, body, span, name = section
    title = f"{kind.text} {name.text}" if name else kind.text
    return Entry(title, "section", "", span, kind.span, tuple(_inside(body.steps)))


def _rows(
    block: str, rows: Iterable[nodes.Row | nodes.Section | nodes.Unread], before: int
) -> Iterator[Entry]:
    for row in rows:
        if isinstance(row, nodes.Section):
            yield _section(row)
        elif isinstance(row, nodes.Row):
            before += 1
            cells = " ".join(row.span.text.split())
            yield Entry(f"stage {before}", "stage", f"{block}: {cells}", row.span, row.span)


def _inside(steps: Iterable[nodes.Step]) -> Iterator[Entry]:
    """The constants and labels of a body, at any depth."""
    for step in steps:
        match step:
            case nodes.Let(name, value, span):
                yield Entry(name.text, "constant", value.span.text, span, name.span)
            case nodes.Call(label=nodes.Word(text, word), span=span):
                yield Entry(text, "label", step.name.text, span, word)
            case _:
                pass
        for body in tree.bodies(step):
            yield from _inside(body.steps)
