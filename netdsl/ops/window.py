"""Arithmetic of sliding windows, shared by convolutions and pools."""

from __future__ import annotations

from netdsl.ops.base import Misfit, Shape, show_shape


def window_output(
    name: str, x: Shape, sizes: tuple[int, int], stride: int, padding: tuple[int, int]
) -> Shape | Misfit:
    """Channels of x, and floor((size + 2 padding - window) / stride) + 1 for height and width
    (`torch.nn.Conv2d`, section Shape); `sizes` are the window's, dilation included.
    """
    grid = [(n + 2 * p - k) // stride + 1 for n, k, p in zip(x[1:], sizes, padding, strict=True)]
    if min(grid) < 1:
        window = show_shape(sizes)
        return Misfit(
            f"`{name}` has a window of {window}, and its input is only {show_shape(x)}",
            "use a smaller kernel or more padding",
        )
    return (x[0], *grid)


def keeps_grid(sizes: tuple[int, int], stride: int, padding: tuple[int, int]) -> bool:
    """Whether the output is size / stride, rounded up or down, for every size."""
    return all(-(stride - 1) <= 2 * p - (k - 1) <= 0 for k, p in zip(sizes, padding, strict=True))
