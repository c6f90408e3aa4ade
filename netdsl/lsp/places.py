"""The step, stage or section around an offset, and the spans by which `Instances` know its runs."""

from __future__ import annotations

from netdsl.base import tree
from netdsl.base.source import Span
from netdsl.syntax import nodes


def spans_at(program: nodes.Program, offset: int) -> list[Span]:
    """Of the innermost step around an offset; one for each row where the whole table is meant."""
    for statement in program.statements:
        if _holds(statement.span, offset):
            return _of_statement(statement, offset)
    return []


def _of_statement(statement: nodes.Statement, offset: int) -> list[Span]:
    match statement:
        case nodes.Section():
            return _of_section(statement, offset)
        case nodes.Stage(span=span):
            return [span]
        case nodes.Stages():
            return _of_table(statement, offset)
        case nodes.Block(body=body) if _holds(body.span, offset):
            return _of_body(body, offset)
        case nodes.Block(name=name) if _holds(name.span, offset):
            return [name.span]
        case nodes.Order(items):
            return [item.span for item in items if isinstance(item, nodes.Call) and _holds(item.span, offset)]
        case _:
            return []


def _of_section(section: nodes.Section, offset: int) -> list[Span]:
    if _holds(section.kind.span, offset):
        return [section.span]
    return _of_body(section.body, offset)


def _of_table(table: nodes.Stages, offset: int) -> list[Span]:
    for row in table.rows:
        if _holds(row.span, offset):
            return _of_section(row, offset) if isinstance(row, nodes.Section) else [row.span]
    return [row.span for row in table.rows if isinstance(row, nodes.Row)]


def _of_body(body: nodes.Body, offset: int) -> list[Span]:
    for step in body.steps:
        if _holds(step.span, offset):
            return _of_step(step, offset)
    return []


def _of_step(step: nodes.Step, offset: int) -> list[Span]:
    match step:
        case nodes.Call(span=span) | nodes.Save(span=span) | nodes.From(span=span):
            return [span]
        case nodes.Skip(keyword=keyword) | nodes.Repeat(keyword=keyword) | nodes.When(keyword=keyword):
            own = keyword
        case nodes.Branches(join=join):
            own = join.span
        case nodes.Let() | nodes.Default():
            return []
    for body in tree.bodies(step):
        if _holds(body.span, offset):
            return _of_body(body, offset)
    return [own]


def _holds(span: Span, offset: int) -> bool:
    return span.start <= offset <= span.end
