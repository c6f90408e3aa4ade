"""The recipes of the course's networks are those of its pages, where these say something."""

from __future__ import annotations

from pathlib import Path

import pytest

import netdsl
from netdsl.language.detectors import Yolo
from netdsl.language.recipe import Constant, Sgd, Step
from tests.support.equality import on_meta
from tests.zoo.course import RECIPES

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("two_layer_fc", "two_layer_fc_part2"),
        ("three_layer_convnet", "three_layer_convnet_part2"),
        ("plain32", "plain32"),
        ("resnet32", "resnet32"),
        ("convnet", "a3_good_model"),
        ("resnet47", "resnet47"),
        (RESULTS / "three_layer_nesterov.net", "three_layer_convnet_part4"),
        # The pages print the optimizer of Part IV with the two-layer net.
        (RESULTS / "three_layer_nesterov.net", "two_layer_fc_part4"),
    ],
)
def test_recipes(file: str | Path, name: str) -> None:
    network, said = netdsl.load(file), dict(RECIPES[name])
    recipe = network.recipe
    optimizer, schedule = recipe.optimizer, recipe.schedule
    assert isinstance(optimizer, Sgd) and isinstance(schedule, (Constant, Step)) and not schedule.warmup
    ours = {
        "optimizer": "SGD",
        "learning_rate": optimizer.lr,
        "momentum": optimizer.momentum,
        "nesterov": optimizer.nesterov,
        "weight_decay": optimizer.weight_decay,
        "batch_size": recipe.batch,
        "epochs": recipe.epochs,
        "schedule": list(schedule.at) if isinstance(schedule, Step) else [],
        "decay": schedule.factor if isinstance(schedule, Step) else None,
    }
    expected = {key: said[key] for key in ours if said[key] is not None}
    assert {key: ours[key] for key in expected} == expected
    if said["initialisation"]:
        assert ("nn.init" in network.source()) == ("kaiming" in str(said["initialisation"]))


def test_the_detector() -> None:
    """Its head has 172,353 weights, for nine anchors in cells of 32 pixels and 20 classes."""
    network = netdsl.load("yolo_course")
    assert network.output_shape == (5 * 9 + 20, 7, 7)
    module = on_meta(network.module)
    weights = [p.numel() for layer in ("hidden", "boxes") for p in module.get_submodule(layer).parameters()]
    assert sum(weights) == 172_353
    detect = network.typed.network.detect
    assert detect is not None and isinstance(detect.kind, Yolo)
    cells = [(width // 32, height // 32) for height, width in detect.kind.anchors]
    assert cells == [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (2, 3), (3, 2), (3, 5), (5, 3)]
