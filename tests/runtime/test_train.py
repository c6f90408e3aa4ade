from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from rich.console import Console
from torch import Tensor

from netdsl.recipe import Crop, CrossEntropy, Cutout, Flip, Recipe, Sgd, Step
from netdsl.runtime import checkpoint, loop, metrics
from netdsl.runtime.data import Split
from netdsl.runtime.errors import Interrupted, RunError
from netdsl.runtime.evaluate import evaluate
from netdsl.runtime.loop import Progress
from netdsl.runtime.model import FunctionalModel
from netdsl.runtime.optim import build
from netdsl.runtime.train import choose_device, train
from tests.runtime.samples import CPU, dataset, said, tiny

RECIPE = Recipe(
    epochs=3,
    batch=16,
    optimizer=Sgd(lr=0.1, momentum=0.9, weight_decay=1e-4),
    schedule=Step(at=(2,)),
    augment=(Flip(), Crop(1), Cutout(2)),
    loss=CrossEntropy(smoothing=0.1),
)


def test_a_run_learns_and_leaves_its_files(tmp_path: Path, console: Console) -> None:
    model, data, run = tiny(), dataset(), tmp_path / "new" / "run"
    report = train(model, data, RECIPE, run, CPU, console)

    names = {"metrics.jsonl", "last.safetensors", "best.safetensors", "curves.png"}
    assert {file.name for file in run.iterdir()} == names
    rows = metrics.read(run)
    assert [row.epoch for row in rows] == [1, 2, 3]
    assert [row.lr for row in rows] == pytest.approx([0.1, 0.1, 0.01])
    assert report.validation_accuracy == max(row.validation_accuracy or 0 for row in rows) > 0.9
    assert report.epochs == 3
    assert said(console).count("epoch ") == 3

    # The model is left with the best weights, and they are those of the file.
    assert evaluate(model, data, data.test).accuracy == report.test_accuracy > 0.9
    other = tiny(1)
    other.load_state(checkpoint.load(run / "best.safetensors"))
    assert evaluate(other, data, data.test).loss == report.test_loss


def test_the_same_seed_gives_the_same_weights(tmp_path: Path, console: Console) -> None:
    states = []
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        train(tiny(), dataset(), replace(RECIPE, seed=seed), tmp_path / name, CPU, console)
        states.append(checkpoint.load(tmp_path / name / "last.safetensors"))
    one, same, other = states
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["conv.weight"], other["conv.weight"])


def test_an_epoch_is_what_the_textbook_writes(console: Console) -> None:
    """One epoch without augmentation equals the loop written out with torch.optim."""
    recipe = Recipe(batch=16, optimizer=Sgd(lr=0.1, momentum=0.9, weight_decay=0.01))
    data, ours, plain = dataset(), linear_model(), linear_model()
    optimizer = build(ours.parameters, recipe.optimizer, fused=True)
    generator = torch.Generator().manual_seed(5)
    done = loop.train_epoch(ours, data, recipe, 0, optimizer, None, generator, ignore, never)

    order = torch.randperm(97, generator=torch.Generator().manual_seed(5))
    reference = torch.optim.SGD(plain.parameters, lr=0.1, momentum=0.9, weight_decay=0.01)
    batches = [order[i : i + 16] for i in range(0, 80, 16)] + [order[80:]]  # 16 + the single one.
    total = 0.0
    for index in batches:
        pixels = data.train.images[index].float() / 255
        x = (pixels - data.mean[:, None, None]) / data.deviation[:, None, None]
        loss = F.cross_entropy(plain(x, training=True), data.train.labels[index])
        reference.zero_grad()
        loss.backward()
        reference.step()
        total += loss.item() * len(index)
    assert (done.steps, done.of_steps, done.images) == (6, 6, 97)
    assert done.loss == pytest.approx(total / 97, rel=1e-5)
    for a, b in zip(ours.parameters, plain.parameters, strict=True):
        torch.testing.assert_close(a, b)


def linear_model() -> FunctionalModel:
    generator = torch.Generator().manual_seed(0)
    params = [torch.randn(2, 192, generator=generator) / 14, torch.zeros(2)]
    return FunctionalModel(linear, [p.requires_grad_() for p in params])


def linear(x: Tensor, params: list[Tensor]) -> Tensor:
    return F.linear(x.flatten(1), *params)


def ignore(progress: Progress) -> None:
    pass


def never() -> bool:
    return False


def test_functional_models_train(tmp_path: Path, console: Console) -> None:
    recipe = Recipe(epochs=5, batch=16, optimizer=Sgd(lr=0.05))
    report = train(linear_model(), dataset(), recipe, tmp_path, CPU, console)
    assert report.test_accuracy > 0.9
    assert checkpoint.load(tmp_path / "last.safetensors").keys() == {"params.000", "params.001"}


def test_without_validation_the_last_weights_are_the_best(tmp_path: Path, console: Console) -> None:
    report = train(tiny(), dataset(validation=0), RECIPE, tmp_path, CPU, console)
    assert report.validation_accuracy is None
    last, best = (checkpoint.load(tmp_path / f"{n}.safetensors") for n in ("last", "best"))
    assert all(torch.equal(last[name], best[name]) for name in last)
    assert metrics.read(tmp_path)[0].validation_loss is None


def test_a_run_is_never_overwritten(tmp_path: Path, console: Console) -> None:
    train(tiny(), dataset(), RECIPE, tmp_path, CPU, console)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(RunError, match="already holds a run") as raised:
        train(tiny(), dataset(), RECIPE, tmp_path, CPU, console)
    assert "--run" in raised.value.help
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def poisoned_after(steps: int) -> FunctionalModel:
    """A model whose logits are NaN from one training step on."""
    seen = 0

    def forward(x: Tensor, params: list[Tensor], training: bool = False) -> Tensor:
        nonlocal seen
        seen += training
        return linear(x, params) * (float("nan") if training and seen > steps else 1)

    return FunctionalModel(forward, linear_model().parameters)


def test_a_diverging_run_keeps_its_last_good_weights(tmp_path: Path, console: Console) -> None:
    with pytest.raises(RunError, match="nan at step 3 of epoch 2") as raised:
        train(poisoned_after(8), dataset(), RECIPE, tmp_path, CPU, console)
    assert "learning rate" in raised.value.help
    assert len(metrics.read(tmp_path)) == 1
    weights = checkpoint.load(tmp_path / "last.safetensors")
    assert all(tensor.isfinite().all() for tensor in weights.values())


def test_weights_that_overflow_in_the_last_step_are_not_saved(tmp_path: Path, console: Console) -> None:
    recipe = Recipe(epochs=2, batch=97, optimizer=Sgd(lr=1e38, weight_decay=1e6))
    with pytest.raises(RunError, match="weights are not finite after epoch 1"):
        train(linear_model(), dataset(), recipe, tmp_path, CPU, console)
    assert not any(tmp_path.iterdir())


def test_stop_ends_early_with_a_report(tmp_path: Path, console: Console) -> None:
    asked = iter(range(100))
    report = train(tiny(), dataset(), RECIPE, tmp_path, CPU, console, stop=lambda: next(asked) == 8)
    # Of six batches an epoch the sixth ends it unasked, so the ninth question is after batch 10.
    assert report.epochs == pytest.approx(10 / 6)
    assert [row.epoch for row in metrics.read(tmp_path)] == [1, report.epochs]


def test_too_little_memory(tmp_path: Path, console: Console) -> None:
    def forward(x: Tensor, params: list[Tensor]) -> Tensor:
        return linear(x, params) + torch.empty(2**55)

    model = FunctionalModel(forward, linear_model().parameters)
    with pytest.raises(RunError, match="memory of cpu is full") as raised:
        train(model, dataset(), RECIPE, tmp_path, CPU, console)
    assert "batch" in raised.value.help


@pytest.mark.parametrize("epochs", [0, 2])
def test_ctrl_c_leaves_valid_files(epochs: int, tmp_path: Path, console: Console) -> None:
    calls = 0

    def stop() -> bool:
        nonlocal calls
        calls += 1
        if calls == 5 * epochs + 2:
            raise KeyboardInterrupt
        return False

    with pytest.raises(Interrupted, match=f"after epoch {epochs}" if epochs else "nothing is saved"):
        train(tiny(), dataset(), RECIPE, tmp_path, CPU, console, stop)
    if epochs:
        assert len(metrics.read(tmp_path)) == epochs
        tiny().load_state(checkpoint.load(tmp_path / "last.safetensors"))
    else:
        assert not any(tmp_path.iterdir())


def test_the_bar_of_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_LOOK", 0)
    terminal = Console(file=io.StringIO(), width=120, force_terminal=True)
    train(tiny(), dataset(), RECIPE, tmp_path, CPU, terminal)
    assert "validation" in said(terminal) and "images/s" in said(terminal)


def test_batches_hold_every_image_once() -> None:
    for images, size, sizes in [(10, 4, [4, 4, 2]), (9, 4, [4, 5]), (3, 1, [1, 1, 1]), (1, 4, [1])]:
        batches = loop._batches(torch.arange(images), size)
        assert [len(batch) for batch in batches] == sizes
        assert torch.cat(batches).tolist() == list(range(images))


def test_evaluation_is_exact_in_any_batches() -> None:
    data, model = dataset(), linear_model()
    logits = model(data.normalise(data.floats(data.test.images)), training=False)
    scores = evaluate(model, data, data.test, batch=7)
    assert scores.loss == pytest.approx(F.cross_entropy(logits, data.test.labels).item())
    assert scores.accuracy == (logits.argmax(1) == data.test.labels).sum().item() / 30
    empty = Split(data.test.images[:0], data.test.labels[:0])
    with pytest.raises(RunError, match="no images"):
        evaluate(model, data, empty)


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_device("cpu") == CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == CPU
    with pytest.raises(RunError, match="no CUDA device"):
        choose_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == torch.device("cuda")
