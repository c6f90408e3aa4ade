"""The source map: the step of the `.net` file that each expression of generated code computes.

The code is laid out once more with every such expression marked, `nn.ReLU()["netdsl 12"]`. Black changes
the layout and never the tree, so that the marked code and the code itself can be walked side by side.
"""

from __future__ import annotations

import ast
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import cast

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Span
from netdsl.codegen import python as py
from netdsl.codegen.render import View, laid_out

_MARK = "netdsl "


class Place(NamedTuple):
    """An expression of generated code, and the step that it computes. Lines count from 1, columns are bytes
    from 0, as Python counts them.
    """

    line: int
    column: int
    end_line: int
    end_column: int
    step: Span

    def covers(self, line: int, column: int, end_line: int, end_column: int) -> bool:
        """True if this part of the code is inside the expression."""
        inside = (line, column) >= (self.line, self.column)
        return inside and (end_line, end_column) <= (self.end_line, self.end_column)


def source_map(view: View, code: str) -> tuple[Place, ...]:
    """The places of the `code` that a view was rendered to, in the order of the code, outer ones first."""
    steps: list[Span] = []
    marked = ast.parse(laid_out(cast(View, _marked(view, steps))))
    return tuple(sorted(_places(marked, ast.parse(code), steps), key=_order))


def watched(code: str, places: Sequence[Place], name: str) -> ast.Module:
    """The code with a call `name(expression, i)` in place of each expression that computes a step; `i` is its
    number among the places.
    """
    numbers: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for number, place in enumerate(places):
        numbers[place[:4]].append(number)

    class Wrap(ast.NodeTransformer):
        def generic_visit(self, node: ast.AST) -> ast.AST:
            node = super().generic_visit(node)
            if isinstance(node, ast.expr):
                at = (node.lineno, node.col_offset, node.end_lineno or 0, node.end_col_offset or 0)
                for number in reversed(numbers.pop(at, [])):  # the outer ones come first
                    call = ast.Call(ast.Name(name, ast.Load()), [node, ast.Constant(number)], [])
                    node = ast.copy_location(call, node)
            return node

    tree: ast.Module = ast.fix_missing_locations(Wrap().visit(ast.parse(code)))
    return tree


def as_json(code: str, places: Sequence[Place]) -> str:
    """The map of the file `code` as text, a line for each place. Lines and columns count from 1."""
    lines = []
    for place in places:
        line, column = place.step.source.position(place.step.start)
        entry = {
            "line": place.line,
            "column": place.column + 1,
            "end_line": place.end_line,
            "end_column": place.end_column + 1,
            "step": {"file": place.step.source.name, "line": line, "column": column, "text": place.step.text},
        }
        lines.append(f"  {json.dumps(entry)}")
    return f'{{"code": {json.dumps(code)}, "places": [\n' + ",\n".join(lines) + "\n]}\n"


def _order(place: Place) -> tuple[int, int, int, int]:
    return place.line, place.column, -place.end_line, -place.end_column


def _marked(node: object, steps: list[Span]) -> object:
    """A view with marks around the expressions that compute steps, which are added to `steps`."""
    if not isinstance(node, tuple):
        return node
    parts = tuple(_marked(part, steps) for part in node)
    made: object = type(node)._make(parts) if hasattr(node, "_make") else parts
    if isinstance(made, (py.Call, py.Operation)) and made.span is not None:
        steps.append(made.span)
        return py.Item(made, py.Literal(f"{_MARK}{len(steps) - 1}"))
    return made


def _places(marked: ast.AST, own: ast.AST, steps: Sequence[Span]) -> Iterator[Place]:
    if (number := _number(marked)) is not None:
        assert isinstance(marked, ast.Subscript) and isinstance(own, ast.expr)
        assert own.end_lineno is not None and own.end_col_offset is not None
        yield Place(own.lineno, own.col_offset, own.end_lineno, own.end_col_offset, steps[number])
        marked = marked.value
    children = zip(ast.iter_child_nodes(marked), ast.iter_child_nodes(own), strict=True)
    for inner, same in children:
        yield from _places(inner, same, steps)


def _number(node: ast.AST) -> int | None:
    """The number of a mark."""
    match node:
        case ast.Subscript(slice=ast.Constant(value=str(text))) if text.startswith(_MARK):
            return int(text.removeprefix(_MARK))
        case _:
            return None
