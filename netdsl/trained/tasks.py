"""The task of a network: what its outputs mean, by its `classes`, `detect` and recipe."""

from __future__ import annotations

from torch import Tensor

from netdsl.language import detectors
from netdsl.language.recipe import CrossEntropy, FcosLoss, YoloLoss
from netdsl.network import CompiledNetwork
from netdsl.runtime.errors import RunError
from netdsl.runtime.segmentation.task import Segmentation
from netdsl.runtime.task import Task, classification
from netdsl.shapes.check_detector import strides


def is_dense(network: CompiledNetwork) -> bool:
    """True if the first output has scores of classes at each position, not one vector of them."""
    return network.typed.labels == "masks"


def task_of(network: CompiledNetwork, labels: Tensor | None = None) -> Task:
    """The task that a network is trained for, with the loss of its recipe; `labels` are those of the training
    images, if it is to be trained. Raises RunError if the loss is not one for the network.
    """
    detect, loss = network.typed.network.detect, network.recipe.loss
    if detect is None and is_dense(network):
        assert network.classes is not None
        if (
            not isinstance(loss, CrossEntropy)
            or loss.weights != "none"
            or network.recipe.sampling != "shuffle"
        ):
            raise RunError(
                "the pixels of masks have the plain cross entropy, and their images are shuffled",
                "write `loss cross_entropy` without `weights`, and leave `sampling` out",
            )
        _, height, width = network.input_shape
        return Segmentation(network.classes, (height, width), loss.smoothing, loss.aux)
    if detect is None:
        return classification(network.recipe, labels)
    from netdsl.runtime.detection.fcos import Fcos
    from netdsl.runtime.detection.task import Detection, Head
    from netdsl.runtime.detection.yolo import Yolo

    _, height, width = network.input_shape
    pixels = strides(network.input_shape, [output.shape for output in network.typed.outputs])
    assert pixels is not None
    head: Head
    match detect.kind, loss:
        case detectors.Yolo() as kind, YoloLoss(confidence, box, classes):
            head = Yolo(kind.anchors, detect.classes, pixels[0], confidence, box, classes)
        case _, FcosLoss(box, centerness):
            head = Fcos(detect.classes, pixels, box, centerness)
        case _:
            raise AssertionError
    return Detection(head, (height, width), detect.kind.score, detect.kind.nms)
