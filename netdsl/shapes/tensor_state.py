"""The state of a tensor at a point of a body: its shape, grid and origin."""

from __future__ import annotations

import math
from fractions import Fraction

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Span
from netdsl.base.values import Number
from netdsl.ir.resolved import Step
from netdsl.ops.operation import EVERYWHERE, UNKNOWN, VECTOR, Shape

# The reduction and the sizes of longer chains of strides are not exact.
_MOST = 64
# A larger receptive field is that of a position that sees everything.
_EVERYTHING = EVERYWHERE // 10**6


class TensorState(NamedTuple):
    """A tensor at a point of a block or section.

    `reduction` is the factor by which height and width are smaller than at the start of the block; two
    tensors have the same height and width for every input if their `reduction` and `grid` are equal.
    `irregular` is the last step that started a new grid. `depth` counts convolutions and linear layers on the
    longest path, `reach` is the receptive field minus one. `made` is the span of the last step that changed
    the shape, `sizes` are the heights and widths that the map had; `side` is the larger one of the network's
    input.
    """

    shape: Shape
    reduction: Number = 1
    grid: object = None
    irregular: Step | None = None
    depth: int = 0
    reach: tuple[Number, Number] = (0, 0)
    made: Span | None = None
    sizes: tuple[tuple[int, ...], ...] = ()
    side: int = 0

    @classmethod
    def of_input(cls, shape: Shape, made: Span | None = None) -> TensorState:
        """The input of a network."""
        return cls(shape, made=made, sizes=(shape[1:],), side=max(shape[1:], default=0))

    @property
    def known(self) -> bool:
        """True if the shape is known: no step before had an error."""
        return self.shape not in (UNKNOWN, VECTOR)

    def reduced_from(self, start: TensorState) -> Fraction:
        """The factor by which height and width are smaller than those of another tensor."""
        return Fraction(self.reduction) / start.reduction

    def lost(self) -> TensorState:
        """The state after an error, with an unknown shape."""
        return self._replace(shape=UNKNOWN)

    @property
    def receptive_field(self) -> int:
        """The side of the receptive field of one position, at the start of the block; the side of the
        network's input if the position sees all of it by attention.
        """
        field = 1 + math.ceil(max(self.reach))
        return field if field < _EVERYTHING else self.side

    def through(
        self,
        shape: Shape,
        reduction: Number,
        window: tuple[int, int],
        deep: bool,
        step: Step,
        regular: bool,
    ) -> TensorState:
        """The state after the operation of a `step`; `regular` if it keeps the grid."""
        reach = self.reach
        if window != (1, 1):  # sums of fractions are slow
            height, width = (r + (k - 1) * self.reduction for r, k in zip(reach, window, strict=True))
            reach = (height, width)
        made, sizes = self.made, self.sizes
        if shape != self.shape:
            made = step.span
            if shape[1:] != self.shape[1:]:
                sizes = (*sizes[-_MOST:], shape[1:])
        return TensorState(
            shape,
            self.reduction if reduction == 1 else self.reduction * reduction,
            self.grid if regular else object(),
            self.irregular if regular else step,
            self.depth + deep,
            reach,
            made,
            sizes,
            self.side,
        )

    def after(self, inner: TensorState) -> TensorState:
        """The state after a block, which ends in `inner`."""
        height, width = (r + n * self.reduction for r, n in zip(self.reach, inner.reach, strict=True))
        regular = inner.grid is None
        return TensorState(
            inner.shape,
            self.reduction * inner.reduction,
            self.grid if regular else object(),
            self.irregular if regular else inner.irregular,
            self.depth + inner.depth,
            (height, width),
            inner.made or self.made,
            (self.sizes + inner.sizes)[-_MOST:] if inner.sizes else self.sizes,
            self.side,
        )

    def repeated(self, end: TensorState, times: int) -> TensorState:
        """The state after `times` repetitions of steps that end in `end` and keep the shape."""
        ratio = end.reduced_from(self)
        if ratio == 1:
            height, width = (r + (e - r) * times for r, e in zip(self.reach, end.reach, strict=True))
        else:
            height, width = end.reach
        return end._replace(
            reduction=self.reduction * ratio ** min(times, _MOST),
            depth=self.depth + (end.depth - self.depth) * times,
            reach=(height, width),
        )

    def deepest(self, other: TensorState) -> TensorState:
        """This state, with the depth and receptive field of the deeper of two branches."""
        height, width = map(max, zip(self.reach, other.reach, strict=True))
        return self._replace(depth=max(self.depth, other.depth), reach=(height, width))
