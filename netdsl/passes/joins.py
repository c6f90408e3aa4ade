"""Where tensors meet: skip connections and branches, and whether their shapes agree."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.diagnostics import Diagnostics, Label
from netdsl.ops.base import Shape, show_shape
from netdsl.passes.projection import projection
from netdsl.passes.state import State
from netdsl.resolved import BranchesStep, OperationStep, SkipStep, Step
from netdsl.source import Span
from netdsl.typed import TypedBody

_WHAT = {
    "add": "`add` sums different shapes",
    "concat": "`concat` joins maps of different height and width",
    "mul": "`mul` multiplies shapes that don't fit",
}


class Joins:
    """Checks joins; `trace` says where they are, outermost first."""

    def __init__(self, diagnostics: Diagnostics, trace: list[str]) -> None:
        self._diagnostics = diagnostics
        self._trace = trace

    def notes(self) -> list[str]:
        """The way to the place of an error: `stage 2, block 1 of 5: residual(out=16, stride=2)`."""
        return [": ".join(self._trace)] if self._trace else []

    # branches

    def branches(
        self, step: BranchesStep, start: State, ends: Sequence[State]
    ) -> tuple[State, int | None] | None:
        """The tensor after a join, and the branch whose grid is its own; None after a diagnostic."""
        full = max(range(len(ends)), key=lambda index: _area(ends[index].shape))
        for index, end in enumerate(ends):
            if not _fits(step.join, ends[full].shape, end.shape):
                self._misfit(step, ends, full, index)
                return None
        own = ends[full].shape
        ruling = [end for end in ends if end.shape[1:] == own[1:]]
        if step.join == "mul":  # what a global pool made is 1x1 for every input, and has no say
            ruling = [end for end in ruling if end.grid is start.grid] or ruling
        same = all(e.grid is ruling[0].grid and e.reduction == ruling[0].reduction for e in ruling)
        chosen = ruling[0]
        grid = next(index for index, end in enumerate(ends) if end is chosen) if same else None
        channels = sum(end.shape[0] for end in ends) if step.join == "concat" else own[0]
        after = chosen
        for end in ends:
            after = after.deepest(end)
        after = after._replace(shape=(channels, *own[1:]))
        if not same:
            after = after._replace(grid=object(), irregular=step)
        return after, grid

    def _misfit(self, step: BranchesStep, ends: Sequence[State], full: int, index: int) -> None:
        one, other = sorted((full, index))
        labels = [f"gives {show_shape(ends[i].shape)}" for i in (one, other)]
        self._diagnostics.error(
            "NET404",
            _WHAT[step.join],
            _first(step.spans[other]),
            labels[1],
            also=[Label(_first(step.spans[one]), labels[0])],
            notes=self.notes(),
            help=_remedy(step.join, ends[one].shape, ends[other].shape),
        )

    # skip connections

    def regular(self, step: SkipStep, start: State, end: State) -> bool:
        """Whether a way through a skip connection keeps to a grid; else a diagnostic was given."""
        if end.grid is start.grid:
            return True
        assert end.irregular is not None
        self._diagnostics.error(
            "NET401",
            "a step inside a skip connection changes height and width by other than a stride",
            end.irregular.span,
            f"the body turns {show_shape(start.shape)} into {show_shape(end.shape)}",
            also=[Label(step.span, "the skip connection")],
            notes=self.notes(),
            help=_way_out(end.irregular),
        )
        return False

    def missing_shortcut(self, step: SkipStep, body: TypedBody, start: State, end: State) -> None:
        """The body changes the shape, and nothing else leads there."""
        reduction = end.reduction / start.reduction
        label = f"input is {show_shape(start.shape)}, body gives {show_shape(end.shape)}"
        if start.shape == end.shape:  # at this input's size; at another they would differ
            label = f"the body has a stride of {reduction}"
        help = f"add `shortcut {{ {projection(body, reduction)} }}`, or write `skip if same {{ … }}`"
        self._different(step, label, help)

    def uneven(self, step: SkipStep, start: State, end: State) -> None:
        """The body makes a map smaller and larger again, and this one can't be divided so."""
        label = f"input is {show_shape(start.shape)}, body gives {show_shape(end.shape)}"
        self._different(step, label, "its strides need a height and width that they divide")

    def agree(self, step: SkipStep, body: State, shortcut: State) -> bool:
        """Whether body and shortcut lead to one shape; else a diagnostic was given."""
        if body.shape == shortcut.shape and body.reduction == shortcut.reduction:
            return True
        label = f"body gives {show_shape(body.shape)}, shortcut gives {show_shape(shortcut.shape)}"
        if body.shape == shortcut.shape:
            label = f"the body has a stride of {body.reduction}, the shortcut of {shortcut.reduction}"
        self._different(step, label, "give both the same channels and strides")
        return False

    def _different(self, step: SkipStep, label: str, help: str) -> None:
        message = "skip connection adds two different shapes"
        self._diagnostics.error("NET401", message, step.span, label, notes=self.notes(), help=help)


def _area(shape: Shape) -> int:
    return shape[1] * shape[2] if len(shape) == 3 else 0


def _fits(join: str, full: Shape, shape: Shape) -> bool:
    if len(full) != len(shape):
        return False
    if join == "concat":
        return full[1:] == shape[1:]
    stretched = join == "mul" and len(shape) == 3 and shape[1:] == (1, 1)
    return full[0] == shape[0] and (stretched or full == shape)


def _remedy(join: str, one: Shape, other: Shape) -> str:
    if len(one) != len(other):
        return "end both in a map, or both in a vector"
    if join == "concat" or one[0] == other[0]:
        return "give the branches the same strides and paddings"
    channels = (
        f"end a branch in `conv({one[0]}, 1)`" if len(one) == 3 else f"end a branch in `linear({one[0]})`"
    )
    return f"{channels}, or join them by `concat`" if join == "add" else channels


def _first(span: Span) -> Span:
    """The first line of a branch."""
    return Span(span.source, span.start, span.start + len(span.text.split("\n", 1)[0].rstrip()))


def _way_out(irregular: Step) -> str:
    names = [name for name, _ in irregular.arguments] if isinstance(irregular, OperationStep) else []
    if "padding" not in names:
        return "move it out of the `skip`"
    same = isinstance(irregular, OperationStep) and irregular.operation.name in ("conv", "depthwise")
    padded = "`padding=same`" if same else "`padding=1` for a kernel of 3"
    return f"pad it ({padded}), or move it out of the `skip`"
