"""Names of classes, the number of classes as an argument, and labels of parts."""

from __future__ import annotations

import pytest
import torch

import netdsl
from netdsl.codegen.names import camel
from tests.support.building import build

FILE = "network n{}\ninput 3x8x8\nclasses 4\n{}"


@pytest.mark.parametrize(
    "name, expected",
    [
        ("resnet32", "ResNet32"), ("preresnet", "PreResNet"), ("convnet", "ConvNet"), ("senet18", "SENet18"),
        ("two_layer_fc", "TwoLayerFC"), ("mobilenet_v2", "MobileNetV2"), ("vgg", "VGG"), ("vgg16", "VGG16"),
        ("densenet_bc", "DenseNetBC"), ("net", "Net"), ("plain", "Plain"), ("MyNet", "MyNet"), ("_1", "Net1"),
        ("mbconv", "MBConv"), ("fused_mbconv", "FusedMBConv"),
    ],
)  # fmt: skip
def test_the_class_is_named_after_the_network(name: str, expected: str) -> None:
    assert camel(name) == expected


def test_a_file_names_its_class() -> None:
    assert netdsl.load("googlenet").entry("module") == "GoogLeNet"
    text = FILE.format("(width=2) as {}", "layers {{ conv(width, 3), flatten, linear(classes) }}")
    assert build(text.format("MyNet")).entry("module") == "MyNet"
    # A name that Python or the code needs gets a `_`.
    assert build(text.format("Tensor")).entry("module") == "Tensor_"


def test_the_number_of_classes_is_an_argument() -> None:
    network = netdsl.load("resnet32")
    x = torch.randn(2, 3, 32, 32)
    makers = network.imported("module").ResNet32, network.imported("sequential").resnet32
    for make in makers:
        assert make(num_classes=7)(x).shape == (2, 7)
        assert make()(x).shape == (2, 10)
    code = network.imported("functional")
    assert code.forward(x, code.init_params(num_classes=7), code.init_buffers()).shape == (2, 7)


@pytest.mark.parametrize(
    "layers",
    [
        "layers { conv(classes, 3), bn, global_avgpool, flatten }",  # a layer with weights after it
        "layers { flatten, linear(classes), relu, linear(classes) }",
        "let twice = 2 * classes\nlayers { flatten, linear(twice), linear(classes) }",
        "block b { flatten, linear(classes) }\nlayers { b }",
        "layers { flatten, linear(classes * 1) }",
    ],
)
def test_elsewhere_it_is_a_number(layers: str) -> None:
    assert "num_classes" not in build(FILE.format("", layers)).source()


def test_labels_of_sections_and_stages_are_keys() -> None:
    network = build(
        FILE.format(
            "",
            "layers features { conv(4, 3), relu }\n"
            "stages b {\n label out\n wide 8\n layers trunk { one: conv(4, 1), relu }\n deep 4\n}\n"
            "stage b(4, label=last)\nhead { global_avgpool, flatten, linear(classes) }\n"
            "block b(out) { conv(out, 3), relu }",
        )
    )
    keys = ["features.0", "wide.0", "trunk.one", "deep.0", "last.0", "head.2"]
    for model in (network.module(), network.sequential()):
        assert [
            name.removesuffix(".weight") for name in model.state_dict() if name.endswith("weight")
        ] == keys


def test_a_parameter_called_label_is_the_blocks() -> None:
    text = "block b(label) { conv(label, 3) }\nstage b(label=4)\nlayers { flatten, linear(classes) }"
    assert "self.stage1 = B(3, 4)" in build(FILE.format("", text)).source()
