"""Filters of the first layer, the most informative feature maps, and the embedding before the head."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from math import prod

import torch
from torch import Tensor, nn

from netdsl.inspect.inspected import Inspected
from netdsl.inspect.layers import activations, evaluating
from netdsl.ir.layer_names import Layer
from netdsl.runtime.errors import RunError

# Operations with filters, and operations that keep pixels in place, so that filters after them still see the
# image.
_FILTERING = {"conv", "depthwise", "conv_transpose", "linear"}
_MODULES = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
_PIXELWISE = {"flatten", "bn", "layernorm", "instancenorm", "pad", "scale", "dropout"}


class NothingToSee(RunError):
    """The network has nothing of the requested kind."""


def filters(model: nn.Module, shape: Sequence[int] = ()) -> Tensor:
    """The filters of the first layer, (F, C, h, w), with positive and negative values.

    Those of a convolution have the size of its kernel (Krizhevsky et al. 2012, fig. 3); those of a linear
    layer on flattened pixels are templates of whole images, of `shape` (C, H, W) if the model is not
    `Inspected`. Raises NothingToSee if the first layer's filters are not images.
    """
    if isinstance(model, Inspected):
        name, transposed = _first(model.named)
        weight = next(tensor for tensor in model.weights if tensor.dim() in (2, 4))
        shape = model.network.input_shape
    else:
        name, layer = next(
            ((name, own) for name, own in model.named_modules() if isinstance(own, _MODULES)), ("", None)
        )
        if layer is None:
            raise NothingToSee("the network has no convolution and no linear layer")
        weight, transposed = layer.weight, isinstance(layer, nn.ConvTranspose2d)
    found: Tensor = weight.detach()
    if found.dim() == 2:
        if len(shape) != 3 or prod(shape) != found.shape[1]:
            raise NothingToSee(f"the rows of the first layer, `{name}`, are not images")
        return found.reshape(-1, *shape)
    if found.shape[2:] == (1, 1):
        raise NothingToSee(f"the filters of the first layer, `{name}`, are 1x1: there is nothing to see")
    return found.transpose(0, 1) if transposed else found


def _first(found: Sequence[Layer]) -> tuple[str, bool]:
    """The name of the first layer with filters, and whether it is a transposed convolution."""
    layer = next((layer for layer in found if layer.kind in _FILTERING), None)
    if layer is None:
        raise NothingToSee("the network has no convolution and no linear layer")
    before = layer.before
    while before is not None:
        if found[before].kind not in _PIXELWISE:
            raise NothingToSee(
                f"the first layer with filters, `{layer.name}`, sees the output of `{found[before].name}`, "
                "not the image"
            )
        before = found[before].before
    return layer.name, layer.kind == "conv_transpose"


def telling_maps(found: Sequence[Layer]) -> list[str]:
    """The names of the feature maps that give an overview: the outputs of the stem and the stages; without
    stages those of the ReLUs between layers, else those of the sections.
    """
    maps = [layer for layer in found if len(layer.output) == 3 and layer.output[1] * layer.output[2] > 1]
    maps = [layer for layer in maps if not layer.name.startswith("head")]
    if any(layer.kind == "stage" for layer in maps):
        return [layer.name for layer in maps if layer.kind == "stage" or layer.name == "stem"]
    between = [layer.name for layer in maps if layer.kind == "relu" and layer.name.count(".") == 1]
    return between or [layer.name for layer in maps if layer.kind == "section"]


def embedding(model: nn.Module, images: Tensor) -> Tensor:
    """The head's input for images, (N, D): the input of the last linear layer that runs.

    Classes are linearly separated in it (Krizhevsky et al. 2012, fig. 4 right, compare images by it). Of an
    `Inspected` network without a linear layer: the mean over all positions of its last feature map. Raises
    RunError if there is neither.
    """
    with evaluating(model), torch.no_grad():
        seen = _before_head(model, images) if isinstance(model, Inspected) else _seen_last(model, images)
    return seen.flatten(1)


def _before_head(model: Inspected, images: Tensor) -> Tensor:
    linear = [layer for layer in model.named if layer.kind == "linear"]
    if not linear:
        if model.feature_map is None:
            raise RunError("the network has no linear layer, and no feature map")
        return activations(model, images, [model.feature_map.name])[model.feature_map.name].mean((2, 3))
    if linear[-1].before is None:
        return images
    name = model.named[linear[-1].before].name
    return activations(model, images, [name])[name]


def _seen_last(model: nn.Module, images: Tensor) -> Tensor:
    """The input of the last `nn.Linear` that runs."""
    seen: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen[:] = inputs[:1]

    with ExitStack() as hooks:
        for module in model.modules():
            if isinstance(module, nn.Linear):
                hooks.enter_context(module.register_forward_pre_hook(keep))
        model(images)
    if not seen:
        raise RunError("the network has no linear layer")
    return seen[0]
