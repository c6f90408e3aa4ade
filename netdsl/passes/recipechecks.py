"""What the lines of a recipe say together, and with the network: what no training could begin with is an
error, what is most likely not meant a warning.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeAlias

from netdsl import syntax
from netdsl.diagnostics import Diagnostics, Label
from netdsl.ops.base import Shape, show_shape
from netdsl.passes.uses import File
from netdsl.recipe import Cifar10, Cifar100, Crop, Cutout, Digits, OneCycle, Recipe, Sgd, Step
from netdsl.resolved import ResolvedNetwork
from netdsl.source import Span

# Where the keys of a recipe stand: in the file, or on the command line.
Places: TypeAlias = Mapping[str, Span]

# How many images there are to train on, and of how many classes.
_IMAGES: Mapping[type, int] = {Cifar10: 50_000, Cifar100: 50_000, Digits: 1_437}
_CLASSES: Mapping[type, int] = {Cifar10: 10, Cifar100: 100, Digits: 10}


def check_recipe(recipe: Recipe, places: Places, diagnostics: Diagnostics) -> None:
    """Keys that contradict each other."""

    def error(key: str, message: str, help: str) -> None:
        diagnostics.error("NET501", message, places.get(key), help=help)

    if isinstance(recipe.optimizer, Sgd) and recipe.optimizer.nesterov and not recipe.optimizer.momentum:
        error("optimizer", "`nesterov` needs a momentum above 0", "add `momentum=0.9`")
    if recipe.accumulate > recipe.batch:
        message = f"a batch of {recipe.batch} can't be accumulated from {recipe.accumulate} parts"
        error("accumulate" if "accumulate" in places else "batch", message, "`accumulate` is at most `batch`")
    left = _IMAGES.get(type(recipe.data)) if "data" in places else None
    if left is not None:
        held_back = min(1000, left // 10) if recipe.validation is None else recipe.validation
        if held_back >= left:
            message = f"{held_back:,} images for validation leave none of the {left:,} to train on"
            return error("validation", message, f"write `validation {left // 10}`")
        left -= held_back
        if recipe.images is not None and recipe.images > left:
            message = f"there are {left:,} images to train on, fewer than `images {recipe.images}`"
            error("images", message, f"write `images {left}`, or leave the line out")
    if recipe.images is not None:
        left = recipe.images if left is None else min(left, recipe.images)
    if left is not None and recipe.batch > left:
        key, verb = ("batch", "write") if "batch" in places else ("images", "add")
        message = f"a batch of {recipe.batch} is more than the {left:,} images to train on"
        error(key, message, f"{verb} `batch {max(1, left // 4)}`")


def check_augmentation(recipe: Recipe, places: Places, input: Shape, diagnostics: Diagnostics) -> None:
    """An image is mirrored by less than it is long."""
    if len(input) != 3:
        return
    most = min(input[1:]) - 1
    for step in recipe.augment:
        if isinstance(step, Crop) and step.padding_mode == "reflect" and step.padding > most:
            size = show_shape(input[1:])
            message = f"`crop({step.padding}, padding_mode=reflect)` mirrors more than an image of {size} has"
            help = f"write `crop({max(1, (most + 1) // 8)}, padding_mode=reflect)`"
            diagnostics.error("NET501", message, places.get("augment"), help=help)


def warn_of_recipe(files: Mapping[str, File], network: ResolvedNetwork, diagnostics: Diagnostics) -> None:
    """What can be trained, and most likely isn't meant; data of another kind than the network's."""
    _Recipe(files, network, diagnostics).run()


class _Recipe:
    def __init__(
        self, files: Mapping[str, File], network: ResolvedNetwork, diagnostics: Diagnostics
    ) -> None:
        self._statements = next(iter(files.values())).program.statements
        self._network, self._diagnostics = network, diagnostics
        self._recipe, self._places = network.recipe, network.recipe_places

    def run(self) -> None:
        self._data()
        self._parts()
        if "schedule" in self._places and (self._own("epochs") or not self._own("schedule")):
            self._schedule(self._places["schedule"])
        if len(self._network.input) == 3 and "augment" in self._places:
            self._augmentation(self._places["augment"])

    def _own(self, key: str) -> bool:
        """Whether the file itself says a key, or nothing does."""
        return key not in self._places or self._places[key].source is self._network.span.source

    def _warn(self, code: str, message: str, place: Span, help: str, also: tuple[Label, ...] = ()) -> None:
        self._diagnostics.warning(code, message, place, also=also, help=help)

    def _data(self) -> None:
        """The data have other classes than the network, or are no input of it."""
        data, input = self._recipe.data, self._network.input
        if len(input) == 1 and any(isinstance(statement, syntax.Train) for statement in self._statements):
            message = f"a network is trained on images, and the input of this one is a vector of {input[0]}"
            help = f"write `input {_image(input[0])}`, and `flatten` as the first step"
            self._warn("NET711", message, self._network.input_span, help)
        statement = next((s for s in self._statements if isinstance(s, syntax.Classes)), None)
        classes, place = _CLASSES.get(type(data)), self._places.get("data")
        if statement is None or classes is None or place is None or not self._own("data"):
            return
        if self._network.classes not in (None, classes):
            name = type(data).__name__.lower()
            message = f"`{name}` has {classes} classes, and the network {self._network.classes}"
            help = f"write `classes {classes}`"
            fitting = [kind for kind, n in _CLASSES.items() if n == self._network.classes and kind is not Digits]
            help += f", or `data {fitting[0].__name__.lower()}`" if fitting else ""
            self._warn("NET711", message, statement.span, help, (Label(place),))

    def _parts(self) -> None:
        batch, parts = self._recipe.batch, self._recipe.accumulate
        if batch % parts == 0:
            return
        divisors = [n for n in range(2, batch + 1) if batch % n == 0]
        near = sorted(sorted(divisors, key=lambda n: abs(n - parts))[:2])
        message = f"a batch of {batch} can't be split into {parts} equal parts"
        help = f"write {' or '.join(f'`accumulate {n}`' for n in near)}"
        self._warn("NET712", message, self._places["accumulate"], help)

    def _schedule(self, place: Span) -> None:
        """What a schedule does after the last epoch. (A trial by `--epochs 1` is no mistake.)"""
        schedule, epochs = self._recipe.schedule, self._recipe.epochs
        many = "1 epoch" if epochs == 1 else f"{epochs} epochs"
        if isinstance(schedule, Step) and schedule.at[-1] >= epochs:
            message = f"the learning rate falls at epoch {schedule.at[-1]}, and the training has {many}"
            meant = ", ".join(str(n) for n in dict.fromkeys((epochs // 2, epochs * 3 // 4)) if n)
            help = f"write `at=[{meant}]`, or " if meant else "write "
            self._warn("NET712", message, place, f"{help}more than {schedule.at[-1]} `epochs`")
        elif schedule.warmup >= epochs and schedule != OneCycle():
            message = f"the warm-up takes {schedule.warmup:g} epochs, and the training has {many}"
            self._warn("NET712", message, place, f"write `warmup={epochs / 10:g}`")

    def _augmentation(self, place: Span) -> None:
        shortest, size = min(self._network.input[1:]), show_shape(self._network.input[1:])
        for step in self._recipe.augment:
            match step:
                case Crop(padding) if 2 * padding > shortest:
                    message = f"`crop({padding})` moves an image of {size} by up to {padding} pixels"
                    help = f"write `crop({max(1, shortest // 8)})`: what stands in it is the padding"
                    self._warn("NET712", message, place, help)
                case Cutout(cut) if cut >= shortest:
                    message = f"`cutout({cut})` can hide all of an image of {size}"
                    self._warn("NET712", message, place, f"write `cutout({max(1, shortest // 2)})`")


def _image(features: int) -> str:
    """The image of so many numbers: square, of one channel or three."""
    for channels in (1, 3):
        side = math.isqrt(features // channels)
        if channels * side * side == features:
            return f"{channels}x{side}x{side}"
    return "3x32x32"
