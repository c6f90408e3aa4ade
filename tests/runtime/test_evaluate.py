from __future__ import annotations

import pytest
import torch.nn.functional as F

from netdsl.language.recipe import FlipView
from netdsl.runtime.evaluate import BATCH, evaluate
from netdsl.runtime.images import Split
from tests.support.samples import FP32, dataset, pixels, tiny


def test_flip_is_the_mean_of_the_logits_of_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BATCH, "cpu", 7)
    data, model = dataset(), tiny()
    x = data.normalise(data.floats(pixels(data.test)))
    logits = (model(x, training=False) + model(x.flip(3), training=False)) / 2
    scores = evaluate(model, data, data.test, FP32, views=[FlipView()])
    assert scores["loss"] == pytest.approx(F.cross_entropy(logits, data.test.labels).item(), rel=1e-5)
    assert scores["accuracy"] == (logits.argmax(1) == data.test.labels).sum().item() / 30
    assert scores["loss"] != evaluate(model, data, data.test, FP32)["loss"]


def test_with_flip_an_image_and_its_mirror_image_score_alike() -> None:
    data, model = dataset(), tiny()
    mirrored = Split.of(pixels(data.test).flip(3), data.test.labels)
    one, other = (evaluate(model, data, split, FP32, views=[FlipView()]) for split in (data.test, mirrored))
    assert one["loss"] == pytest.approx(other["loss"], rel=1e-6)
    assert one["accuracy"] == other["accuracy"]
