"""Runs that are stopped anywhere, and go on to the very weights of a run that wasn't."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._dynamo  # Optimizers import it, which takes longer than a run here.

from netdsl.commands.networks import compiled_network
from netdsl.runtime import checkpoint, metrics, train
from netdsl.runtime.errors import Interrupted, RunError
from netdsl.runtime.run import CHECKPOINT
from netdsl.runtime.speed import Wishes
from netdsl.training.reproduce import reproduce_run
from netdsl.training.run import resume_run, train_run

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
        killed, answers = tmp_path / f"killed {runs}", []
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
