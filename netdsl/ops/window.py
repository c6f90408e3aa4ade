"""Arithmetic of sliding windows, shared by convolutions and pools."""

from __future__ import annotations

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.values import Size
from netdsl.language.expressions import Const, Expr, Operator
from netdsl.ops.operation import Shape, ShapeMismatch, show_shape


class Window(NamedTuple):
    """A window that slides over a map: height and width (with dilation), strides and padding."""

    sizes: tuple[int, int]
    strides: tuple[int, int]
    padding: tuple[int, int]

    def output(self, name: str, x: Shape, own: str) -> Shape | ShapeMismatch:
        """Channels of x, and floor((size + 2 padding - window) / stride) + 1 for height and width
        (`torch.nn.Conv2d`, section Shape). The help for a window that is too large is to write `own`.
        """
        grid = [(n + 2 * p - k) // s + 1 for n, k, s, p in zip(x[1:], *self, strict=True)]
        if min(grid) < 1:
            own = "" if max(x[1:]) == 1 and not any(self.padding) else own
            return ShapeMismatch(
                f"`{name}` has a window of {show_shape(self.sizes)}, but its input is only {show_shape(x)}",
                f"write `{own}`" if own else "remove it, or a stride or pool before it",
                cause="size",
                own=own,
                safe=bool(own),
            )
        return (x[0], *grid)

    def keeps_grid(self) -> bool:
        """True if the output is size / stride, rounded up or down, for every size."""
        kept = all(-(s - 1) <= 2 * p - (k - 1) <= 0 for k, s, p in zip(*self, strict=True))
        return kept and self.strides[0] == self.strides[1]


def sides(pair: Expr) -> tuple[Expr, Expr]:
    """Height and width of an argument that is one number or a pair."""
    if isinstance(pair, Const) and isinstance(pair.value, Size):
        height, width = pair.value.lengths
        return Const(height), Const(width)
    if isinstance(pair, Operator) and pair.name == "pair":
        return pair.operands[0], pair.operands[1]
    return pair, pair
