"""Adversarial attacks, and the robustness of networks against them.

Images are (N, C, H, W) from 0 to 1; results have their dtype and device. All functions raise RunError if
there are no images, they are out of range, or a class is unknown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netdsl.inspect.chance import seeded, uniform
from netdsl.inspect.layers import evaluating
from netdsl.inspect.scores import (
    class_scores,
    require_classes,
    require_positive,
    require_some,
    unit,
    with_gradient,
)
from netdsl.runtime.errors import RunError

# Defaults: the budget of `fgsm` and `pgd` (usual for CIFAR-10), and the steps of `pgd`.
BUDGET, STEPS = 8 / 255, 10
# The number of halvings of a step that does not raise the score, before the ascent ends.
_HALVINGS = 12


@dataclass(frozen=True, slots=True)
class Attack:
    """The result of `attack` on N images: the changed `images`, whether the target was `reached` (N,), and
    the number of `steps` (N,). `scores` are the target's logits for each image, before and after each step.
    """

    images: Tensor
    reached: Tensor
    steps: Tensor
    scores: list[Tensor]


class Withstood(NamedTuple):
    """The number of `images` that a network classifies right under attack by `pgd` within `eps`."""

    eps: float
    right: int
    images: int

    @property
    def accuracy(self) -> float:
        return self.right / self.images


def attack(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    *,
    steps: int = 100,
    extra: int = 2,
    step_size: float = 0.1,
) -> Attack:
    """Gradient ascent on the logits of the classes `targets` (N,) until the model predicts them, and `extra`
    steps more: x <- clamp(x + step_size * g / ||g||_2), at most `steps`.

    The score rises with each step: a step that does not raise it is halved until it does. After Szegedy et
    al. 2014 (section 4: the closest image of another class), as in course assignments on network
    visualisation, which do not halve steps.
    """
    with evaluating(model):
        images = _require_scale(images).clone()
        scores, gradients, reached = _towards(model, images, targets)
        traces = [[score] for score in scores.tolist()]
        held = reached.long()  # the number of successive steps with the target predicted
        taken = torch.zeros_like(held)
        lengths = torch.full_like(scores, step_size)
        while True:
            going = (taken < steps) & (held <= extra) & (lengths >= step_size / 2**_HALVINGS)
            rows = going.nonzero().flatten()
            if not len(rows):
                return Attack(images, held > 0, taken, [scores.new_tensor(trace) for trace in traces])
            step = _each(lengths[rows], images) * unit(gradients[rows])
            tried = (images[rows] + step).clamp(0, 1)
            score, gradient, reached = _towards(model, tried, targets[rows])
            raised = score > scores[rows]
            lengths[rows] = torch.where(raised, (2 * lengths[rows]).clamp(max=step_size), lengths[rows] / 2)
            rows = rows[raised]
            images[rows], scores[rows], gradients[rows] = tried[raised], score[raised], gradient[raised]
            held[rows] = torch.where(reached[raised], held[rows] + 1, 0)
            taken[rows] += 1
            for row, value in zip(rows.tolist(), score[raised].tolist(), strict=True):
                traces[row].append(value)


def fgsm(
    model: nn.Module, images: Tensor, classes: Tensor, eps: float = BUDGET, *, targeted: bool = False
) -> Tensor:
    """The fast gradient sign method: x + eps * sign(dJ/dx), J the cross-entropy of the classes (N,), clamped
    to 0..1 (Goodfellow et al. 2015, section 4). `targeted`: towards the classes, not away from them.

    The budget holds exactly in floats: no pixel of the result differs by more than `eps` from the original.
    """
    low, high = _ball(images, eps)
    with evaluating(model):
        _, gradient = with_gradient(model, images, _loss(classes, targeted))
    return _within(images + eps * gradient.sign(), low, high)


def pgd(
    model: nn.Module,
    images: Tensor,
    classes: Tensor,
    eps: float = BUDGET,
    *,
    targeted: bool = False,
    steps: int = STEPS,
    step_size: float | None = None,
    restarts: int = 1,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Projected gradient descent (Madry et al. 2018, section 2.1): from a random start within `eps` steps of
    step_size * sign(dJ/dx), each projected into the budget and into 0..1.

    `step_size` is 2.5 eps / steps by default: every start can then reach the edge of the budget (their
    section 5). Of several `restarts`, the most successful one is kept for each image. Starts are drawn from
    `generator`, by default with the seed 0, and depend on the position in the batch. `classes`, `targeted`
    and the budget are as in `fgsm`.
    """
    require_positive(steps=steps, restarts=restarts)
    generator = seeded(generator)
    low, high = _ball(images, eps)
    size = 2.5 * eps / steps if step_size is None else step_size
    best, most = images.detach(), images.new_full((len(images),), -math.inf)
    with evaluating(model):
        for _ in range(restarts):
            x = _within(images + eps * (2 * uniform(images, generator) - 1), low, high)
            for _ in range(steps):
                _, gradient = with_gradient(model, x, _loss(classes, targeted))
                x = _within(x + size * gradient.sign(), low, high)
            fooled = _fooled(model, x, classes, targeted)
            best = torch.where(_each(fooled > most, x), x, best)
            most = torch.maximum(fooled, most)
    return best


def robustness(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    budgets: Sequence[float],
    *,
    steps: int = STEPS,
    restarts: int = 1,
    generator: torch.Generator | None = None,
) -> list[Withstood]:
    """The numbers of images that are right without an attack, and under `pgd` for each of `budgets`, sorted.

    `batches` are images with their labels (N,). An image that is misclassified within a budget counts as
    wrong for every larger one, and is not attacked again.
    """
    require_positive(steps=steps, restarts=restarts)
    generator = seeded(generator)
    rising = sorted({0.0, *budgets})
    right, seen = [0] * len(rising), 0
    with evaluating(model):
        for images, labels in batches:
            require_some(images)
            seen += len(labels)
            for at, eps in enumerate(rising):
                shown = images
                if eps:
                    shown = pgd(
                        model, images, labels, eps, steps=steps, restarts=restarts, generator=generator
                    )
                with torch.no_grad():
                    logits = model(shown)
                    standing = logits.argmax(1) == require_classes(logits, labels)
                images, labels = images[standing], labels[standing]
                right[at] += len(labels)
                if not len(labels):
                    break
    require_some(range(seen))
    return [Withstood(eps, count, seen) for eps, count in zip(rising, right, strict=True)]


def in_8_bits(images: Tensor, originals: Tensor, eps: float = 1.0) -> Tensor:
    """Images rounded to the 256 levels of a file, but within `eps` of the `originals`, which have such levels
    already.
    """
    levels = (originals * 255).round()
    # Eps is rounded to a float: 255 times the float next to 7/255 may be slightly less than 7.
    most = math.floor(round(255 * eps, 9))
    return (images * 255).round().clamp(levels - most, levels + most) / 255


def _towards(model: nn.Module, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The targets' logits (N,), their gradients, and whether the targets are predicted (N,)."""
    logits, gradients = with_gradient(model, images, lambda logits: class_scores(logits, targets))
    return class_scores(logits, targets), gradients, logits.argmax(1) == targets


def _loss(classes: Tensor, targeted: bool) -> Callable[[Tensor], Tensor]:
    """The loss that an attack increases: away from the classes, or towards them."""
    sign = -1 if targeted else 1
    return lambda logits: sign * F.cross_entropy(logits, require_classes(logits, classes), reduction="none")


@torch.no_grad()
def _fooled(model: nn.Module, images: Tensor, classes: Tensor, targeted: bool) -> Tensor:
    """The success of the attack (N,): the difference between the class's logit and the best other one."""
    logits: Tensor = model(images)
    own = class_scores(logits, classes)
    other = logits.scatter(1, classes[:, None], -math.inf).amax(1)
    return own - other if targeted else other - own


def _ball(images: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The smallest and the largest values within eps of the images and within 0..1.

    Since sums are rounded, the bounds are reduced by one float, and eps is rounded down, so that
    |x' - x| <= eps holds exactly in any precision.
    """
    images = _require_scale(images)
    if not 0 <= eps <= 1:
        raise RunError(f"the budget {eps} is not from 0 to 1", "divide a budget in 8 bits by 255: 8 / 255")
    bound = torch.tensor(eps, dtype=images.dtype)
    if bound.item() > eps:
        bound = bound.nextafter(torch.zeros_like(bound))
    bound = bound.to(images.device)
    low, high = ((images + by).nextafter(images) for by in (-bound, bound))
    return low.clamp(min=0), high.clamp(max=1)


def _within(images: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return torch.minimum(torch.maximum(images, low), high)


def _each(values: Tensor, images: Tensor) -> Tensor:
    """A value for each image, in a shape that broadcasts with images."""
    return values.view(-1, *(1 for _ in images.shape[1:]))


def _require_scale(images: Tensor) -> Tensor:
    if images.numel() and not (images.min() >= 0 and images.max() <= 1):
        raise RunError("the images are not from 0 to 1", "divide 8 bit pixels by 255; normalise in the model")
    return images.detach()
