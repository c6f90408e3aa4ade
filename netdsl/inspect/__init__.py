"""What a trained network has learned, seen by gradients of its output with respect to its input.

    from netdsl import inspect

    model = inspect.open_run("runs/resnet32")       # or any nn.Module: images -> logits
    maps = inspect.saliency(model, images, labels)
    seen = inspect.activations(model, images, ["stage1", "stage3.block2.conv1"])

Whatever runs here leaves a model as it was: its weights, its mode, its hooks. The layers of a network that
is opened here have the names of its `.net` file (`netdsl.inspect.names`), those of another module are the
paths of its submodules.
"""

from netdsl.inspect.adversarial import Attack, Withstood, attack, fgsm, in_8_bits, pgd, robustness
from netdsl.inspect.layers import activations, captured, evaluating, find
from netdsl.inspect.model import Inspected
from netdsl.inspect.names import Layer, last_feature_map, layers
from netdsl.inspect.opening import IMAGENET, open_run, open_weights

__all__ = [
    "IMAGENET",
    "Attack",
    "Inspected",
    "Layer",
    "Withstood",
    "activations",
    "attack",
    "captured",
    "evaluating",
    "fgsm",
    "find",
    "in_8_bits",
    "last_feature_map",
    "layers",
    "open_run",
    "open_weights",
    "pgd",
    "robustness",
]
