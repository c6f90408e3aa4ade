"""Joins: checks of skip connections and branches, and their errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from netdsl.base.source import Span
from netdsl.diagnostics import Edit, Fix, Help, Label, add
from netdsl.ir.resolved import BranchesStep, SkipStep
from netdsl.ir.typed import TypedBody
from netdsl.ops.operation import Shape, describe
from netdsl.shapes.error_reporter import ErrorReporter, origin
from netdsl.shapes.repair.projection import projection
from netdsl.shapes.tensor_state import TensorState
from netdsl.syntax.tokens import closing

_WHAT = {
    "add": "`add` sums different shapes",
    "concat": "`concat` joins maps of different height and width",
    "mul": "`mul` multiplies different shapes",
}

# Sizes that differ by less most likely differ by rounding.
_ROUNDED = 4
_GATE = "write `mul { | identity | … }` in place of `skip { … }` to multiply each channel by a number"


class Joins:
    """Checks joins. Branches of unknown shape are ignored."""

    def __init__(self, reports: ErrorReporter) -> None:
        self._reports = reports

    # branches

    def mismatch(
        self, step: BranchesStep, start: TensorState, ends: Sequence[TensorState]
    ) -> tuple[int, int] | None:
        """Two branches with different shapes, first the one that is most likely wrong."""
        shapes = {index: end.shape for index, end in enumerate(ends) if end.known}

        different = Counter((*shapes.values(), start.shape))

        def agreeing(index: int) -> tuple[int, int]:
            """The size, if others are broadcast to it, and how many shapes, with the input's, equal it."""
            own = shapes[index]
            like = (count for shape, count in different.items() if _fits(step.join, own, shape))
            return (_area(own) if step.join == "mul" else 0, sum(like))

        kinds = {shape: index for index, shape in reversed(shapes.items())}
        right = max(sorted(kinds.values()), key=agreeing, default=0)
        wrong = (index for index in shapes if not _fits(step.join, shapes[right], shapes[index]))
        return next(((index, right) for index in wrong), None)

    def joined(
        self, step: BranchesStep, start: TensorState, ends: Sequence[TensorState]
    ) -> tuple[TensorState, int | None]:
        """The tensor after a join of branches that fit, and the branch that has its grid."""
        if not all(end.known for end in ends):
            # The known summand has the shape of the sum. For other joins the number of channels is unknown.
            known = [end for end in ends if end.known and step.join == "add"]
            return (known[0] if known else start.lost()), None
        full = max(range(len(ends)), key=lambda index: _area(ends[index].shape))
        own = ends[full].shape
        ruling = [end for end in ends if end.shape[1:] == own[1:]]
        if step.join == "mul":  # the 1x1 of a global pool is broadcast
            ruling = [end for end in ruling if end.grid is start.grid] or ruling
        same = all(e.grid is ruling[0].grid and e.reduction == ruling[0].reduction for e in ruling)
        chosen = ruling[0]
        grid = next(index for index, end in enumerate(ends) if end is chosen) if same else None
        channels = sum(end.shape[0] for end in ends) if step.join == "concat" else own[0]
        after = chosen
        for end in ends:
            after = after.deepest(end)
        made = step.span if step.join == "concat" else after.made
        after = after._replace(shape=(channels, *own[1:]), made=made)
        if not same:
            after = after._replace(grid=object(), irregular=step)
        return after, grid

    def different(
        self, step: BranchesStep, ends: Sequence[TensorState], pair: tuple[int, int], fix: Fix | None
    ) -> None:
        """Reports branches with different shapes, with all branches."""
        wrong, other = pair
        shown = [wrong, *(index for index, end in enumerate(ends) if index != wrong and end.known)]
        labels = [Label(step.spans[i].first_line, f"gives {describe(ends[i].shape)}") for i in shown]
        remedy = _remedy(step.join, ends[other].shape, ends[wrong].shape)
        ranks = {len(ends[index].shape) for index in pair}
        self._reports.error(
            "NET404",
            _WHAT[step.join] if len(ranks) == 1 else f"`{step.join}` joins a map and a vector",
            labels[0].span,
            labels[0].text,
            also=labels[1:],
            help=remedy,
            fix=fix,
        )

    # skip connections

    def irregular(self, step: SkipStep, start: TensorState, end: TensorState, fix: Fix | None) -> None:
        """Reports a body that changes height and width by other than its strides."""
        assert end.irregular is not None
        self._reports.error(
            "NET401",
            "a step in a skip connection changes height and width by other than a stride",
            end.irregular.span,
            f"the body turns {describe(start.shape)} into {describe(end.shape)}",
            also=[Label(step.span, "the skip connection")],
            help=_out_of_skip(step.span, start, end),
            fix=fix,
        )

    def missing_shortcut(
        self, step: SkipStep, body: TypedBody, start: TensorState, end: TensorState, fix: Fix | None
    ) -> None:
        """Reports a body that changes the shape without a shortcut."""
        reduction = end.reduced_from(start)
        label = f"input is {describe(start.shape)}, body gives {describe(end.shape)}"
        if start.shape == end.shape:  # at this input's size; at another they would differ
            label = f"the body has a stride of {reduction}"
        shortcut = fix or add(_whole(step.span), f" shortcut {{ {projection(body, reduction)} }}", safe=False)
        self._unequal(step, label, [*origin(end), *origin(start)], (shortcut, _if_same(step.span)))

    def uneven(self, step: SkipStep, start: TensorState, end: TensorState, fix: Fix | None) -> None:
        """Reports a body that makes the map smaller and larger again, but not to the same size."""
        label = f"input is {describe(start.shape)}, body gives {describe(end.shape)}"
        help = "choose an input whose height and width the strides in the body divide"
        self._unequal(step, label, [*origin(end), *origin(start)], help, fix)

    def disagree(
        self, step: SkipStep, start: TensorState, body: TensorState, shortcut: TensorState, fix: Fix | None
    ) -> None:
        """Reports a body and a shortcut with different shapes."""
        label = f"body gives {describe(body.shape)}, shortcut gives {describe(shortcut.shape)}"
        if body.shape == shortcut.shape:
            strides = [way.reduced_from(start) for way in (body, shortcut)]
            label = f"the body has a stride of {strides[0]}, the shortcut of {strides[1]}"
        help = "give both the same channels and strides"
        self._unequal(step, label, [*origin(body), *origin(shortcut)], help, fix)

    def _unequal(
        self, step: SkipStep, label: str, also: Sequence[Label], help: Help, fix: Fix | None = None
    ) -> None:
        message = "skip connection adds two different shapes"
        self._reports.error("NET401", message, step.span, label, also=also, help=help, fix=fix)


def _whole(keyword: Span) -> Span:
    """A `skip` from its keyword to the end of its body."""
    opening = keyword.source.text.index("{", keyword.end)
    return Span(keyword.source, keyword.start, closing(keyword.source, opening) + 1)


def _if_same(keyword: Span) -> Fix:
    return Fix("write `skip if same { … }`", add(keyword, " if same").edits, safe=False)


def _area(shape: Shape) -> int:
    return shape[1] * shape[2] if len(shape) == 3 else 0


def _fits(join: str, full: Shape, shape: Shape) -> bool:
    if len(full) != len(shape):
        return False
    if join == "concat":
        return full[1:] == shape[1:]
    stretched = join == "mul" and len(shape) == 3 and shape[1:] == (1, 1)
    return full[0] == shape[0] and (stretched or full == shape)


def _out_of_skip(keyword: Span, start: TensorState, end: TensorState) -> Help:
    """The help for a step that changes height and width by other than a stride."""
    if len(end.shape) < len(start.shape):
        return "move the step that makes a vector after the `skip`, whose body must be a map"
    if end.shape != (start.shape[0], 1, 1):
        return "move it out of the `skip`"
    brace = keyword.source.text.index("{", keyword.end) + 1
    edits = (Edit(keyword, "mul"), Edit(Span(keyword.source, brace, brace), " | identity |"))
    return Fix(_GATE, edits, safe=False)


def _remedy(join: str, one: Shape, other: Shape) -> str:
    if len(one) != len(other) and join == "mul":
        return "remove `flatten`, and write `conv(…, 1)` in place of `linear(…)`: a gate is a map"
    if len(one) != len(other):
        grid = next(shape[1:] for shape in (one, other) if len(shape) == 3)
        pool = "" if grid == (1, 1) else "global_avgpool, "
        return f"end both in a vector, the map in `{pool}flatten`, or both in a map"
    if join == "add" and one[0] != other[0] and one[1:] != other[1:]:
        return f"{_remedy('concat', one, other)}; then give both {one[0]} channels"
    if join == "concat" or one[0] == other[0]:
        small, large = sorted((one, other), key=_area)
        ratios = {length // less for length, less in zip(large[1:], small[1:], strict=True)}
        ratio = min(ratios)
        if len(ratios) == 1 and large[1:] == tuple(ratio * length for length in small[1:]):
            return f"end the larger one in `avgpool({ratio})`, or the smaller one in `upsample({ratio})`"
        if all(length - less < _ROUNDED for length, less in zip(large[1:], small[1:], strict=True)):
            return (
                "choose an input whose height and width all strides divide: halves of odd sizes are rounded"
            )
        return "give the branches the same strides and paddings"
    channels = f"end it in `conv({one[0]}, 1)`" if len(one) == 3 else f"end it in `linear({one[0]})`"
    return f"{channels}, or join them by `concat`" if join == "add" else channels


def places(step: SkipStep | BranchesStep) -> set[Span]:
    """The spans in the error of a join."""
    return (
        {step.span, *(span.first_line for span in step.spans)}
        if isinstance(step, BranchesStep)
        else {step.span}
    )
