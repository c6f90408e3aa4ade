"""Checks of a recipe's keys against each other and against the network.

A recipe with which training can't start is an error, a likely mistake is a warning.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import replace

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Span
from netdsl.base.values import near_divisors
from netdsl.diagnostics import Diagnostics, Fix, Help, Label, add_line, write
from netdsl.diagnostics.suppressions import is_allowed
from netdsl.ir.resolved import Detect
from netdsl.language.detectors import losses
from netdsl.language.recipe import (
    CHOICES,
    Cifar10,
    Cifar100,
    Crop,
    CutMix,
    Cutout,
    Data,
    Digits,
    Erase,
    Flip,
    FlipView,
    MixUp,
    OneCycle,
    Plateau,
    Recipe,
    ResizeCrop,
    Rotate,
    Scenes,
    Sgd,
    Step,
    TranslateView,
    Zoom,
    held_out,
    labels_of,
)
from netdsl.language.recipe_text import recipe_text
from netdsl.ops.operation import Shape, show_shape
from netdsl.other_frameworks.translation import split
from netdsl.syntax import nodes

# Numbers of training images and of classes.
_IMAGES: Mapping[type, int] = {Cifar10: 50_000, Cifar100: 50_000, Digits: 1_437}
_CLASSES: Mapping[Data, int] = {
    Cifar10(): 10,
    Cifar100(): 100,
    Digits(): 10,
    Scenes(): 10,
    Scenes(masks=True): 11,
}


class Subject(NamedTuple):
    """A recipe with its network. `places` are the spans of its keys, in the file or on the command line; the
    keys in `wrong` have an unknown value. `classes` is None if it is unknown or not given.
    """

    recipe: Recipe
    places: Mapping[str, Span]
    wrong: Collection[str]
    program: nodes.Program
    input: Shape
    input_span: Span
    classes: int | None
    detect: Detect | None


def check_recipe(subject: Subject, diagnostics: Diagnostics) -> None:
    """Reports keys that contradict each other, the input or the classes."""
    _Checks(subject, diagnostics).run()


class _Checks:
    def __init__(self, subject: Subject, diagnostics: Diagnostics) -> None:
        self._subject, self._diagnostics = subject, diagnostics
        self._recipe, self._places, self._input = subject.recipe, subject.places, subject.input

    def run(self) -> None:
        if self._known("optimizer"):
            self._optimizer()
        if self._known("batch", "accumulate"):
            self._parts()
        if self._known("data", "validation", "images", "batch"):
            self._images()
        if self._known("data", "augment", "tta"):
            self._mirrored()
        if self._known("tta") and len(self._input) == 3:
            self._views()
        if self._known("augment") and len(self._input) == 3:
            self._augmentation(self._places.get("augment", self._subject.input_span))
        # `--epochs 1` for a trial is not a mistake.
        checked = self._own("epochs") or not self._own("schedule")
        if checked and self._known("epochs", "schedule") and "schedule" in self._places:
            self._schedule(self._places["schedule"])
        if self._known("weights", "lr_factor"):
            self._factor()
        if self._known("validation", "patience", "schedule"):
            self._without_validation()
        if self._known("loss"):
            self._class_weights()
        self._data()
        self._task()

    def _known(self, *keys: str) -> bool:
        return not set(keys) & set(self._subject.wrong)

    def _own(self, key: str) -> bool:
        """True if a key is not overridden on the command line."""
        return key not in self._places or self._places[key].source is self._subject.input_span.source

    def _error(self, key: str, message: str, help: Help) -> None:
        self._diagnostics.error("NET501", message, self._places.get(key), help=help)

    def _line(self, key: str, value: object) -> Fix:
        """The fix that gives a key of the file or of the command line a value, or adds it to the recipe."""
        place, line = self._places.get(key), f"{key} {value}"
        if place is None:
            return add_line(next(iter(self._places.values())), line)
        return write(place, str(value) if place.source.is_option else line)

    def _argument(self, key: str, pattern: str, text: str, why: str = "") -> Fix:
        """The fix that replaces what a pattern matches in the value of a key."""
        place = self._places[key]
        found = re.compile(pattern).search(place.source.text, place.start, place.end)
        return write(Span(place.source, *found.span()) if found else place, text, why)

    def _warn(self, code: str, message: str, place: Span, help: Help, also: tuple[Label, ...] = ()) -> None:
        if not is_allowed(code, place):
            self._diagnostics.error(code, message, place, also=also, help=help)

    def _optimizer(self) -> None:
        optimizer = self._recipe.optimizer
        if isinstance(optimizer, Sgd) and optimizer.nesterov and not optimizer.momentum:
            fix = self._argument("optimizer", r"nesterov\s*=\s*yes", "momentum=0.9, nesterov=yes")
            self._error("optimizer", "`nesterov` needs a momentum above 0", fix)

    def _parts(self) -> None:
        batch, parts = self._recipe.batch, self._recipe.accumulate
        if parts > batch:
            key, most = ("accumulate", batch) if "accumulate" in self._places else ("batch", parts)
            self._error(key, f"a batch of {batch} can't be split into {parts} parts", self._line(key, most))
        elif batch % parts:
            near = sorted([n for n in near_divisors(batch, parts) if n > 1][:2])
            message = f"a batch of {batch} can't be split into {parts} equal parts"
            help: Help = tuple(self._line("accumulate", n) for n in near)
            help = help or f"choose a batch that {parts} divides"
            self._warn("NET712", message, self._places["accumulate"], help)

    def _without_validation(self) -> None:
        """Reports keys that need scores on validation images, if there are none."""
        needs = {"patience": self._recipe.patience, "schedule": isinstance(self._recipe.schedule, Plateau)}
        if self._recipe.validation != 0:
            return
        for key, value, allowed in (
            (key, value, "none" if key == "patience" else "cosine") for key, value in needs.items()
        ):
            if value:
                what = "plateau" if key == "schedule" else key
                fix = self._line("validation", 1000)
                self._error(
                    key,
                    f"`{what}` needs validation images, and `validation` is 0",
                    (fix, self._line(key, allowed)),
                )

    def _class_weights(self) -> None:
        weights, classes = getattr(self._recipe.loss, "weights", ()), self._subject.classes
        if isinstance(weights, tuple) and weights and classes and len(weights) != classes:
            message = f"`weights` has {len(weights)} numbers, but the network has {classes} classes"
            fix = self._argument("loss", r"weights\s*=\s*\[[^\]]*\]", "weights=balanced")
            self._error("loss", message, (replace(fix, safe=False), "write one number for each class"))

    def _factor(self) -> None:
        place = self._places.get("lr_factor")
        if place is not None and self._recipe.weights is None:
            fix = add_line(place, 'weights "runs/resnet32"')
            help = (replace(fix, safe=False), "name them on the command line: `--weights RUN`")
            self._warn("NET712", "`lr_factor` has no effect without `weights`", place, help)

    def _images(self) -> None:
        """Checks the numbers of images for validation, training and a batch."""
        recipe = self._recipe
        left = _IMAGES.get(type(recipe.data)) if "data" in self._places else None
        if left is not None:
            held_back = held_out(left, recipe.validation)
            if held_back >= left:
                message = f"{held_back:,} images for validation leave none of the {left:,} to train on"
                self._error("validation", message, self._line("validation", left // 10))
                return
            left -= held_back
            if recipe.images is not None and recipe.images > left:
                message = f"`images {recipe.images}` is more than the {left:,} images to train on"
                self._error("images", message, (self._line("images", left), "leave the line out"))
        if recipe.images is not None:
            left = recipe.images if left is None else min(left, recipe.images)
        if left is not None and recipe.batch > left:
            key = "batch" if "batch" in self._places else "images"
            message = f"a batch of {recipe.batch} is more than the {left:,} images to train on"
            self._error(key, message, self._line("batch", max(1, left // 4)))

    def _schedule(self, place: Span) -> None:
        """Warns of a schedule that goes beyond the last epoch."""
        schedule, epochs = self._recipe.schedule, self._recipe.epochs
        many = "1 epoch" if epochs == 1 else f"{epochs} epochs"
        if isinstance(schedule, Step) and schedule.at[-1] >= epochs:
            message = f"the learning rate is to fall at epoch {schedule.at[-1]}, but the training has {many}"
            meant = ", ".join(str(n) for n in dict.fromkeys((epochs // 2, epochs * 3 // 4)) if n)
            help = f"write more than {schedule.at[-1]} `epochs`"
            fix = self._argument("schedule", r"\[[^\]]*\]", f"[{meant}]")
            self._warn("NET712", message, place, (fix, help) if meant else help)
        elif schedule.warmup >= epochs:
            message = f"the warm-up takes {schedule.warmup:g} epochs, but the training has {many}"
            warmup = f"warmup={epochs / 10:g}"
            fix = self._argument("schedule", r"warmup\s*=\s*[\w.]+", warmup)
            if schedule == OneCycle():  # its default
                fix = self._line("schedule", f"onecycle({warmup})")
            self._warn("NET712", message, place, fix)

    def _augmentation(self, place: Span) -> None:
        """Checks the sizes of crops and cutouts."""
        shortest, size = min(self._input[1:]), show_shape(self._input[1:])
        for step in self._recipe.augment:
            match step:
                case Crop(padding, mode) if padding >= shortest:
                    given = ", padding_mode=reflect" if mode == "reflect" else ""
                    message = f"`crop({padding}{given})` pads as much as an image of {size} has, or more"
                    own = f"crop({max(1, shortest // 8)}{given})"
                    why = ": its argument is the padding"
                    self._error("augment", message, self._argument("augment", r"crop\([^)]*\)", own, why))
                case Crop(padding) if 2 * padding > shortest:
                    message = f"`crop({padding})` moves an image of {size} by up to {padding} pixels"
                    own, why = f"crop({max(1, shortest // 8)})", ": its argument is the padding"
                    self._warn(
                        "NET712", message, place, self._argument("augment", r"crop\([^)]*\)", own, why)
                    )
                case Zoom(low, high) if low > high:
                    message = f"`zoom({low:g}, {high:g})` has no factor from {low:g} to {high:g}"
                    own = f"zoom({high:g}, {low:g})"
                    self._error("augment", message, self._argument("augment", r"zoom\([^)]*\)", own))
                case ResizeCrop(low, high) | Erase(_, low, high) if low > high:
                    name = next(name for name, cls in CHOICES["augment"].items() if cls is type(step))
                    message = f"`{name}` has no share of the area from {low:g} to {high:g}"
                    own = f"{name}(low={high:g}, high={low:g})"
                    self._error("augment", message, self._argument("augment", rf"{name}\([^)]*\)", own))
                case Cutout(cut) if cut >= shortest:
                    message = f"`cutout({cut})` can hide all of an image of {size}"
                    own = f"cutout({max(1, shortest // 2)})"
                    self._warn("NET712", message, place, self._argument("augment", r"cutout\([^)]*\)", own))

    def _views(self) -> None:
        shortest, size = min(self._input[1:]), show_shape(self._input[1:])
        for view in self._recipe.tta:
            if isinstance(view, TranslateView) and view.pixels >= shortest:
                message = f"`translate({view.pixels})` moves an image of {size} by as much as it has, or more"
                self._error("tta", message, self._argument("tta", r"translate\([^)]*\)", "translate(1)"))

    def _task(self) -> None:
        """Reports a loss or augmentations that aren't for the network's kind of outputs."""
        detect, recipe = self._subject.detect, self._recipe
        wanted = losses(detect.name if detect else "")
        of_another = type(recipe.loss) not in map(CHOICES["loss"].get, wanted)
        if "loss" in self._places and self._known("loss") and of_another:
            what = f"`detect {detect.name}`" if detect else "a classifier"
            self._error("loss", f"this loss isn't that of {what}", self._line("loss", wanted[0]))
        masks = labels_of(recipe.data) == "masks"
        moved = next((s for s in recipe.augment if isinstance(s, Rotate | ResizeCrop | MixUp | CutMix)), None)
        if masks and moved and "augment" in self._places and self._known("augment", "data"):
            word = next(name for name, cls in CHOICES["augment"].items() if cls is type(moved))
            fix = replace(self._line("augment", "flip"), safe=False)
            self._error("augment", f"`{word}` does not move masks", fix)
        of_views = [view for view in recipe.tta if detect or not isinstance(view, FlipView)]
        for key, wrong, allowed in (
            ("augment", [s for s in recipe.augment if detect and not isinstance(s, Flip | Zoom)], "flip"),
            ("tta", of_views if detect or masks else [], "none" if detect else "flip"),
        ):
            if wrong and key in self._places and self._known(key):
                word = next(name for name, cls in CHOICES[key].items() if cls is type(wrong[0]))
                message = f"`{word}` does not move {'boxes' if detect else 'masks'}"
                self._error(key, message, replace(self._line(key, allowed), safe=False))

    def _mirrored(self) -> None:
        """Warns of mirrored digits, which are other shapes."""
        recipe = self._recipe
        mirrored = {
            "augment": any(isinstance(s, Flip) for s in recipe.augment),
            "tta": any(isinstance(view, FlipView) for view in recipe.tta),
        }
        for key in mirrored if isinstance(recipe.data, Digits | Scenes) else ():
            if mirrored[key]:
                items = split(self._places[key].text.removeprefix(key))
                left = ", ".join(item for item in items if not item.startswith("flip")) or "none"
                message = "`flip` mirrors the images, but a mirrored digit is not a digit"
                self._warn("NET712", message, self._places[key], self._line(key, left))

    def _data(self) -> None:
        """Warns of data with another number of classes than the network, or with another kind of input."""
        statements, classes = self._subject.program.statements, self._subject.classes
        if len(self._input) == 1 and any(isinstance(statement, nodes.Train) for statement in statements):
            message = f"training needs images, but the input is a vector of {self._input[0]}"
            help = f"write `input {_image(self._input[0])}`, and `flatten` as the first step"
            self._warn("NET711", message, self._subject.input_span, help)
        statement = next((s for s in statements if isinstance(s, nodes.Classes)), None)
        if statement and classes == 1:
            message = "the network has one class: the cross-entropy of a single score is always 0"
            more = write(statement.number.span, "2", shown="classes 2", safe=False)
            self._warn("NET711", message, statement.span, more)
            return
        data = self._recipe.data
        counted = Scenes(masks=data.masks) if isinstance(data, Scenes) else data
        if not self._known("data") or "data" not in self._places or not self._own("data"):
            return
        own = _CLASSES.get(counted, classes)
        if statement and classes and own != classes:
            others = [kind for kind in (Cifar10(), Cifar100()) if _CLASSES[kind] == classes]
            texts = [f"data {recipe_text(kind)}" for kind in others if labels_of(data) == "classes"]
            other = [write(self._places["data"], text, safe=False) for text in texts]
            message = f"`{recipe_text(data)}` has {own} classes, but the network has {classes}"
            fix = write(statement.span, f"classes {own}")
            self._warn("NET711", message, statement.span, (fix, *other), (Label(self._places["data"]),))


def _image(features: int) -> str:
    """The square image with this number of features, of one channel or three."""
    for channels in (1, 3):
        side = math.isqrt(features // channels)
        if channels * side * side == features:
            return f"{channels}x{side}x{side}"
    return "3x32x32"
