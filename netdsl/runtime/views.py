"""Test-time augmentation: outputs averaged over views of an image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from netdsl.language.recipe import FlipView, TranslateView, View


def over_views(
    network: Callable[[Tensor], tuple[Tensor, ...]], images: Tensor, views: Sequence[View]
) -> tuple[Tensor, ...]:
    """The means of a network's outputs, in float32 or more, over views of images (N, C, H, W).

    Maps of mirrored images are mirrored back. Without `views`, the outputs for the images.
    """
    sums: list[Tensor] = []
    for share, view, mirrored in _views(images, views):
        outputs = [o.to(torch.promote_types(o.dtype, torch.float32)) for o in network(view)]
        if mirrored:
            outputs = [output.flip(3) if output.dim() == 4 else output for output in outputs]
        weighted = [share * output for output in outputs]
        sums = [old + new for old, new in zip(sums, weighted, strict=True)] if sums else weighted
    return tuple(sums)


def _views(images: Tensor, views: Sequence[View]) -> Iterator[tuple[float, Tensor, bool]]:
    """For each view its share of the mean, the images, and whether they are mirrored."""
    shown = [(1.0, images)]
    for view in views:
        if isinstance(view, TranslateView):
            pixels, (height, width) = view.pixels, images.shape[2:]
            padded = F.pad(images, (pixels,) * 4, mode="reflect")
            moved = padded[..., :height, :width], padded[..., 2 * pixels :, 2 * pixels :]
            shown = [(share / 2, image) for share, image in shown]
            shown += [(0.25, image) for image in moved]
    flips = any(isinstance(view, FlipView) for view in views)
    for share, image in shown:
        if flips:
            yield share / 2, image, False
            yield share / 2, image.flip(3), True
        else:
            yield share, image, False
