"""Keys of the recipe that change the steps or their number, compared with torch's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from rich.console import Console
from torchvision.ops import sigmoid_focal_loss

from netdsl.language.recipe import (
    Binary,
    ClassLoss,
    CrossEntropy,
    Exponential,
    Focal,
    KeepBest,
    KeepEvery,
    Plateau,
    Recipe,
    Sgd,
)
from netdsl.runtime import checkpoint, losses, metrics
from netdsl.runtime.distributed import ALONE
from netdsl.runtime.loop import order_of
from netdsl.runtime.metrics import Metrics
from netdsl.runtime.optim import build, learning_rate
from netdsl.runtime.run_files import Run, kept_epochs
from netdsl.runtime.task import classification
from netdsl.runtime.train import is_complete, train
from tests.support.samples import CPU, FP32, dataset, tiny

LOGITS = torch.randn(40, 7, generator=torch.Generator().manual_seed(0))
TARGETS = torch.arange(40) % 7
WEIGHTS = torch.tensor([1.0, 2.0, 0.5, 3.0, 1.0, 1.0, 4.0])


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_losses_are_those_of_torch(weights: torch.Tensor | None) -> None:
    found = losses.per_image(CrossEntropy(0.1), LOGITS, TARGETS, weights).sum()
    expected = F.cross_entropy(LOGITS, TARGETS, weights, reduction="sum", label_smoothing=0.1)
    torch.testing.assert_close(found, expected)
    found = losses.per_image(Focal(0), LOGITS, TARGETS, weights).sum()
    torch.testing.assert_close(found, F.cross_entropy(LOGITS, TARGETS, weights, reduction="sum"))
    hot = F.one_hot(TARGETS, 7).float()
    each = F.binary_cross_entropy_with_logits(LOGITS, hot, reduction="none").mean(1)
    expected = (each * (torch.ones(7) if weights is None else weights)[TARGETS]).sum()
    torch.testing.assert_close(losses.per_image(Binary(), LOGITS, TARGETS, weights).sum(), expected)


def test_the_focal_loss_of_two_classes_is_that_of_torchvision() -> None:
    scores = LOGITS[:, :1]
    targets = TARGETS % 2
    expected = sigmoid_focal_loss(scores[:, 0], targets.float(), alpha=-1, gamma=1.5, reduction="sum")
    both = torch.cat((torch.zeros_like(scores), scores), 1)
    torch.testing.assert_close(losses.per_image(Focal(1.5), both, targets, None).sum(), expected)


@pytest.mark.parametrize("kind", [CrossEntropy, Focal, Binary])
def test_balanced_classes_have_the_same_weight(kind: type[ClassLoss]) -> None:
    labels = torch.tensor([0] * 6 + [1] * 3 + [2])
    task = classification(Recipe(loss=kind(weights="balanced")), labels)
    weights = torch.tensor(task.weights)
    torch.testing.assert_close(weights * labels.bincount(), torch.full((3,), 10 / 3))
    assert task.guesses == (kind is CrossEntropy)
    assert classification(Recipe(loss=kind(weights=(1.0, 2.0, 3.0))), labels).weights == (1.0, 2.0, 3.0)


@pytest.mark.parametrize("patience", [0, 1, 3])
def test_schedules_are_those_of_torch(patience: int) -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=0.5)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.3, patience=patience)
    seen = [3.0, 2.0, 2.0, 1.99999, 2.5, 2.6, 1.5, 1.6, 1.7, 1.8, 1.9, 1.2, 1.3, 1.3, 1.3, 1.3, 1.3, 1.1]
    for epoch, loss in enumerate(seen, 1):
        plateau.step(loss)
        found = learning_rate(Plateau(0.3, patience), 0.5, epoch + 0.5, 30, seen[:epoch])
        assert found == pytest.approx(optimizer.param_groups[0]["lr"])
    optimizer = torch.optim.SGD([weight], lr=0.5)
    exponential = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.8)
    for epoch in range(5):
        assert learning_rate(Exponential(0.8), 0.5, epoch + 0.3, 9) == pytest.approx(
            optimizer.param_groups[0]["lr"]
        )
        optimizer.step()
        exponential.step()


def test_clipped_gradients_are_those_of_torch() -> None:
    weights = [torch.nn.Parameter(torch.ones(3, 3)), torch.nn.Parameter(torch.ones(3))]
    others = [torch.nn.Parameter(w.detach().clone()) for w in weights]
    for weight in (*weights, *others):
        weight.grad = torch.full_like(weight, 2.0)
    build(list(weights), Sgd(lr=1.0), fused=False).step(1.0, clip=0.5)
    torch.nn.utils.clip_grad_norm_(others, 0.5)
    torch.optim.SGD(others, lr=1.0).step()
    for weight, other in zip(weights, others, strict=True):
        torch.testing.assert_close(weight, other)


def rows(*scores: float) -> list[Metrics]:
    return [Metrics(n, 0.1, 1.0, 1.0, 1.0, {}, {"loss": 1.0, "accuracy": s}) for n, s in enumerate(scores, 1)]


def test_patience_counts_from_the_best_epoch() -> None:
    recipe = Recipe(epochs=10, patience=2)
    assert not is_complete([], recipe)
    assert not is_complete(rows(0.1, 0.5, 0.4), recipe)
    assert is_complete(rows(0.1, 0.5, 0.4, 0.5), recipe)
    assert not is_complete(rows(0.1, 0.5, 0.4, 0.6), recipe)
    assert is_complete(rows(*[n / 10 for n in range(10)]), recipe)
    assert not is_complete(rows(0.5, 0.1, 0.1, 0.1), replace(recipe, patience=None))


def test_kept_epochs() -> None:
    found = rows(0.1, 0.5, 0.4, 0.5, 0.3)
    assert kept_epochs(found, (KeepBest(2),)) == {2, 4}
    assert kept_epochs(found, (KeepEvery(2),)) == {2, 4}
    assert kept_epochs(found, (KeepBest(1), KeepEvery(3))) == {2, 3}
    assert kept_epochs(found, ()) == set()


def test_files_of_kept_epochs(tmp_path: Path, console: Console) -> None:
    recipe = Recipe(epochs=6, batch=16, optimizer=Sgd(lr=0.1), keep=(KeepBest(2), KeepEvery(5)))
    train(tiny(), dataset(), recipe, Run(tmp_path), FP32, console)
    kept = kept_epochs(metrics.read(tmp_path), recipe.keep)
    assert {path.stem for path in tmp_path.glob("epoch*")} == {f"epoch{n}" for n in kept}
    best = checkpoint.load(tmp_path / "best.safetensors")
    same = [
        all(torch.equal(best[name], own) for name, own in checkpoint.load(path).items())
        for path in tmp_path.glob("epoch*")
    ]
    assert sum(same) == 1


def test_early_stopping_ends_a_run(tmp_path: Path, console: Console) -> None:
    recipe = Recipe(epochs=60, batch=16, optimizer=Sgd(lr=2.0), patience=3)
    report = train(tiny(), dataset(), recipe, Run(tmp_path), FP32, console)
    found = metrics.read(tmp_path)
    assert report.epochs < 60 and len(found) == found.index(metrics.best(found)) + 1 + 3


def test_a_balanced_epoch_has_all_classes_alike() -> None:
    data = dataset(train=400)
    rare = data.train[torch.cat((torch.arange(0, 400, 2), torch.tensor([1, 3, 5])))]
    data = replace(data, train=rare)
    recipe = Recipe(sampling="balanced")
    first, again, second = (order_of(data, recipe, epoch) for epoch in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, second)
    counts = rare.labels[first].bincount()
    assert len(first) == 203 and 70 < counts[1] < 133
    assert sorted(order_of(data, Recipe(), 0).tolist()) == list(range(203))


def test_top_5_of_more_than_ten_classes() -> None:
    scoring = classification(Recipe()).scoring(CPU)
    logits = torch.randn(50, 12, generator=torch.Generator().manual_seed(1))
    targets = torch.arange(50) % 12
    scoring.add(logits, targets)
    expected = (logits.topk(5).indices == targets[:, None]).any(1).float().mean()
    assert scoring.result(ALONE)["top5"] == pytest.approx(float(expected))
    scoring = classification(Recipe()).scoring(CPU)
    scoring.add(logits[:, :10], targets % 10)
    assert "top5" not in scoring.result(ALONE)
