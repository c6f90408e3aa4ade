"""Class visualisation: images that maximise the score of a class."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netdsl.inspect.chance import seeded
from netdsl.inspect.layers import evaluating
from netdsl.inspect.scores import class_scores, require_some, unit, with_gradient
from netdsl.runtime.errors import RunError


class Dreams(NamedTuple):
    """`images` (N, C, H, W) from 0 to 1, and the scores of their classes, (steps + 1, N): of the shifted
    images that each step began with, and in the last row of the result.
    """

    images: Tensor
    scores: Tensor


def dream(
    model: nn.Module,
    classes: Tensor,
    start: Tensor,
    *,
    steps: int = 100,
    step_size: float = 0.05,
    l2: float = 0.03,
    mean: Tensor | float = 0.5,
    jitter: int | None = None,
    blur_every: int = 4,
    blur: float = 0.5,
    generator: torch.Generator | None = None,
    after_step: Callable[[], object] = lambda: None,
) -> Dreams:
    """Images of classes (N,) by gradient ascent from `start`, (N, C, H, W) or (1, C, H, W); `ascent` has the
    objective.

    A step changes the pixels by `step_size` in the root mean square, independent of the length of the
    gradient, so that one step size suits all networks and sizes of images. Before each step the images are
    rolled by up to `jitter` pixels in each direction (by default a sixteenth of their side), and back after
    it. After every `blur_every` steps (never if 0) they are blurred by a Gaussian of `blur` pixels. Images do
    not depend on the others of their batch. The jitter is drawn from `generator` on the CPU, by default with
    the seed 0.

    Simonyan, Vedaldi and Zisserman 2013, section 2; blur of Yosinski et al. 2015, section 3; jitter of
    Mordvintsev, Olah and Tyka 2015 (DeepDream, https://github.com/google/deepdream). Raises RunError if a
    class is unknown, or the gradient is not finite.
    """
    generator = seeded(generator)
    require_some(classes)
    if len(start) not in (1, len(classes)):
        help = "pass one start, or one for each class"
        raise RunError(f"there are {len(start)} starts for {len(classes)} classes", help)
    images = start.detach().expand(len(classes), -1, -1, -1).clone()
    length = step_size * math.sqrt(images[0].numel())
    reach = min(images.shape[2:]) // 16 if jitter is None else jitter
    scores = []
    with evaluating(model):
        for step in range(1, steps + 1):
            down, right = torch.randint(-reach, reach + 1, (2,), generator=generator).tolist()
            rolled = images.roll((down, right), (2, 3))
            score, gradient = ascent(model, rolled, classes, l2, mean)
            images = images + length * unit(gradient).roll((-down, -right), (2, 3))
            if blur_every and step % blur_every == 0:
                images = blurred(images, blur)
            images = images.clamp(0, 1)
            scores.append(score)
            after_step()
        with torch.no_grad():
            scores.append(class_scores(model(images), classes))
    if not images.isfinite().all():
        raise RunError("the gradient is not finite", "use a smaller step size and a smaller L2")
    return Dreams(images, torch.stack(scores))


def ascent(
    model: nn.Module, images: Tensor, classes: Tensor, l2: float, mean: Tensor | float = 0.5
) -> tuple[Tensor, Tensor]:
    """The scores of the classes, (N,), and the gradient (N, C, H, W) of what `dream` increases: the score
    before softmax minus `l2` times the squared distance from the mean colour, (C, 1, 1), summed over pixels.
    (Simonyan et al. 2013, equation 1, where images are zero-centred.)
    """
    logits, gradient = with_gradient(model, images, lambda logits: class_scores(logits, classes))
    return class_scores(logits, classes), gradient - 2 * l2 * (images - mean)


def noise(
    shape: tuple[int, int, int],
    mean: Tensor | float = 0.5,
    deviation: Tensor | float = 0.25,
    generator: torch.Generator | None = None,
) -> Tensor:
    """A start for `dream`, (1, C, H, W): independent normal pixels, clamped to 0..1; by default seed 0."""
    return (mean + deviation * torch.randn(1, *shape, generator=seeded(generator))).clamp(0, 1)


def blurred(images: Tensor, deviation: float) -> Tensor:
    """Images (N, C, H, W) convolved with a Gaussian, in pixels; borders are replicated."""
    reach = math.ceil(3 * deviation)
    if not reach:
        return images
    at = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    weights = torch.exp(-at.square() / (2 * deviation**2))
    weights = weights / weights.sum()
    channels = images.shape[1]
    padded = F.pad(images, (reach,) * 4, mode="replicate")
    across = F.conv2d(padded, weights.expand(channels, 1, 1, -1), groups=channels)
    return F.conv2d(across, weights[:, None].expand(channels, 1, -1, 1), groups=channels)
