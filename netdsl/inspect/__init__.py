"""Inspection of trained networks: saliency, attacks, dreams, features, style transfer.

    from netdsl import inspect

    model = inspect.open_run("runs/resnet32")       # or any nn.Module: images -> logits
    maps = inspect.saliency(model, images, labels)
    seen = inspect.activations(model, images, ["stage1", "stage3.block2.conv1"])

No function changes a model's weights, mode or hooks. The layers of a network that is opened here have the
names of its `.net` file (`netdsl.ir.layer_names`); those of another module are the paths of its
submodules.
"""

from netdsl.inspect.adversarial import Attack, Withstood, attack, fgsm, in_8_bits, pgd, robustness
from netdsl.inspect.attributions import integrated_gradients, occlusion
from netdsl.inspect.dreams import dream, noise
from netdsl.inspect.features import embedding, filters
from netdsl.inspect.gradients import grad_cam, saliency, smooth_grad
from netdsl.inspect.inspected import Inspected
from netdsl.inspect.layers import activations, captured, evaluating, find
from netdsl.inspect.mistakes import answers, confusion, most_confident_mistakes
from netdsl.inspect.opening import IMAGENET, functional, open_run, open_weights
from netdsl.inspect.projections import pca, tsne
from netdsl.inspect.transfer import (
    LossWeights,
    StyleLayers,
    content_loss,
    gram,
    style_layers,
    style_loss,
    total_variation,
    transfer,
)
from netdsl.ir.layer_names import Layer, last_feature_map, layers

__all__ = [
    "Attack",
    "IMAGENET",
    "Inspected",
    "Layer",
    "LossWeights",
    "StyleLayers",
    "Withstood",
    "activations",
    "answers",
    "attack",
    "captured",
    "confusion",
    "content_loss",
    "dream",
    "embedding",
    "evaluating",
    "fgsm",
    "filters",
    "find",
    "functional",
    "grad_cam",
    "gram",
    "in_8_bits",
    "integrated_gradients",
    "last_feature_map",
    "layers",
    "most_confident_mistakes",
    "noise",
    "occlusion",
    "open_run",
    "open_weights",
    "pca",
    "pgd",
    "robustness",
    "saliency",
    "smooth_grad",
    "style_layers",
    "style_loss",
    "total_variation",
    "transfer",
    "tsne",
]
