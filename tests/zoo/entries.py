"""The zoo: each network of networks/ beside the reference that it must equal, whole and small."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import torchvision.models
from torch import nn
from torchvision.models import (
    convnext,
    densenet,
    efficientnet,
    maxvit,
    mnasnet,
    mobilenetv2,
    regnet,
    resnet,
    shufflenetv2,
    swin_transformer,
    vision_transformer,
)
from torchvision.models.detection import fcos, retinanet

import netdsl
from benchmarks.placements import placement
from netdsl.base.values import show
from netdsl.syntax.net_files import bare_names
from netdsl.trained.checkpoint_orders import ORDERS, Behind
from tests.support.building import narrowed
from tests.zoo import cifar, collection, course, maps, mixers
from tests.zoo.compare import narrower

Setting: TypeAlias = int | float | bool | str

TORCHVISION = "torchvision"
CIFAR = "tests/zoo/cifar.py"
COLLECTION = "tests/zoo/collection.py"
COURSE = "tests/zoo/course.py"
MAPS = "tests/zoo/maps.py"
MIXERS = "tests/zoo/mixers.py"


# From the order of a reference's tensors to that of the file.
MOVES = {**ORDERS, "cifar_swin": ORDERS["swin"]}


class Entry(NamedTuple):
    """A network as `load` names it, the reference, and the size of the images on which the two are compared.

    `source` says where the reference is from.
    """

    name: str
    load: Callable[[], netdsl.Network]
    reference: Callable[[], nn.Module]
    size: int
    source: str
    network: str
    file: str
    settings: Mapping[str, Setting]

    @property
    def moves(self) -> tuple[Behind, ...]:
        return MOVES.get(self.file, ())

    def at_its_size(self) -> tuple[netdsl.Network, nn.Module]:
        """The network and the reference, for images of the entry's size if they have weights of that size."""
        if self.file != "vit":
            return self.load(), self.reference()
        network = netdsl.load(self.network, input=f"3x{self.size}x{self.size}")
        return network, torchvision.models.get_model(self.name, weights=None, image_size=self.size)

    @property
    def is_torchvision(self) -> bool:
        return self.source == TORCHVISION


def entry(
    name: str,
    reference: Callable[[], nn.Module],
    source: str,
    size: int = 16,
    network: str = "",
    **settings: Setting,
) -> Entry:
    """The network of the bare name `network` (its own `name`, if that is empty) with settings."""
    network = network or name
    file = bare_names()[network].path.stem
    return Entry(
        name, partial(netdsl.load, network, **settings), reference, size, source, network, file, settings
    )


def imagenet() -> Iterator[Entry]:
    """All of torchvision's classification networks that have a bare name."""
    options = dict.fromkeys(("googlenet", "inception_v3"), {"aux_logits": False, "init_weights": True})
    # The classifiers of VGG have 120 million weights, whatever the size.
    sizes = {"alexnet": 64, "vgg": 32, "inception_v3": 75, "vit": 64, "maxvit": 224}
    names = bare_names()
    for name in torchvision.models.list_models(module=torchvision.models):
        if name in names:
            reference = partial(torchvision.models.get_model, name, weights=None, **options.get(name, {}))
            yield entry(name, reference, TORCHVISION, sizes.get(names[name].path.stem, 48))
    with_heads = partial(torchvision.models.googlenet, aux_logits=True, init_weights=True)
    yield entry("googlenet with auxiliary heads", with_heads, TORCHVISION, 64, "googlenet", aux=True)


def cifar_swin(width: int) -> nn.Module:
    """The blocks of torchvision's; for images of 32x32."""
    heads = [width // 16 << stage for stage in range(3)]
    create = swin_transformer.SwinTransformer
    sizes = [2, 2], width, [2, 4, 2], heads, [4, 4]
    made: nn.Module = create(*sizes, stochastic_depth_prob=0.1, num_classes=10)
    return made


def placed(letter: str) -> Entry:
    found = entry(f"placement ({letter})", partial(cifar.placements, letter, 20), CIFAR, network="placements")
    return found._replace(load=partial(placement, letter, 20))


def kaiming(create: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    return partial(course.kaiming, create)


# The networks of a known collection for CIFAR, by the names that it has for them, with the bare names here.
KUANGLIU: Mapping[str, tuple[str, Callable[[], nn.Module]]] = {
    **{f"VGG{n}": (f"cifar_vgg{n}", partial(collection.vgg, n)) for n in (11, 13, 16, 19)},
    **{f"ResNet{n}": (f"cifar_resnet{n}", partial(collection.resnet, n)) for n in (18, 34, 50, 101, 152)},
    **{
        f"PreActResNet{n}": (f"preact_resnet{n}", partial(collection.preact_resnet, n))
        for n in (18, 34, 50, 101, 152)
    },
    "GoogLeNet": ("cifar_googlenet", collection.googlenet),
    **{
        f"DenseNet{n}": (f"cifar_densenet{n}", partial(collection.densenet, n, 48 if n == 161 else 32))
        for n in (121, 161, 169, 201)
    },
    "densenet_cifar": ("densenet_cifar", partial(collection.densenet, 121, 12)),
    **{
        f"ResNeXt29_{groups}x{width}d": (
            f"cifar_resnext29_{groups}x{width}d",
            partial(collection.resnext29, groups, width),
        )
        for groups, width in ((2, 64), (4, 64), (8, 64), (32, 4))
    },
    "MobileNet": ("mobilenet", cifar.mobilenet),
    "MobileNetV2": ("cifar_mobilenet_v2", collection.mobilenet_v2),
    "DPN26": ("dpn26", partial(collection.dpn, (2, 2, 2, 2))),
    "DPN92": ("dpn92", partial(collection.dpn, (3, 4, 20, 3))),
    "ShuffleNetG2": ("shufflenet_g2", partial(collection.shufflenet, 200, 2)),
    "ShuffleNetG3": ("shufflenet_g3", partial(collection.shufflenet, 240, 3)),
    **{
        f"ShuffleNetV2 {size}": (
            f"cifar_shufflenet_v2_x{size.replace('.', '_')}",
            partial(collection.shufflenet_v2, widths, last),
        )
        for size, widths, last in (
            ("0.5", (48, 96, 192), 1024),
            ("1.0", (116, 232, 464), 1024),
            ("1.5", (176, 352, 704), 1024),
            ("2.0", (224, 488, 976), 2048),
        )
    },
    "SENet18": ("preact_senet18", collection.preact_senet18),
    "EfficientNetB0": ("cifar_efficientnet_b0", collection.efficientnet_b0),
    "RegNetX_200MF": (
        "cifar_regnet_x_200mf",
        partial(collection.regnet, (24, 56, 152, 368), (1, 1, 4, 7), 8, False),
    ),
    **{
        f"RegNet{kind}_400MF": (
            f"cifar_regnet_{kind.lower()}_400mf",
            partial(collection.regnet, (32, 64, 160, 400), (1, 2, 7, 12), 16, kind == "Y"),
        )
        for kind in "XY"
    },
    "DLA": ("dla", partial(collection.dla, False)),
    "SimpleDLA": ("simple_dla", partial(collection.dla, True)),
    "PNASNetA": ("pnasnet_a", partial(collection.pnasnet, collection.cell_a, 44)),
    "PNASNetB": ("pnasnet_b", partial(collection.pnasnet, collection.CellB, 32)),
    "LeNet": ("lenet", collection.LeNet),
}


# Their last maps would be too small for images of 16x16.
DEEP = ("LeNet", "VGG11", "VGG13", "VGG16", "VGG19", "EfficientNetB0")

ENTRIES = [
    *imagenet(),
    *(
        entry(name, reference, COLLECTION, 32 if name in DEEP else 16, network)
        for name, (network, reference) in KUANGLIU.items()
    ),
    entry(
        "PreResNet-110",
        partial(cifar.preresnet, 110, False),
        CIFAR,
        16,
        "preresnet",
        depth=110,
        kind="residual",
    ),
    entry("PreResNet-164", partial(cifar.preresnet, 164, True), CIFAR, 16, "preresnet"),
    entry("PreResNet-1001", partial(cifar.preresnet, 1001, True), CIFAR, 16, "preresnet", depth=1001),
    entry("WRN-28-10", partial(cifar.wide_resnet, 28, 10), CIFAR, 16, "wide_resnet"),
    entry(
        "WRN-16-8 with dropout",
        partial(cifar.wide_resnet, 16, 8, 0.3),
        CIFAR,
        16,
        "wide_resnet",
        depth=16,
        widen=8,
        drop=0.3,
    ),
    entry("cifar_vit", partial(mixers.ViT, 128, 6, 4, 4, 32), MIXERS, 32),
    entry("cifar_swin", partial(cifar_swin, 48), MIXERS, 32),
    entry("cct_7_3x1", partial(mixers.CCT, 256, 7, 4, 2, 1, 32), MIXERS, 32),
    entry("cct_2_3x2", partial(mixers.CCT, 128, 2, 2, 1, 2, 32), MIXERS, 32),
    entry("mlp_mixer", partial(mixers.MLPMixer, 128, 8, 4, 64, 512, 32), MIXERS, 32),
    entry("convmixer", partial(mixers.conv_mixer, 256, 8), MIXERS),
    entry("airbench94", partial(cifar.airbench94, 64), CIFAR, 32),
    entry("DenseNet-BC-100-12", partial(cifar.densenet_bc, 100, 12), CIFAR, 16, "densenet_bc"),
    entry("ResNeXt-29 8x64d", partial(cifar.resnext29, 8, 64), CIFAR, 16, "resnext29"),
    entry("SE-ResNet-18", cifar.senet18, CIFAR, 16, "senet18"),
    *map(placed, "abcde"),
    # 32: their last layers take every position of the images.
    entry("two_layer_fc", kaiming(course.two_layer_fc), COURSE, 32),
    entry("three_layer_convnet", kaiming(course.three_layer_convnet), COURSE, 32),
    # The notes give its channels and pools; batch norm, head and initialisation are open.
    entry("convnet", kaiming(course.a3_good_model_batchnorm), COURSE, 32),
    entry("plain32", course.plain32, COURSE),
    entry("resnet32", course.resnet32, COURSE),
    entry("resnet47", course.resnet47, COURSE),
    # 32: its deepest maps have a sixteenth of the size.
    entry("U-Net", partial(maps.unet, 64), MAPS, 32, "unet"),
    entry("scenes_fcos", partial(maps.scenes_fcos, 16), MAPS, 32),
    entry("scenes_yolo", partial(maps.scenes_yolo, 24), MAPS, 32),
    entry("cells", partial(maps.cells, 16, 48), MAPS, 32),
    *(
        # The deepest map has a 128th of the size.
        entry(name, partial(maps.torchvision_detector, name), MAPS, 128)
        for name in ("fcos_resnet50_fpn", "retinanet_resnet50_fpn")
    ),
    entry("yolo_course", maps.yolo_course, COURSE, 64),
]


class Small(NamedTuple):
    """A small network of a file, with all of its code, and the reference of the same size; both are narrower
    by `factor`, where the file has no settings for that.
    """

    file: str
    reference: Callable[[], nn.Module]
    size: int
    settings: Mapping[str, Setting]
    factor: int

    @property
    def moves(self) -> tuple[Behind, ...]:
        return MOVES.get(self.file, ())

    def load(self) -> netdsl.Network:
        """Takes images of `size` x `size`."""
        settings = {name: setting(value) for name, value in self.settings.items()}
        return narrowed(self.file, self.size, settings, self.factor)

    def create_reference(self) -> nn.Module:
        with narrower(self.factor):
            return self.reference()


def small(
    file: str, reference: Callable[[], nn.Module], size: int = 32, *, factor: int = 1, **settings: Setting
) -> Small:
    return Small(file, reference, size, settings, factor)


def swin(window: int = 7, **options: Any) -> nn.Module:
    heads, windows = [1, 2, 4, 8], [window, window]
    made: nn.Module = swin_transformer.SwinTransformer(
        [4, 4], 32, [2, 2, 2, 2], heads, windows, **{"stochastic_depth_prob": 0.2, **options}
    )
    return made


def swin_v2() -> nn.Module:
    block, merging = swin_transformer.SwinTransformerBlockV2, swin_transformer.PatchMergingV2
    return swin(8, block=block, downsample_layer=merging)


def max_vit() -> nn.Module:
    made: nn.Module = maxvit.MaxVit((64, 64), 64, 2, [16, 32, 64, 128], [1, 1, 1, 1], 8, 0.2)
    return made


def torch_vision(name: str, **options: Any) -> Callable[[], nn.Module]:
    return partial(torchvision.models.get_model, name, weights=None, **options)


def bottlenecks(**options: int) -> Callable[[], nn.Module]:
    return partial(resnet.ResNet, resnet.Bottleneck, [3, 4, 6, 3], **options)


def efficient(name: str, **multipliers: float) -> nn.Module:
    blocks, last = efficientnet._efficientnet_conf(name, **multipliers)
    model: nn.Module = efficientnet.EfficientNet(blocks, 0.2, last_channel=last)
    return model


def fused(widths: tuple[int, ...], counts: tuple[int, ...]) -> nn.Module:
    expand, strides = (1, 4, 4, 4, 6, 6, 6), (1, 2, 2, 2, 1, 2, 1)
    kinds = [efficientnet.FusedMBConvConfig] * 3 + [efficientnet.MBConvConfig] * 4
    inputs = (widths[0], *widths[:-1])
    rows = zip(kinds, expand, strides, inputs, widths, counts, strict=True)
    blocks = [kind(ratio, 3, stride, i, o, n) for kind, ratio, stride, i, o, n in rows]
    norm = partial(nn.BatchNorm2d, eps=1e-3)
    model: nn.Module = efficientnet.EfficientNet(blocks, 0.2, last_channel=1280, norm_layer=norm)
    return model


def regular(gates: bool) -> nn.Module:
    widths, groups = [8, 16, 24, 32], [8] * 4
    ratio = 0.25 if gates else None
    model: nn.Module = regnet.RegNet(
        regnet.BlockParams([1, 2, 1, 1], widths, groups, [1.0] * 4, [2] * 4, ratio)
    )
    return model


def next_convolutional() -> nn.Module:
    rows = [(8, 16, 3), (16, 32, 3), (32, 64, 1), (64, None, 3)]
    model: nn.Module = convnext.ConvNeXt([convnext.CNBlockConfig(*row) for row in rows], 0.1, 1e-6)
    return model


# 48: the last maps have four positions, enough for batch norms.
SMALL = [
    small("alexnet", torch_vision("alexnet"), 64, factor=16),
    small("vgg", torch_vision("vgg11"), factor=8, depth=11),
    small("vgg", torch_vision("vgg11_bn"), factor=8, depth=11, batch_norm=True),
    small("resnet18", torch_vision("resnet18"), 48, factor=8),
    small("resnet50", torch_vision("resnet50"), factor=8),
    small("resnext50", bottlenecks(groups=8, width_per_group=8), factor=4, groups=8, group_width=2),
    small("wide_resnet50", bottlenecks(width_per_group=32), factor=8, widen=0.5),
    small("squeezenet", torch_vision("squeezenet1_0")),
    small("squeezenet", torch_vision("squeezenet1_1"), version=1.1),
    small("densenet", partial(densenet.DenseNet, 8, (6, 12, 24, 16), 16), 48, growth=8),
    small("mobilenet_v2", partial(mobilenetv2.MobileNetV2, width_mult=0.25), 48, width=0.25),
    small("mobilenet_v3_small", torch_vision("mobilenet_v3_small"), 48),
    small("mobilenet_v3_large", torch_vision("mobilenet_v3_large"), 48),
    small("mnasnet", partial(mnasnet.MNASNet, 0.25), 48, width=0.25),
    small(
        "efficientnet",
        partial(efficient, "efficientnet_b0", width_mult=0.25, depth_mult=0.5),
        48,
        width=0.25,
        depth=0.5,
    ),
    small(
        "efficientnet_v2",
        partial(fused, (8, 16, 16, 24, 24, 32, 40), (2, 1, 2, 1, 2, 1, 2)),
        48,
        n1=2,
        n2=1,
        n3=2,
        n4=1,
        n5=2,
        n6=1,
        n7=2,
        w1=8,
        w2=16,
        w3=16,
        w4=24,
        w5=24,
        w6=32,
        w7=40,
    ),
    small(
        "shufflenet_v2",
        partial(shufflenetv2.ShuffleNetV2, [4, 8, 4], [24, 8, 16, 32, 32]),
        48,
        width=8,
        last=32,
    ),
    small("convnext", next_convolutional, 64, width=8, depth=1),
    small("regnet", partial(regular, True), 48, d2=2, d3=1, d4=1, w1=8, w2=16, w3=24, w4=32),
    small("regnet", partial(regular, False), 48, d2=2, d3=1, d4=1, w1=8, w2=16, w3=24, w4=32, se=False),
    small(
        "vit",
        partial(vision_transformer.VisionTransformer, 32, 8, 2, 2, 32, 128),
        width=32,
        depth=2,
        heads=2,
        patch=8,
    ),
    # Odd maps are padded and merged: 13, 7, 4 and 2 positions.
    small("swin", swin, 52, width=32, depth=2),
    small("swin_v2", swin_v2, 52, width=32, depth=2),
    small("maxvit", max_vit, 64, width=16, n1=1, n2=1, n3=1, n4=1, head=8, window=2),
    small("googlenet", torch_vision("googlenet", aux_logits=False, init_weights=True), factor=8),
    small("googlenet", torch_vision("googlenet", aux_logits=True, init_weights=True), factor=8, aux=True),
    small("inception_v3", torch_vision("inception_v3", aux_logits=False, init_weights=True), 75, factor=8),
    small("preresnet", partial(cifar.preresnet, 20, False, 4), 16, depth=20, kind="residual", width=4),
    small("preresnet", partial(cifar.preresnet, 20, True, 4), 16, depth=20, width=4),
    small("wide_resnet", partial(cifar.wide_resnet, 16, 1), 16, depth=16, widen=1),
    small("wide_resnet", partial(cifar.wide_resnet, 10, 1, 0.3), 16, depth=10, widen=1, drop=0.3),
    small("densenet_bc", partial(cifar.densenet_bc, 22, 4), 16, depth=22, growth=4),
    small("resnext29", partial(cifar.resnext29, 2, 8), 16, groups=2, group_width=8),
    small("airbench94", partial(cifar.airbench94, 8), width=8),
    small("senet18", partial(cifar.senet18, 64), 16, factor=4),
    small("mobilenet", cifar.mobilenet, 16, factor=8),
    small("lenet", collection.LeNet),
    small("cifar_vgg", partial(collection.vgg, 11), factor=8, depth=11),
    small("cifar_resnet", partial(collection.resnet, 18, 8), 16, width=8),
    small("cifar_resnet", partial(collection.resnet, 50, 4), 16, width=4, depth=50, kind="bottleneck"),
    small("preact_resnet", partial(collection.preact_resnet, 18, 8), 16, width=8),
    small(
        "preact_resnet", partial(collection.preact_resnet, 50, 4), 16, width=4, depth=50, kind="bottleneck"
    ),
    small("preact_senet18", partial(collection.preact_senet18, 64), 16, factor=4),
    small("cifar_googlenet", collection.googlenet, 8, factor=4),
    small("cifar_densenet", partial(collection.densenet, 121, 4), 16, growth=4),
    small("cifar_resnext", partial(collection.resnext29, 2, 8), 16, groups=2, group_width=8),
    small("cifar_mobilenet_v2", collection.mobilenet_v2, 16, factor=8),
    small("dpn", partial(collection.dpn, (1, 2, 1, 1)), 16, n1=1, n2=2, n3=1, n4=1),
    small("shufflenet", partial(collection.shufflenet, 48, 2), 16, width=48),
    small("shufflenet", partial(collection.shufflenet, 60, 3), 16, width=60, groups=3),
    small(
        "cifar_shufflenet_v2",
        partial(collection.shufflenet_v2, (8, 16, 32), 32),
        16,
        c2=8,
        c3=16,
        c4=32,
        last=32,
    ),
    small("cifar_efficientnet_b0", partial(collection.efficientnet_b0, 16), 32, factor=4),
    small(
        "cifar_regnet",
        partial(collection.regnet, (16, 32, 48, 64), (1, 2, 1, 1), 16, True),
        16,
        d3=1,
        d4=1,
        w1=16,
        w2=32,
        w3=48,
        w4=64,
        se=True,
    ),
    small("dla", partial(collection.dla, False, 2), 16, width=2),
    small("dla", partial(collection.dla, True, 2), 16, width=2, deep="nested"),
    small("pnasnet", partial(collection.pnasnet, collection.cell_a, 8), 16, width=8),
    small("pnasnet", partial(collection.pnasnet, collection.CellB, 8), 16, width=8, cell="cell_b"),
    small("placements", partial(cifar.placements, "e", 8), 16, depth=8),
    small("cifar_vit", partial(mixers.ViT, 32, 2, 4, 4, 16), 16, width=32, depth=2),
    small("cifar_swin", partial(cifar_swin, 16), 32, width=16),
    small("cct", partial(mixers.CCT, 32, 2, 4, 2, 1, 16), 16, width=32, depth=2),
    small("cct", partial(mixers.CCT, 32, 2, 2, 1, 2, 16), 16, width=32, depth=2, heads=2, ratio=1, convs=2),
    small(
        "mlp_mixer",
        partial(mixers.MLPMixer, 32, 2, 4, 8, 48, 16),
        16,
        width=32,
        depth=2,
        tokens=8,
        channels=48,
    ),
    small("convmixer", partial(mixers.conv_mixer, 16, 2), 16, width=16, depth=2),
    small("two_layer_fc", kaiming(partial(course.TwoLayerFC, 3 * 32 * 32, 40, 10)), hidden=40),
    small("three_layer_convnet", kaiming(course.three_layer_convnet), 32),
    small("convnet", kaiming(course.a3_good_model_batchnorm), 32),
    small("plain32", course.plain32, 16),
    small("resnet32", course.resnet32, 16),
    small("resnet47", course.resnet47, 16),
    small("unet", partial(maps.unet, 4), width=4),
    small("scenes_fcos", partial(maps.scenes_fcos, 4), width=4),
    small("scenes_yolo", partial(maps.scenes_yolo, 4), width=4),
    small("cells", partial(maps.cells, 4, 8), width=4, fpn=8),
    small("fcos_resnet50_fpn", partial(maps.small_detector, fcos.FCOSHead, 1), 128, width=8, fpn=64),
    small(
        "retinanet_resnet50_fpn",
        partial(maps.small_detector, retinanet.RetinaNetHead, 9),
        128,
        width=8,
        fpn=64,
    ),
    small("yolo_course", maps.yolo_course, 64, factor=8),
]


def setting(value: Setting) -> str:
    """As `--set` takes it."""
    return show(value) if isinstance(value, bool) else str(value)


def same_names(network: netdsl.Network, reference: nn.Module) -> bool:
    """True if the reference's state dict loads into the styles that are modules, name by name."""
    weights = {name: tensor.shape for name, tensor in reference.state_dict().items()}
    sequential = [network.sequential] if "sequential" in network.styles else []
    return all(
        {name: tensor.shape for name, tensor in create().state_dict().items()} == weights
        for create in (network.module, *sequential)
    )
