"""The kinds of `detect`: the meanings of a detector's outputs, with their arguments."""

from __future__ import annotations

from typing import ClassVar, TypeAlias

from netdsl.base.lazy_dataclass import lazy_dataclass
from netdsl.language.argument_types import Real, Sizes, arg
from netdsl.language.recipe import CHOICES, FcosLoss, YoloLoss


@lazy_dataclass
class Detector:
    """The arguments of all kinds: a box has at least this `score`, and overlaps no surer one of its class by
    an IoU above `nms`.
    """

    score: float = arg(Real(0, 1), 0.05, named=True, last=True)
    nms: float = arg(Real(0, 1), 0.5, named=True, last=True)


@lazy_dataclass
class Yolo(Detector):
    """Boxes around anchors (Redmon et al. 2016): one map with 5 channels for each anchor, the confidence, the
    shift of the centre and the logarithms of the sizes, and then one for each class.
    """

    anchors: tuple[tuple[int, int], ...] = arg(Sizes(), usual="[32x32, 64x64]")
    outputs: ClassVar[int | None] = 1
    formula: ClassVar[str] = "5 * anchors + classes"
    loss: ClassVar[type[YoloLoss]] = YoloLoss

    def channels(self, classes: int) -> int:
        return 5 * len(self.anchors) + classes

    def layout(self, classes: int) -> str:
        anchors = len(self.anchors)
        return f"{anchors} anchors with 5 channels each and {classes} classes"


@lazy_dataclass
class Fcos(Detector):
    """Boxes around locations (Tian et al. 2019): each map has one channel for each class, then the distances
    to left, top, right and bottom, and the centerness.
    """

    outputs: ClassVar[int | None] = None
    formula: ClassVar[str] = "classes + 5"
    loss: ClassVar[type[FcosLoss]] = FcosLoss

    def channels(self, classes: int) -> int:
        return classes + 5

    def layout(self, classes: int) -> str:
        return f"{classes} classes, 4 distances and the centerness"


DetectorKind: TypeAlias = Yolo | Fcos
DETECTORS: dict[str, type[DetectorKind]] = {"yolo": Yolo, "fcos": Fcos}


def losses(detector: str = "") -> tuple[str, ...]:
    """The names of the losses of a kind of detector, or of a classifier."""
    own = [kind.loss for name, kind in DETECTORS.items() if detector in ("", name)]
    return tuple(name for name, loss in CHOICES["loss"].items() if (loss in own) == bool(detector))
