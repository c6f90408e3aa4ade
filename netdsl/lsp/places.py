"""The step, stage or section around an offset, and the spans by which `Instances` know its runs."""

from __future__ import annotations

from netdsl.base.source import Span
from netdsl.syntax import nodes as syntax


def spans_at(program: syntax.Program, offset: int) -> list[Span]:
    """Of the innermost step around an offset; one for each row where the whole table is meant."""
    for statement in program.statements:
        if _holds(statement.span, offset):
            return _of_statement(statement, offset)
    return []


def _of_statement(statement: syntax.Statement, offset: int) -> list[Span]:
    match statement:
        case syntax.Section():
            return _of_section(statement, offset)
        case syntax.Stage(span=span):
            return [span]
        case syntax.Stages():
            return _of_table(statement, offset)
        case syntax.Block(body=body) if _holds(body.span, offset):
            return _of_body(body, offset)
        case syntax.Block(name=name) if _holds(name.span, offset):
            return [name.span]
        case syntax.Order(items):
            return [
                item.span for item in items if isinstance(item, syntax.Call) and _holds(item.span, offset)
            ]
        case _:
            return []


def _of_section(section: syntax.Section, offset: int) -> list[Span]:
    if _holds(section.kind.span, offset):
        return [section.span]
    return _of_body(section.body, offset)


def _of_table(table: syntax.Stages, offset: int) -> list[Span]:
    for row in table.rows:
        if _holds(row.span, offset):
            return _of_section(row, offset) if isinstance(row, syntax.Section) else [row.span]
    return [row.span for row in table.rows if isinstance(row, syntax.Row)]


def _of_body(body: syntax.Body, offset: int) -> list[Span]:
    for step in body.steps:
        if _holds(step.span, offset):
            return _of_step(step, offset)
    return []


def _of_step(step: syntax.Step, offset: int) -> list[Span]:
    match step:
        case syntax.Call(span=span) | syntax.Save(span=span) | syntax.From(span=span):
            return [span]
        case syntax.Skip(keyword=keyword) | syntax.Repeat(keyword=keyword) | syntax.When(keyword=keyword):
            own = keyword
        case syntax.Branches(join=join):
            own = join.span
        case syntax.Let() | syntax.Default():
            return []
    for body in syntax.bodies(step):
        if _holds(body.span, offset):
            return _of_body(body, offset)
    return [own]


def _holds(span: Span, offset: int) -> bool:
    return span.start <= offset <= span.end
