"""Runs that are stopped anywhere, and go on to the very weights of a run that wasn't."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import sys
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import torch._dynamo  # Optimizers import it, which takes longer than a run here.

from netdsl.commands.networks import compiled_network
from netdsl.runtime import checkpoint, loop, metrics, train
from netdsl.runtime.errors import Interrupted, RunError
from netdsl.runtime.run import CHECKPOINT, locked
from netdsl.runtime.speed import Wishes
from netdsl.training.reproduce import reproduce_run
from netdsl.training.run import resume_run, train_run
from tests.runtime.samples import save_image

# Everything that has a state: momentum, running statistics, dropout, an average, augmentation, parts.
NETWORK = """
network stateful
input 1x8x8
classes 10
stem { conv(4, 3), bn, relu }
head { dropout(0.2), flatten, linear(classes) }
train {
  data digits
  epochs 12
  batch 64
  optimizer sgd(lr=0.05, momentum=0.9, nesterov=yes, weight_decay=1e-4)
  schedule cosine(warmup=2)
  augment flip(alternating=yes), crop(1, padding_mode=reflect), cutout(2)
  average ema(decay=0.99)
  accumulate 2
}
"""
FP32 = Wishes(device="cpu", precision="fp32", compile="off")
# What depends on the clock.
CLOCK = {"seconds", "images_per_second"}


@pytest.fixture
def net(tmp_path: Path) -> Path:
    file = tmp_path / "stateful.net"
    file.write_text(NETWORK)
    return file


def begin(net: Path, run: Path, **overrides: str) -> None:
    train_run(compiled_network(str(net), {}, overrides), {}, overrides, "module", run, FP32)


def work(net: Path, run: Path) -> None:
    """A process that trains the run to its end, from wherever it stands; it saves often."""
    os.environ["NETDSL_CACHE"] = str(net.parent / "cache")
    torch.set_num_threads(1)
    train.SAVE_EVERY = 0.02
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - until the process ends
    try:
        if (run / CHECKPOINT).exists():
            resume_run(run, {}, Wishes())
        else:
            begin(net, run)
    except Interrupted as stopped:
        sys.exit(stopped.status)
    except KeyboardInterrupt:  # Before the training began.
        sys.exit(128 + signal.SIGINT)


def outcome(run: Path) -> tuple[dict[str, torch.Tensor], list[dict[str, Any]]]:
    """All that a run has come to: its checkpoint's tensors, and its metrics."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    tensors = checkpoint.load(run / CHECKPOINT)
    tensors |= {f"last.{n}": t for n, t in checkpoint.load(run / "last.safetensors").items()}
    return tensors, [{k: v for k, v in row.items() if k not in CLOCK} for row in rows]


def assert_same(run: Path, other: Path) -> None:
    (tensors, rows), (others, other_rows) = outcome(run), outcome(other)
    assert rows == other_rows
    assert tensors.keys() == others.keys()
    assert [name for name in tensors if not torch.equal(tensors[name], others[name])] == []


def test_runs_killed_twenty_times_end_with_the_same_bits(net: Path, tmp_path: Path) -> None:
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.test_resume"])

    def start(run: Path) -> Any:
        process = context.Process(target=work, args=(net, run))
        process.start()
        return process

    whole = tmp_path / "whole"
    process = start(whole)
    process.join()
    assert process.exitcode == 0
    chance, kills, runs = random.Random(0), 0, 0
    while kills < 20:
        runs += 1
        killed, answers = tmp_path / f"killed {runs}", list[int]()
        while not (killed / "report.json").exists():
            process = start(killed)
            # A moment anywhere in it, the reading of data and the writing of files included.
            process.join(0.05 + chance.random())
            how = chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
            # On a slow machine a run might never get further than its start.
            if process.is_alive() and len(answers) < 15:
                os.kill(process.pid, how)
                kills += 1
            process.join()
            answers.append(process.exitcode)
            assert process.exitcode in (0, -how, 128 + how), answers
        assert_same(killed, whole)
        # What a killed process was writing is cleared away.
        assert [file.name for file in killed.glob(".*")] == [".lock"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETDSL_CACHE", str(tmp_path / "cache"))


def stopped(net: Path, run: Path, monkeypatch: pytest.MonkeyPatch, epoch: int = 1, **overrides: str) -> None:
    """A run that got a SIGTERM in the middle of an epoch."""
    seen = loop.train_epoch

    def interrupted(*arguments: Any) -> None:
        learner, data, progress, look, *others = arguments
        if progress.epoch == epoch:

            def answer(up_to_date: bool) -> bool:
                if progress.steps == 7:
                    os.kill(os.getpid(), signal.SIGTERM)
                return bool(look(up_to_date))

            seen(learner, data, progress, answer, *others)
        else:
            seen(*arguments)

    with monkeypatch.context() as patched, pytest.raises(Interrupted):
        patched.setattr(train, "train_epoch", interrupted)
        begin(net, run, **overrides)


@pytest.mark.usefixtures("cache")
def test_what_a_resumed_run_may_change(
    net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    stopped(net, run, monkeypatch, epochs="2")
    for key, value in (
        ("seed", "1"),
        ("validation", "10"),
        ("average", "none"),
        ("optimizer", "adam(lr=1e-3)"),
    ):
        with pytest.raises(RunError, match=f"can't change its `{key}`"):
            resume_run(run, {key: value}, Wishes())
    with pytest.raises(RunError, match="not those that the run"):
        resume_run(run, other_data(tmp_path), Wishes())
    capsys.readouterr()
    report = resume_run(
        run, {"epochs": "3", "batch": "100", "optimizer.lr": "0.02"}, Wishes(precision="bf16")
    )
    said = capsys.readouterr().out
    assert "resumed at epoch 2, image 448 of 1,294" in said
    for word in ("epochs 2 -> 3", "batch 64 -> 100", "precision fp32 -> bf16: from here on numbers round"):
        assert f"changed: {word}" in said
    assert report.epochs == 3
    rows = metrics.read(run)
    assert [row.epoch for row in rows] == [1, 2, 3]
    record = json.loads((run / "run.json").read_text())
    assert record["recipe"]["batch"] == 100 and len(record["changes"]) == 4
    with pytest.raises(RunError, match="was changed on its way"):
        reproduce_run(run, tmp_path / "again")
    with pytest.raises(RunError, match="is complete, with 3 epochs of 3") as raised:
        resume_run(run, {}, Wishes())
    assert "--epochs 6" in raised.value.help


def other_data(tmp_path: Path) -> dict[str, str]:
    """Another data set of ten classes, as an override."""
    for label in range(10):
        for i in range(150):
            save_image(tmp_path / "other" / str(label) / f"{i}.png", (label, i, 0), 8)
    return {"data": f'folder("{tmp_path / "other"}")'}


@pytest.mark.usefixtures("cache")
def test_a_run_is_trained_again_from_its_record(
    net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    stopped(net, run, monkeypatch, epochs="2")
    with pytest.raises(RunError, match="isn't complete"):
        reproduce_run(run, tmp_path / "early")
    resume_run(run, {}, Wishes())
    net.unlink()  # The record needs no other file.
    (run / "run.json").unlink()
    assert reproduce_run(run, tmp_path / "again")
    assert "the same weights" in capsys.readouterr().out
    assert_same(tmp_path / "again", run)

    # One bit of the first run's weights is another.
    weights = checkpoint.load(run / "last.safetensors")
    name = next(iter(weights))
    weights[name].view(-1)[0] += 1
    checkpoint.save(run / "last.safetensors", weights)
    assert not reproduce_run(run, tmp_path / "third")
    assert "other weights" in capsys.readouterr().out


@pytest.mark.usefixtures("cache")
def test_damaged_and_foreign_checkpoints(net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    stopped(net, run, monkeypatch, epochs="2")
    file = run / CHECKPOINT
    whole = file.read_bytes()

    def refused(content: bytes, message: str) -> None:
        file.write_bytes(content)
        with pytest.raises(RunError, match=message) as raised:
            resume_run(run, {}, Wishes())
        assert raised.value.help
        assert file.read_bytes() == content

    flipped = bytearray(whole)
    flipped[-5] ^= 1
    refused(bytes(flipped), "is damaged: its numbers differ")
    refused(whole[:-1], "is damaged")
    refused(b"", "is damaged")
    refused(b"PK\x03\x04 a pickle in a zip", "is damaged")
    refused((run / CHECKPOINT).with_name("network.net").read_bytes(), "is damaged")
    weights = tmp_path / "weights.safetensors"
    checkpoint.save(weights, {"a": torch.zeros(3)})
    refused(weights.read_bytes(), "is no checkpoint of this version")
    file.unlink()
    for missing in (run, tmp_path / "nowhere"):
        with pytest.raises(RunError, match="there is no checkpoint"):
            resume_run(missing, {}, Wishes())
    assert not (tmp_path / "nowhere").exists()
    file.write_bytes(whole)
    resume_run(run, {}, Wishes())


@pytest.mark.usefixtures("cache")
def test_a_run_in_use_is_left_alone(net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    stopped(net, run, monkeypatch, epochs="2")
    before = {file.name: file.read_bytes() for file in run.iterdir()}
    with locked(run):
        with pytest.raises(RunError, match="another process trains in"):
            resume_run(run, {}, Wishes())
        with pytest.raises(RunError, match="already holds a run"):
            begin(net, run)
    assert {file.name: file.read_bytes() for file in run.iterdir()} == before


@pytest.mark.usefixtures("cache")
def test_a_full_disk_leaves_the_checkpoint_before(
    net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    begin(net, whole, epochs="3")
    write, written = safetensors.torch.save_file, 0

    def full(tensors: dict[str, torch.Tensor], path: Path, texts: dict[str, str] | None) -> None:
        nonlocal written
        written += 1
        write(tensors, path, texts)
        if written == 6:  # In the second epoch, whose first file it is.
            path.write_bytes(path.read_bytes()[:100])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(safetensors.torch, "save_file", full)
        with pytest.raises(RunError, match="No space left on device") as raised:
            begin(net, run, epochs="3")
    assert "what was saved before is whole" in raised.value.help
    resume_run(run, {}, Wishes())
    assert_same(run, whole)


@pytest.mark.usefixtures("cache")
def test_a_folder_that_cannot_be_written(net: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="can't be written"):
        begin(net, tmp_path / "file" / "run")
