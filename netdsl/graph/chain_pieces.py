"""Layout of chains of nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from netdsl.base.named_tuple import NamedTuple
from netdsl.graph import theme
from netdsl.graph.drawing import Box, Item, Line, Piece, Point, Text, middle_text
from netdsl.graph.figure_nodes import (
    BlockNode,
    BranchesNode,
    Chain,
    LoopNode,
    MarkNode,
    Node,
    OperationNode,
    SkipNode,
)
from netdsl.graph.labels import listed, shape_text
from netdsl.graph.text_metrics import text_width, wrapped
from netdsl.ops.operation import Shape

# The width of the lines of a block's arguments.
ARGUMENTS = 96.0
BADGE = 6.0


class Widths(NamedTuple):
    """The widths of a chain's boxes, which are equal for all boxes of a kind."""

    operation: float
    block: float


def chain_piece(chain: Chain, entering: Shape | None) -> Piece:
    """Nodes from top to bottom; an edge is labelled with the shape if it changes."""
    return stacked(groups(chain), entering)


def groups(chain: Chain) -> list[list[Node]]:
    """The nodes in groups without gaps: a layer with its norm and activation."""
    found: list[list[Node]] = []
    leads = bool(chain) and isinstance(chain[0], OperationNode) and chain[0].family in theme.LEADERS
    for node in chain:
        if found and _together(found[-1], node, leads):
            found[-1].append(node)
        else:
            found.append([node])
    return found


def _together(group: Sequence[Node], node: Node, leads: bool) -> bool:
    """Norms and activations follow their layer, or precede it in a chain that starts with one."""
    if leads:
        return _is_light(group[-1]) and (_is_light(node) or _is_layer(node))
    return _is_light(node) and (_is_layer(group[0]) or _is_light(group[0]))


def _is_light(node: Node) -> bool:
    return isinstance(node, OperationNode) and node.family in theme.LIGHTS


def _is_layer(node: Node) -> bool:
    return isinstance(node, OperationNode) and node.family in ("conv", "linear", "attention")


def stacked(parts: Sequence[Sequence[Node]], entering: Shape | None) -> Piece:
    """Groups of nodes, one below the other."""
    nodes = [node for part in parts for node in part]
    widths = Widths(*(max(map(own, nodes), default=0) for own in (_operation_width, _block_width)))
    shapes = [entering]
    for part in parts:
        shapes.append(part[-1].output or shapes[-1])
    pieces = [_group_piece(part, widths, shape) for part, shape in zip(parts, shapes, strict=False)]
    if not pieces:
        return Piece(0, 0, (), 0, "line")
    axis = max(piece.axis for piece in pieces)
    right = max(piece.width - piece.axis for piece in pieces)
    items: list[Item] = []
    y = 0.0
    for index, piece in enumerate(pieces):
        if index:
            shape = shapes[index]
            label = shape_text(shape) if shape and shape != shapes[index - 1] else ""
            items += piece.edge(axis, y, theme.GAP)
            if label:
                items.append(beside(axis, y + theme.GAP / 2, label))
                right = max(right, 5 + text_width(label, theme.SMALL))
            y += theme.GAP
        items += piece.at(axis - piece.axis, y)
        y += piece.height
    return Piece(axis + right, y, tuple(items), axis, pieces[0].entry)


def beside(x: float, y: float, text: str) -> Text:
    """A text to the right of a line."""
    return middle_text(x + 5, y, text, theme.SMALL, theme.QUIET, anchor="start")


def _group_piece(nodes: Sequence[Node], widths: Widths, entering: Shape | None) -> Piece:
    pieces = [_node_piece(node, widths, entering) for node in nodes]
    if len(pieces) == 1:
        return pieces[0]
    items: list[Item] = []
    y = 0.0
    for piece in pieces:
        items += piece.at(0, y)
        y += piece.height + theme.GLUE
    return Piece(pieces[0].width, y - theme.GLUE, tuple(items), pieces[0].axis)


def _operation_width(node: Node) -> float:
    if not isinstance(node, OperationNode):
        return 0
    return text_width(node.text, _text_size(node)) + 2 * theme.PADDING


def _block_width(node: Node) -> float:
    if not isinstance(node, BlockNode):
        return 0
    lines = (text_width(line, theme.SMALL) for line in _argument_lines(node))
    return max(_block_head(node), *lines, 0) + 2 * theme.PADDING


def _block_head(node: BlockNode) -> float:
    """The width of letter, name and copies."""
    times = text_width(node.times, theme.NAME, bold=True) + 8 if node.times else 0
    return heading_width(node.name) + times


def _argument_lines(node: BlockNode) -> list[str]:
    return wrapped(listed(node.arguments), theme.SMALL, ARGUMENTS)


def _text_size(node: OperationNode) -> float:
    return theme.SMALL if _is_light(node) else theme.LABEL


def _node_piece(node: Node, widths: Widths, entering: Shape | None) -> Piece:
    match node:
        case OperationNode():
            return _operation_piece(node, widths.operation)
        case BlockNode():
            return _block_piece(node, widths.block)
        case SkipNode():
            return _skip_piece(node, entering)
        case BranchesNode():
            return _branches_piece(node, entering)
        case LoopNode():
            return _loop_piece(node, entering)
        case MarkNode():
            return _mark_piece(node)
        case _:
            assert_never(node)


def _operation_piece(node: OperationNode, width: float) -> Piece:
    look = theme.FAMILIES.get(node.family, theme.OTHER)
    height = theme.LIGHT if _is_light(node) else theme.HEAVY
    items = (
        Box("node", 0, 0, width, height, *look, facts=node.facts),
        middle_text(width / 2, height / 2, node.text, _text_size(node)),
    )
    return Piece(width, height, items, width / 2)


def _block_piece(node: BlockNode, width: float) -> Piece:
    """Letter, name and copies, with the arguments below; several copies are drawn as a stack of sheets."""
    lines, head = _argument_lines(node), _block_head(node)
    height = 22 + 11.5 * len(lines) + (3 if lines else 0)
    left = (width - head) / 2
    items: list[Item] = (
        [Box("sheet", offset, offset, width, height, theme.PAPER, theme.BLOCK.stroke) for offset in (5, 2.5)]
        if node.times
        else []
    )
    items.append(Box("node", 0, 0, width, height, *theme.BLOCK, facts=node.facts, panel=node.letter))
    items += heading(left, 11, node.letter, node.name)
    if node.times:
        items.append(middle_text(left + head, 11, node.times, theme.NAME, bold=True, anchor="end"))
    items += [
        Text(width / 2, 22 + 8.5 + 11.5 * index, line, theme.SMALL, theme.INK)
        for index, line in enumerate(lines)
    ]
    extra = 5 if node.times else 0
    return Piece(width + extra, height + extra, tuple(items), width / 2)


def heading(x: float, middle: float, letter: str, name: str) -> tuple[Item, ...]:
    """The letter of a panel on a disc, and the name of its block."""
    return (
        Box("frame", x, middle - BADGE, 2 * BADGE, 2 * BADGE, theme.INK, theme.INK, radius=BADGE),
        middle_text(x + BADGE, middle, letter, theme.SMALL, theme.PAPER, bold=True),
        middle_text(x + 2 * BADGE + 5, middle, name, theme.NAME, bold=True, anchor="start"),
    )


def heading_width(name: str) -> float:
    return 2 * BADGE + 5 + text_width(name, theme.NAME, bold=True)


def _mark_piece(node: MarkNode) -> Piece:
    width = text_width(node.text, theme.SMALL) + 2 * theme.PADDING
    items = (
        Box("node", 0, 0, width, theme.LIGHT, *theme.MARK, radius=7, dashed=True, facts=node.facts),
        middle_text(width / 2, theme.LIGHT / 2, node.text, theme.SMALL),
    )
    return Piece(width, theme.LIGHT, items, width / 2, "arrow" if node.has_input else "none")


def _join(node: SkipNode | BranchesNode, axis: float, y: float) -> tuple[Box, Text]:
    """A disc with a sign, or a box with a word, whose upper edge is at y."""
    sign = len(node.join) == 1
    size = 12.0 if sign else theme.SMALL
    width = 15.0 if sign else text_width(node.join, size) + 2 * theme.PADDING
    box = Box("node", axis - width / 2, y, width, 15, *theme.JOIN, radius=7.5, facts=node.facts)
    return box, middle_text(axis, y + 7.5, node.join, size, bold=sign)


def _skip_piece(node: SkipNode, entering: Shape | None) -> Piece:
    """The body, with the skip connection to its right."""
    body = chain_piece(node.body, entering)
    join, sign = _join(node, 0, 0)
    axis = max(body.axis, join.width / 2)
    right = axis + max(body.width - body.axis, join.width / 2)
    top, fork = theme.GAP, 4.0
    past = chain_piece(node.shortcut, entering)
    middle = max(body.height, past.height)
    bottom = top + middle + theme.GAP
    arc = right + (theme.ASIDE * 0.6 + past.axis if node.shortcut else theme.ASIDE)
    items: list[Item] = []
    items += body.edge(axis, 0, top)
    items += body.at(axis - body.axis, top)
    items.append(Line(((axis, top + body.height), (axis, bottom)), arrow=True))
    centre = bottom + 7.5
    end: Point = (axis + join.width / 2, centre)
    start: list[Point] = [(axis, fork), (arc, fork)]
    if node.shortcut:
        y = top + (middle - past.height) / 2
        if past.entry != "none":
            items.append(Line((*start, (arc, y)), arrow=past.entry == "arrow"))
        items += past.at(arc - past.axis, y)
        items.append(Line(((arc, y + past.height), (arc, centre), end), arrow=True))
    else:
        items.append(Line((*start, (arc, centre), end), arrow=True))
    if body.entry == "none":
        items.append(Line(((axis, 0), (axis, fork))))
    items += [join.moved(axis, bottom), sign.moved(axis, bottom)]
    width = arc + (past.width - past.axis if node.shortcut else 1)
    return Piece(width, bottom + join.height, tuple(items), axis, "line")


def _branches_piece(node: BranchesNode, entering: Shape | None) -> Piece:
    """Branches side by side, between a line that distributes the input and one that joins the outputs."""
    pieces = [chain_piece(branch, entering) for branch in node.branches]
    lefts: list[float] = []
    x = 0.0
    for piece in pieces:
        lefts.append(x)
        x += max(piece.width, 10) + 12
    width = x - 12
    axes = [left + (piece.axis or 5) for left, piece in zip(lefts, pieces, strict=True)]
    axis = (axes[0] + axes[-1]) / 2
    middle = max(piece.height for piece in pieces)
    top, bottom = theme.GAP, theme.GAP + middle
    bar, collect = 4.0, bottom + theme.GAP - 10
    join, sign = _join(node, axis, collect + 10)
    items: list[Item] = []
    for piece, left, own in zip(pieces, lefts, axes, strict=True):
        y = top + (middle - piece.height) / 2
        if not piece.height:
            points = ((axis, 0.0), (axis, bar), (own, bar), (own, collect), (axis, collect), (axis, join.y))
            items.append(Line(_straightened(*points), arrow=True))
            continue
        if piece.entry != "none":
            ways = _straightened((axis, 0), (axis, bar), (own, bar), (own, y))
            items.append(Line(ways, arrow=piece.entry == "arrow"))
        items += piece.at(left, y)
        ways = _straightened((own, y + piece.height), (own, collect), (axis, collect), (axis, join.y))
        items.append(Line(ways, arrow=True))
    left_edge = min(0.0, join.x)
    right_edge = max(width, join.x + join.width)
    items += [join, sign]
    shifted = tuple(item.moved(-left_edge, 0) for item in items)
    return Piece(right_edge - left_edge, join.y + join.height, shifted, axis - left_edge, "line")


def _straightened(*points: Point) -> tuple[Point, ...]:
    """A line without the points at which it does not turn."""
    kept = [points[0]]
    for here, after in zip(points[1:], points[2:], strict=False):
        before = kept[-1]
        if here != before and not (before[0] == here[0] == after[0] or before[1] == here[1] == after[1]):
            kept.append(here)
    return (*kept, points[-1])


def _loop_piece(node: LoopNode, entering: Shape | None) -> Piece:
    """A dashed frame around the repeated body, with the number of iterations beside it."""
    body = chain_piece(node.body, entering if node.output == entering else None)
    pad = 8.0
    times = text_width(node.times, theme.NAME, bold=True)
    width, height = body.width + 2 * pad, body.height + 2 * pad + 4
    axis = body.axis + pad
    items: list[Item] = [
        Box("frame", 0, 0, width, height, "none", theme.LOOP, radius=5, dashed=True, facts=node.facts),
        *body.edge(axis, 0, pad + 2),
        *body.at(pad, pad + 2),
        Line(((axis, pad + 2 + body.height), (axis, height))),
        middle_text(width + 5, height / 2, node.times, theme.NAME, bold=True, anchor="start"),
    ]
    return Piece(width + 5 + times, height, tuple(items), axis, "none" if body.entry == "none" else "line")
