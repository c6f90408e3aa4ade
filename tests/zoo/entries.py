"""The zoo: each network of networks/ beside the reference that it must equal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple, TypeAlias

import torch
import torchvision.models
from torch import nn

import netdsl
from benchmarks.placements import placement
from netdsl.base.values import show
from tests.zoo import cifar, course
from tests.zoo.unet import unet

Setting: TypeAlias = int | float | bool | str


TORCHVISION = "torchvision"


class Entry(NamedTuple):
    """A network of ours, the reference, and the height and width at which the two are compared."""

    name: str
    file: str
    settings: Mapping[str, Setting]
    load: Callable[[], netdsl.Network]
    reference: Callable[[], nn.Module]
    size: int
    # Where the reference is from, for docs/zoo.md.
    source: str


def imagenet(name: str, file: str, size: int = 64, **settings: Setting) -> Entry:
    options = {"aux_logits": False, "init_weights": True} if name == "googlenet" else {}
    reference = partial(torchvision.models.get_model, name, weights=None, **options)
    return Entry(name, file, settings, partial(netdsl.load, file, **settings), reference, size, TORCHVISION)


def setting(value: Setting) -> str:
    """As `--set` takes it."""
    return show(value) if isinstance(value, bool) else str(value)


def loads(entry: Entry, network: netdsl.Network) -> bool:
    """True if the reference's state dict loads into the styles that are modules, name by name."""
    with torch.device("meta"):
        weights = entry.reference().state_dict()
        sequential = [network.sequential()] if "sequential" in network.styles else []
        for model in (network.module(), *sequential):
            try:
                model.load_state_dict(weights)
            except RuntimeError:
                return False
    return True


def small(name: str, file: str, reference: Callable[[], nn.Module], **settings: Setting) -> Entry:
    # Half the size of CIFAR's images: enough positions for batch norms, a quarter of the time.
    return Entry(
        name, file, settings, partial(netdsl.load, file, **settings), reference, 16, "tests/zoo/cifar.py"
    )


def taught(name: str, reference: Callable[[], nn.Module], size: int = 16) -> Entry:
    return Entry(name, name, {}, partial(netdsl.load, name), reference, size, "tests/zoo/course.py")


def placed(letter: str) -> Entry:
    entry = small(f"placement ({letter})", "placements", partial(cifar.placements, letter, 20))
    return entry._replace(load=partial(placement, letter, 20))


ENTRIES = [
    imagenet("alexnet", "alexnet"),
    # 32: the classifiers have 120 million weights, whatever the size.
    imagenet("vgg11", "vgg", 32, depth=11),
    imagenet("vgg13", "vgg", 32, depth=13),
    imagenet("vgg16", "vgg", 32, depth=16),
    imagenet("vgg19", "vgg", 32, depth=19),
    imagenet("vgg11_bn", "vgg", 32, depth=11, batch_norm=True),
    imagenet("vgg13_bn", "vgg", 32, depth=13, batch_norm=True),
    imagenet("vgg16_bn", "vgg", 32, depth=16, batch_norm=True),
    imagenet("vgg19_bn", "vgg", 32, depth=19, batch_norm=True),
    imagenet("resnet18", "resnet18"),
    imagenet("resnet34", "resnet18", depth=34),
    imagenet("resnet50", "resnet50"),
    imagenet("resnet101", "resnet50", depth=101),
    imagenet("resnet152", "resnet50", depth=152),
    imagenet("resnext50_32x4d", "resnext50"),
    imagenet("resnext101_32x8d", "resnext50", depth=101, group_width=8),
    imagenet("wide_resnet50_2", "wide_resnet50"),
    imagenet("wide_resnet101_2", "wide_resnet50", depth=101),
    imagenet("squeezenet1_0", "squeezenet"),
    imagenet("squeezenet1_1", "squeezenet", version=1.1),
    imagenet("mobilenet_v2", "mobilenet_v2"),
    imagenet("mobilenet_v3_small", "mobilenet_v3_small"),
    imagenet("mnasnet1_0", "mnasnet1_0"),
    imagenet("densenet121", "densenet"),
    imagenet("densenet169", "densenet", depth=169),
    imagenet("densenet201", "densenet", depth=201),
    imagenet("googlenet", "googlenet"),
    small("PreResNet-110", "preresnet", partial(cifar.preresnet, 110, False), depth=110, kind="residual"),
    small("PreResNet-164", "preresnet", partial(cifar.preresnet, 164, True)),
    small("PreResNet-1001", "preresnet", partial(cifar.preresnet, 1001, True), depth=1001),
    small("WRN-28-10", "wide_resnet", partial(cifar.wide_resnet, 28, 10)),
    small(
        "WRN-16-8 with dropout", "wide_resnet", partial(cifar.wide_resnet, 16, 8), depth=16, widen=8, drop=0.3
    ),
    small("DenseNet-BC-100-12", "densenet_bc", partial(cifar.densenet_bc, 100, 12)),
    small("ResNeXt-29 8x64d", "resnext29", partial(cifar.resnext29, 8, 64)),
    small("SE-ResNet-18", "senet18", cifar.senet18),
    small("MobileNet", "mobilenet", cifar.mobilenet),
    *map(placed, "abcde"),
    # 32: their last layers take every position of the images.
    taught("two_layer_fc", partial(course.kaiming, course.two_layer_fc), 32),
    taught("three_layer_convnet", partial(course.kaiming, course.three_layer_convnet), 32),
    # The notes give its channels and pools; batch norm, head and initialisation are open.
    taught("convnet", partial(course.kaiming, course.a3_good_model_batchnorm), 32),
    taught("plain32", course.plain32),
    taught("resnet32", course.resnet32),
    taught("resnet47", course.resnet47),
    # 32: its deepest maps have a sixteenth of the size.
    small("U-Net", "unet", partial(unet, 64))._replace(size=32, source="tests/zoo/unet.py"),
]
