"""Attacks on named images: results, pictures and files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from netdsl.inspect.adversarial import BUDGET, STEPS, attack, fgsm, in_8_bits, pgd
from netdsl.inspect.inspected_run import InspectedRun
from netdsl.inspect.pictures import Picture
from netdsl.inspect.sheets.captions import Answer, fitting, predicted, short
from netdsl.inspect.sheets.panels import Panel, write_sheet
from netdsl.runtime.console import progress
from netdsl.runtime.errors import RunError

Method: TypeAlias = Literal["ascent", "fgsm", "pgd"]

# The number of images in a batch, and of differences in a row.
_BATCH, _ACROSS = 16, 5
# The fraction of a difference's values that is not clipped: a few pixels change much more than the others.
_SHOWN = 0.99


@dataclass(frozen=True, slots=True)
class Attacked:
    """An image (C, H, W) from 0 to 1 before and after an attack, with the network's answers. `rounded` is its
    version in 8 bits. `reached`: the target is predicted, or without a target another class.
    """

    name: str
    original: Tensor
    changed: Tensor
    rounded: Tensor
    before: Answer
    after: Answer
    answer_rounded: Answer
    reached: bool
    steps: int

    @property
    def difference(self) -> Tensor:
        return self.changed - self.original

    @property
    def l2(self) -> float:
        return float(self.difference.norm())

    @property
    def largest(self) -> float:
        """The L-infinity norm of the difference."""
        return float(self.difference.abs().max())


def attack_pictures(
    inspected: InspectedRun,
    pictures: Sequence[Picture],
    method: Method,
    target: int | None,
    settings: Mapping[str, Any],
    seed: int,
) -> list[Attacked]:
    """Attacks pictures until they are predicted as the class `target`; without a target, as any class other
    than the present one (not with `ascent`). `settings` are arguments of the method's function, `seed` is
    for its random starts.

    Raises RunError if a picture is predicted as the target already.
    """
    model = inspected.model
    originals = torch.stack([picture.pixels for picture in pictures]).to(inspected.device)
    before = inspected.probabilities(originals)
    own = before.argmax(1)
    for picture, number in zip(pictures, own.tolist(), strict=True):
        if number == target:
            name = model.classes[number]
            raise RunError(f"{picture.name} is predicted as `{name}` already", "name another --target")
    wanted = (own if target is None else torch.full_like(own, target)).to(inspected.device)
    changed, steps = _changed(inspected, originals, wanted, method, target is not None, settings, seed)
    rounded = in_8_bits(changed, originals, 1.0 if method == "ascent" else settings.get("eps", BUDGET))
    after, afterwards = map(inspected.probabilities, (changed, rounded))
    reached = (after.argmax(1) == target) if target is not None else (after.argmax(1) != own)
    return [
        Attacked(
            name=picture.name,
            original=originals[at].cpu(),
            changed=changed[at].cpu(),
            rounded=rounded[at].cpu(),
            before=predicted(before[at], model.classes),
            after=predicted(after[at], model.classes),
            answer_rounded=predicted(afterwards[at], model.classes),
            reached=bool(reached[at]),
            steps=steps[at],
        )
        for at, picture in enumerate(pictures)
    ]


def write_attacked(found: Sequence[Attacked], file: Path, difference_only: bool = False) -> None:
    """Draws a row for each image: the original, the adversarial image, and their difference around gray,
    magnified by the same factor in all rows. Raises RunError.
    """
    factor = _factor(torch.cat([attacked.difference.flatten() for attacked in found]))
    if difference_only:
        panels = []
        for attacked in found:
            answers = (
                f"{fitting(short(attacked.name))}\n{attacked.before.line()}\n{attacked.after.line('→ ')}\n"
            )
            panels.append(_difference(attacked, factor, answers))
        rows = [panels[at : at + _ACROSS] for at in range(0, len(panels), _ACROSS)]
    else:
        rows = [
            [
                Panel(attacked.original, f"{fitting(short(attacked.name))}\n{attacked.before.line()}"),
                Panel(attacked.changed, f"after {_counted(attacked.steps)}\n{attacked.after.line()}"),
                _difference(attacked, factor),
            ]
            for attacked in found
        ]
    write_sheet(rows, file)


def files_in(place: Path, pictures: Sequence[Picture]) -> list[Path]:
    """The files for adversarial images: `place` is a .png for a single one, or a folder in which each has the
    name of its original. Raises RunError if two would have the same name.
    """
    if place.suffix.lower() == ".png":
        if len(pictures) > 1:
            raise RunError(f"{place} is one file for {len(pictures)} images", "name a folder")
        return [place]
    plain = [str(Path(short(picture.name)).with_suffix("")) for picture in pictures]
    names = [name.replace("/", "-").replace(":", "-") + ".png" for name in plain]
    for name in names:
        if names.count(name) > 1:
            raise RunError(f"two images would be saved as {place / name}", "attack them one by one")
    return [place / name for name in names]


def _changed(
    inspected: InspectedRun,
    originals: Tensor,
    wanted: Tensor,
    method: Method,
    targeted: bool,
    settings: Mapping[str, Any],
    seed: int,
) -> tuple[Tensor, list[int]]:
    """The adversarial images, and the number of steps for each."""
    model, parts, steps = inspected.model, [], []
    # One by one if the start is random, so that the result does not depend on the other images.
    size = 1 if method == "pgd" else _BATCH
    batches = list(zip(originals.split(size), wanted.split(size), strict=True))
    with progress("attacking", len(batches), inspected.console) as advance:
        for images, classes in batches:
            match method:
                case "ascent":
                    found = attack(model, images, classes, **settings)
                    parts.append(found.images)
                    steps += found.steps.tolist()
                case "fgsm":
                    parts.append(fgsm(model, images, classes, targeted=targeted, **settings))
                    steps += [1] * len(images)
                case "pgd":
                    generator = torch.Generator().manual_seed(seed)
                    options = {"targeted": targeted, "generator": generator, **settings}
                    parts.append(pgd(model, images, classes, **options))
                    steps += [settings.get("steps", STEPS)] * len(images)
            advance()
    return torch.cat(parts), steps


def _difference(attacked: Attacked, factor: int, above: str = "") -> Panel:
    size = f"L2 {attacked.l2:.2f}, max {255 * attacked.largest:.1f}/255"
    return Panel(0.5 + factor * attacked.difference, f"{above}difference × {factor}\n{size}")


def _factor(values: Tensor) -> int:
    """The factor for differences: the largest of 1, 2, 5, 10 and so on that keeps them inside 0..1."""
    largest = float(values.abs().kthvalue(math.ceil(_SHOWN * len(values))).values)
    most = 0.5 / largest if largest else 1.0
    power = 10 ** math.floor(math.log10(max(most, 1.0)))
    return max((power * digit for digit in (1, 2, 5) if power * digit <= most), default=1)


def _counted(steps: int) -> str:
    return "1 step" if steps == 1 else f"{steps} steps"
