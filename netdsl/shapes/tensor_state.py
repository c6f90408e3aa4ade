"""What is known of a tensor at a point of a body: shape, grid, and how it was made."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

from netdsl.base.source import Span
from netdsl.ir.resolved import Step
from netdsl.ops.operation import UNKNOWN, VECTOR, Shape

# Beyond so many strides in a row the exact reduction says nothing any more, nor do the sizes.
_MOST = 64


class TensorState(NamedTuple):
    """A tensor at a point of a block or section.

    `reduction` is how many times smaller height and width are than where it began; two tensors have the
    same height and width for every input if their `reduction` and `grid` are equal. `irregular` is the
    last step that kept to no grid. `depth` counts convolutions and linear layers on the longest path,
    `reach` by how many positions of the beginning a receptive field is larger than one. `made` is the
    place of the last step that changed the shape, `sizes` are the heights and widths that the map had.
    """

    shape: Shape
    reduction: Fraction = Fraction(1)
    grid: object = None
    irregular: Step | None = None
    depth: int = 0
    reach: tuple[Fraction, Fraction] = (Fraction(0), Fraction(0))
    made: Span | None = None
    sizes: tuple[tuple[int, ...], ...] = ()

    @property
    def known(self) -> bool:
        """Whether nothing that led here was wrong."""
        return self.shape not in (UNKNOWN, VECTOR)

    def lost(self) -> TensorState:
        """After an error: nothing is known any more."""
        return self._replace(shape=UNKNOWN)

    @property
    def receptive_field(self) -> int:
        """The side of the square of the beginning that one position sees."""
        return 1 + math.ceil(max(self.reach))

    def through(
        self,
        shape: Shape,
        reduction: Fraction,
        window: tuple[int, int],
        deep: bool,
        step: Step,
        regular: bool,
    ) -> TensorState:
        """After an operation, which the `step` calls; `regular` if it keeps to the grid."""
        reach = self.reach
        if window != (1, 1):  # sums of fractions cost more than all else here
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
        )

    def after(self, inner: TensorState) -> TensorState:
        """After a block that led from a beginning of its own to `inner`."""
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
        )

    def repeated(self, end: TensorState, times: int) -> TensorState:
        """After the way from here to `end`, `times` times: it leads to the same shape each time."""
        ratio = end.reduction / self.reduction
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
        """This tensor joined with another: the longer of the two ways."""
        height, width = map(max, zip(self.reach, other.reach, strict=True))
        return self._replace(depth=max(self.depth, other.depth), reach=(height, width))
