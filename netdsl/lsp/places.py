"""The step, stage or section around an offset, and the spans by which `Instances` finds its runs."""

from __future__ import annotations

from typing import Any

from netdsl.base.source import Span
from netdsl.base.tree import children
from netdsl.syntax import nodes


def spans_at(program: nodes.Program, offset: int) -> list[Span]:
    """The span of the innermost step around an offset; in a table outside of its rows, that of each row."""
    found: list[Span] = []
    inner: list[Any] = [program]
    for node in inner:
        match node:
            case nodes.Call() | nodes.Save() | nodes.From() | nodes.Stage() | nodes.Row():
                return [node.span]
            case nodes.Skip() | nodes.Repeat() | nodes.When():
                found = [node.keyword]
            case nodes.Branches():
                found = [node.join.span]
            case nodes.Section():
                found = [node.span] if _holds(node.kind, offset) else []
            case nodes.Block():
                found = [node.name.span] if _holds(node.name, offset) else []
            case nodes.Stages():
                found = [row.span for row in node.rows if isinstance(row, nodes.Row)]
            case nodes.Body() | nodes.Let() | nodes.Default():
                found = []
        inner += [child for child in children(node) if _holds(child, offset)][:1]
    return found


def _holds(node: Any, offset: int) -> bool:
    span: Span | None = getattr(node, "span", None)
    return span is not None and span.start <= offset <= span.end
