from __future__ import annotations

import io
import os
import re
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from rich.console import Console
from torch import Tensor

from netdsl.language.recipe import Crop, CrossEntropy, Cutout, Flip, Recipe, Sgd, Step
from netdsl.runtime import checkpoint, loop, metrics, seeds, stopping
from netdsl.runtime.batches import split
from netdsl.runtime.checkpoint import Checkpoint
from netdsl.runtime.distributed import ALONE
from netdsl.runtime.errors import Interrupted, RunError
from netdsl.runtime.evaluate import BATCH, evaluate
from netdsl.runtime.loop import Progress, train_epoch
from netdsl.runtime.model import FunctionalModel
from netdsl.runtime.run_files import CHECKPOINT, Run
from netdsl.runtime.speed import choose_device
from netdsl.runtime.train import train
from netdsl.runtime.train_step import TrainStep
from tests.support.samples import CPU, FP32, dataset, pixels, said, tiny

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
    report = train(model, data, RECIPE, Run(run), FP32, console)

    names = {"metrics.jsonl", "last.safetensors", "best.safetensors", "checkpoint.safetensors"}
    names |= {"how.json", "curves.png"}
    assert {file.name for file in run.iterdir()} == names
    rows = metrics.read(run)
    assert [row.epoch for row in rows] == [1, 2, 3]
    assert [row.lr for row in rows] == pytest.approx([0.1, 0.1, 0.01])
    assert report.validation_score == max(row.validation_score or 0 for row in rows) > 0.9
    assert report.epochs == 3
    assert [line.split()[0] for line in said(console).splitlines()[-3:]] == ["1/3", "2/3", "3/3"]

    # The model is left with the best weights, and they are those of the file.
    assert evaluate(model, data, data.test, FP32)["accuracy"] == report.test_score > 0.9
    other = tiny(1)
    other.load_state(checkpoint.load(run / "best.safetensors"))
    assert evaluate(other, data, data.test, FP32)["loss"] == report.test["loss"]


def test_the_same_seed_gives_the_same_weights(tmp_path: Path, console: Console) -> None:
    states = []
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        train(tiny(), dataset(), replace(RECIPE, seed=seed), Run(tmp_path / name), FP32, console)
        states.append(checkpoint.load(tmp_path / name / "last.safetensors"))
    one, same, other = states
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["conv.weight"], other["conv.weight"])


def test_an_epoch_is_what_the_textbook_writes() -> None:
    """One epoch without augmentation equals the loop written out with torch.optim."""
    recipe = Recipe(batch=16, optimizer=Sgd(lr=0.1, momentum=0.9, weight_decay=0.01), seed=5)
    data, ours, plain = dataset(), linear_model(), linear_model()
    progress = Progress(0, 97)
    train_epoch(TrainStep(ours, recipe, FP32, ALONE), data, progress, lambda up_to_date: False)

    order = torch.randperm(97, generator=seeds.generator("order", 5, 0))
    optimizer = torch.optim.SGD(plain.parameters, lr=0.1, momentum=0.9, weight_decay=0.01)
    batches = [order[i : i + 16] for i in range(0, 80, 16)] + [order[80:]]  # 16 + the single one.
    total = 0.0
    for index in batches:
        x = (pixels(data.train)[index].float() / 255 - data.mean[:, None, None]) / data.deviation[
            :, None, None
        ]
        loss = F.cross_entropy(plain(x, training=True), data.train.labels[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(index)
    assert (progress.steps, progress.seen) == (6, 97)
    assert progress.loss == pytest.approx(total / 97, rel=1e-5)
    for a, b in zip(ours.parameters, plain.parameters, strict=True):
        torch.testing.assert_close(a, b)


def linear_model() -> FunctionalModel:
    generator = torch.Generator().manual_seed(0)
    params = [torch.randn(2, 192, generator=generator) / 14, torch.zeros(2)]
    return FunctionalModel(linear, [p.requires_grad_() for p in params])


def linear(x: Tensor, params: list[Tensor]) -> Tensor:
    return F.linear(x.flatten(1), *params)


def test_functional_models_train(tmp_path: Path, console: Console) -> None:
    recipe = Recipe(epochs=5, batch=16, optimizer=Sgd(lr=0.05))
    report = train(linear_model(), dataset(), recipe, Run(tmp_path), FP32, console)
    assert report.test_score > 0.9
    assert checkpoint.load(tmp_path / "last.safetensors").keys() == {"params.000", "params.001"}


def test_without_validation_the_last_weights_are_the_best(tmp_path: Path, console: Console) -> None:
    report = train(tiny(), dataset(validation=0), RECIPE, Run(tmp_path), FP32, console)
    assert report.validation_score is None
    last, best = (checkpoint.load(tmp_path / f"{n}.safetensors") for n in ("last", "best"))
    assert all(torch.equal(last[name], best[name]) for name in last)
    assert metrics.read(tmp_path)[0].validation_loss is None


def test_a_run_is_never_overwritten(tmp_path: Path, console: Console) -> None:
    train(tiny(), dataset(), RECIPE, Run(tmp_path), FP32, console)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(RunError, match="already holds a run") as raised:
        train(tiny(), dataset(), RECIPE, Run(tmp_path), FP32, console)
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
        train(poisoned_after(8), dataset(), RECIPE, Run(tmp_path), FP32, console)
    assert f"resume after epoch 1 with `netdsl train --resume {tmp_path}" in raised.value.help
    assert len(metrics.read(tmp_path)) == 1
    weights = checkpoint.load(tmp_path / "last.safetensors")
    assert all(tensor.isfinite().all() for tensor in weights.values())


def test_weights_that_overflow_in_the_last_step_are_not_saved(tmp_path: Path, console: Console) -> None:
    recipe = Recipe(epochs=2, batch=97, optimizer=Sgd(lr=1e38, weight_decay=1e6))
    with pytest.raises(RunError, match="weights are not finite after step 1 of epoch 1"):
        train(linear_model(), dataset(), recipe, Run(tmp_path), FP32, console)
    assert not (tmp_path / "last.safetensors").exists()
    _, progress = Run.resumed(tmp_path, Checkpoint.read(tmp_path / CHECKPOINT))
    assert progress.steps == 0


def test_too_little_memory(tmp_path: Path, console: Console) -> None:
    def forward(x: Tensor, params: list[Tensor]) -> Tensor:
        return linear(x, params) + torch.empty(2**55)

    model = FunctionalModel(forward, linear_model().parameters)
    with pytest.raises(RunError, match="memory of cpu is full") as raised:
        train(model, dataset(), RECIPE, Run(tmp_path), FP32, console)
    assert "batch" in raised.value.help


@pytest.mark.parametrize(
    ("most", "help"), [(5, "--batch 4`, or `--accumulate 4`"), (0, "not even a batch of 1")]
)
def test_a_batch_that_fits_is_named(most: int, help: str, tmp_path: Path, console: Console) -> None:
    def forward(x: Tensor, params: list[Tensor]) -> Tensor:
        if len(x) > most:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return linear(x, params)

    model = FunctionalModel(forward, linear_model().parameters)
    with pytest.raises(RunError, match="with a batch of 16") as raised:
        train(model, dataset(), RECIPE, Run(tmp_path), FP32, console)
    assert help in raised.value.help


def test_other_errors_of_torch_are_ours_to_see(tmp_path: Path, console: Console) -> None:
    def forward(x: Tensor, params: list[Tensor]) -> Tensor:
        return linear(x, params) @ torch.zeros(7, 7)

    model = FunctionalModel(forward, linear_model().parameters)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        train(model, dataset(), RECIPE, Run(tmp_path), FP32, console)


def test_fewer_images_than_a_batch(tmp_path: Path, console: Console) -> None:
    with pytest.raises(RunError, match="97 training images, fewer than a batch of 98") as raised:
        train(tiny(), dataset(), replace(RECIPE, batch=98), Run(tmp_path), FP32, console)
    assert "--batch 24" in raised.value.help
    assert not any(tmp_path.iterdir())


def signalled_at(step: int, *numbers: signal.Signals) -> FunctionalModel:
    """A model during whose training step of that number the process gets signals, one after the other."""
    seen = 0

    def forward(x: Tensor, params: list[Tensor], training: bool = False) -> Tensor:
        nonlocal seen
        seen += training
        if training and seen == step:
            for number in numbers:
                os.kill(os.getpid(), number)
        return linear(x, params)

    return FunctionalModel(forward, linear_model().parameters)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(("step", "epochs"), [(1, 0), (12, 2), (15, 2)])
def test_a_signal_is_answered_with_a_checkpoint(
    number: signal.Signals, step: int, epochs: int, tmp_path: Path, console: Console
) -> None:
    with pytest.raises(Interrupted, match="all of it is saved") as raised:
        train(signalled_at(step, number), dataset(), RECIPE, Run(tmp_path), FP32, console)
    assert raised.value.status == 128 + number
    assert f"--resume {tmp_path}" in raised.value.help
    run, progress = Run.resumed(tmp_path, Checkpoint.read(tmp_path / CHECKPOINT))
    assert (len(run.rows), progress.epoch, progress.steps) == (epochs, epochs, step % 6)
    assert epochs == (len(metrics.read(tmp_path)) if (tmp_path / "metrics.jsonl").exists() else 0)
    assert signal.getsignal(number) is not signal.SIG_IGN


def test_signals_at_once_are_one_request(
    tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = signal.SIGTERM, signal.SIGINT
    monkeypatch.setattr(stopping, "ONE_REQUEST", 1e9)
    with pytest.raises(Interrupted, match="stopped by SIGTERM .* all of it is saved"):
        train(signalled_at(9, *both), dataset(), RECIPE, Run(tmp_path / "one"), FP32, console)
    os.kill(os.getpid(), signal.SIGINT)  # The rest of the request comes when the training has ended.
    monkeypatch.setattr(stopping, "ONE_REQUEST", -1)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(Interrupted, match="stopped by Ctrl-C .* last checkpoint: in epoch 2"):
        train(signalled_at(9, *both), dataset(), RECIPE, Run(tmp_path / "two"), FP32, console)


def test_nohup_is_respected(tmp_path: Path, console: Console) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        train(signalled_at(9, signal.SIGHUP), dataset(), RECIPE, Run(tmp_path), FP32, console)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_row_fits_into_a_terminal(tmp_path: Path, width: int) -> None:
    terminal = Console(file=io.StringIO(), width=width, force_terminal=True)
    train(tiny(), dataset(), RECIPE, Run(tmp_path), FP32, terminal)
    lines = [line for part in said(terminal).split("\n") for line in part.split("\r")]
    rows = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line) for line in lines]
    table = [row for row in rows if re.match(r" *(epoch|\d+/\d+) ", row) and "loss 0" not in row]
    assert len(table) >= 1 + RECIPE.epochs
    assert all(len(row) <= width and "accuracy" in table[0] for row in table), table
    assert ("images/s" in table[0]) == (width == 80)


def test_the_bar_of_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_LOOK", 0)
    terminal = Console(file=io.StringIO(), width=120, force_terminal=True)
    train(tiny(), dataset(), RECIPE, Run(tmp_path), FP32, terminal)
    assert "val. accuracy" in said(terminal) and "images/s" in said(terminal)


def test_batches_hold_every_image_once() -> None:
    for images, size, sizes in [(10, 4, [4, 4, 2]), (9, 4, [4, 5]), (3, 1, [1, 1, 1]), (1, 4, [1])]:
        batches = split(torch.arange(images), size)
        assert [len(batch) for batch in batches] == sizes
        assert torch.cat(batches).tolist() == list(range(images))


def test_evaluation_is_exact_in_any_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BATCH, "cpu", 7)
    data, model = dataset(), linear_model()
    logits = model(data.normalise(data.floats(pixels(data.test))), training=False)
    scores = evaluate(model, data, data.test, FP32)
    assert scores["loss"] == pytest.approx(F.cross_entropy(logits, data.test.labels).item())
    assert scores["accuracy"] == (logits.argmax(1) == data.test.labels).sum().item() / 30
    empty = data.test[torch.arange(0)]
    with pytest.raises(RunError, match="no images"):
        evaluate(model, data, empty, FP32)


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_device("cpu") == CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == CPU
    with pytest.raises(RunError, match="no CUDA device"):
        choose_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose_device("auto") == torch.device("cuda", 0)
    with pytest.raises(RunError, match="process 1 of this machine has no GPU"):
        choose_device("auto", 1)
