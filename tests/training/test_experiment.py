"""Networks over seeds: the figures are those of the runs, and an experiment that is stopped goes on."""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from matplotlib.figure import Figure
from PIL import Image

from netdsl.cli import main
from netdsl.runtime import checkpoint, digits, loop, metrics, report, train
from netdsl.runtime.distributed import Processes
from netdsl.runtime.errors import RunError
from netdsl.runtime.images import Source
from netdsl.training.results import Spread
from tests.support.commands import netdsl

CPU = ("--device", "cpu", "--precision", "fp32", "--compile", "off")


def experiment(*arguments: object) -> Result:
    return netdsl("train", "plain.net", "normed.net", *CPU, *arguments)


def row(result: Result, name: str) -> list[str]:
    """The cells of a network's row in the table."""
    rows = [re.split(r" {2,}", line.strip()) for line in result.output.splitlines()]
    return next(cells for cells in rows if cells[0] == name)


def test_the_figures_are_those_of_the_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    read = digits.read

    def counted(shape: tuple[int, ...]) -> Source:
        reads.append(shape)
        return read(shape)

    monkeypatch.setattr(digits, "read", counted)
    result = experiment("--seeds", 3, "--run", "both")
    assert result.exit_code == 0, result.output
    assert reads == [(1, 8, 8)]

    recorded = json.loads(Path("both/experiment.json").read_text())["networks"]
    for name, network in zip(("plain", "normed"), recorded, strict=True):
        runs = [Path(f"both/{name}-seed{seed}") for seed in (3, 4, 5)]
        reports = [report.read(run) for run in runs]
        validation = [done.validation_score for done in reports if done and done.validation_score]
        test = [done.test_score for done in reports if done]
        assert len(validation) == 3
        assert network["validation"] == {
            "mean": statistics.mean(validation),
            "deviation": statistics.stdev(validation),
        }
        cells = row(result, name)
        assert cells[:1] + cells[3:6] == [
            name,
            "3",
            f"{statistics.mean(validation):.2%} ± {statistics.stdev(validation):.2%}",
            f"{statistics.mean(test):.2%} ± {statistics.stdev(test):.2%}",
        ]
        assert cells[1] == f"{network['parameters']:,}"
        assert [run["seed"] for run in network["runs"]] == [3, 4, 5]
        # Each seed has a validation of its own, as a run by itself would have.
        records = [json.loads((run / "run.json").read_text()) for run in runs]
        assert len({record["data"] for record in records}) == 3
    assert Image.open("both/curves.png").size == (960, 600)

    # A run of an experiment is the run that the same seed gives by itself.
    assert netdsl("train", "plain.net", *CPU, "--seed", 4, "--run", "alone").exit_code == 0
    ours, alone = (checkpoint.load(Path(run, "last.safetensors")) for run in ("both/plain-seed4", "alone"))
    assert all(torch.equal(ours[name], alone[name]) for name in alone)


def test_the_spread_is_that_of_a_sample() -> None:
    assert Spread.of([1.0, 2.0, 4.0]) == Spread(7 / 3, statistics.stdev([1, 2, 4]))
    assert Spread.of([1.0]) == Spread(1.0, None)
    assert Spread.of([]) is Spread.of([1.0, None]) is None


def test_a_single_seed_has_a_dash_and_equal_names_are_numbered() -> None:
    result = netdsl("train", "plain.net", "plain.net", *CPU, "--epochs", 1, "--validation", 0)
    assert result.exit_code == 0, result.output
    assert {path.name for path in Path("runs/experiment").iterdir() if path.is_dir()} == {
        "plain-seed3",
        "plain-2-seed3",
    }
    cells = row(result, "plain-2")
    assert cells[3:5] == ["1", "–"]  # No validation.
    assert cells[5].endswith("% ± –")
    assert Path("runs/experiment/curves.png").exists()  # Of the training.


def test_all_is_checked_before_the_first_training() -> None:
    Path("bad.net").write_text("network bad\ninput 1x8x8\nclasses 10\nlayers { linear(10) }\n")
    assert netdsl("train", "plain.net", "bad.net").exit_code == 1
    Path("two.net").write_text(Path("plain.net").read_text().replace("classes 10", "classes 2"))
    result = netdsl("train", "plain.net", "two.net", "--run", "out")
    assert result.exit_code == 1 and "8, 9), but the network has 2 outputs" in result.output
    assert not Path("runs").exists() and not Path("out").exists()


def test_an_experiment_that_was_stopped_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert experiment("--seeds", 2, "--run", "whole").exit_code == 0
    seen, calls = loop.train_epoch, []

    def pressed(*arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) == 5:  # The second epoch of the second run.
            os.kill(os.getpid(), signal.SIGINT)
        seen(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(train, "train_epoch", pressed)
        arguments = ["train", "plain.net", "normed.net", *CPU, "--seeds", "2", "--run", "half"]
        stopped = CliRunner().invoke(main, arguments)
    assert stopped.exit_code == 130
    assert "stopped by Ctrl-C" in stopped.output
    assert "netdsl train --resume half" in stopped.output
    assert not Path("half/normed-seed3").exists()
    # The files are not needed any more, and what is complete isn't trained again.
    Path("plain.net").unlink()
    Path("normed.net").unlink()
    finished = Path("half/plain-seed3/checkpoint.safetensors").stat().st_mtime_ns
    # As if it had been killed before its first checkpoint.
    Path("half/normed-seed3").mkdir()
    Path("half/normed-seed3/run.json").write_text("{")

    result = netdsl("train", "--resume", "half")
    assert result.exit_code == 0, result.output
    assert "2 of 4: plain-seed4" in result.output and "1 of 4" not in result.output
    assert Path("half/plain-seed3/checkpoint.safetensors").stat().st_mtime_ns == finished
    for run in ("plain-seed3", "plain-seed4", "normed-seed3", "normed-seed4"):
        one, other = (checkpoint.load(Path(folder, run, "best.safetensors")) for folder in ("whole", "half"))
        assert all(torch.equal(one[name], other[name]) for name in one)
        rows, others = (metrics.read(Path(folder, run)) for folder in ("whole", "half"))
        assert [row.loss for row in rows] == [row.loss for row in others]
    assert Path("half/curves.png").exists()
    # Once more: nothing is left to do, and the table is shown.
    again = netdsl("train", "--resume", "half")
    assert again.exit_code == 0 and " of 4: " not in again.output
    assert row(again, "plain")[:6] == row(result, "plain")[:6]


def test_an_experiment_killed_before_its_plan_is_started_again() -> None:
    Path("exp").mkdir()
    Path("exp/.lock").touch()
    Path("exp/.plan.json.12345678.netdsl-part").write_text("{")
    assert "start it again" in netdsl("train", "--resume", "exp").output
    result = experiment("--seeds", 1, "--epochs", 1, "--run", "exp")
    assert result.exit_code == 0, result.output
    assert "already holds an experiment" in experiment("--run", "exp").output
    assert not list(Path("exp").glob("*-part"))
    Path("mine").mkdir()
    Path("mine/notes.txt").touch()
    assert "already holds files" in experiment("--run", "mine").output


def test_a_run_that_diverges_is_reported_and_the_others_go_on() -> None:
    hot = Path("plain.net").read_text().replace("network plain", "network hot").replace("lr=0.05", "lr=1e17")
    Path("hot.net").write_text(hot)
    result = netdsl("train", "hot.net", "normed.net", *CPU, "--epochs", 1, "--run", "out")
    assert result.exit_code == 1
    assert row(result, "hot")[3:] == ["1 failed", "–", "–", "–"]
    assert row(result, "normed")[3] == "1"
    assert "hot-seed3 failed: the loss is" in result.output
    recorded = json.loads(Path("out/experiment.json").read_text())["networks"]
    assert "the loss is" in recorded[0]["runs"][0]["error"]
    # It isn't tried again: the same seed would diverge again.
    again = netdsl("train", "--resume", "out")
    assert again.exit_code == 1 and "1 of 2" not in again.output and "1 failed" in again.output


def test_used_files_are_in_the_plan() -> None:
    Path("lib.net").write_text("block part(out) { conv(out, 3), relu }\n")
    text = Path("plain.net").read_text().replace("layers", 'use "lib.net"\nlayers')
    Path("using.net").write_text(text.replace("conv(4, 3), relu", "part(4)").replace("plain", "using"))
    arguments = ("using.net", "plain.net", *CPU, "--epochs", 1, "--run", "out")
    assert netdsl("train", *arguments).exit_code == 0
    Path("lib.net").unlink()
    assert netdsl("train", "--resume", "out").exit_code == 0


def test_several_processes_are_refused() -> None:
    with pytest.raises(RunError, match="an experiment is trained by one process, not by 2"):
        Processes(0, 2).require_one("an experiment is trained")


def test_experiments_are_not_mixed() -> None:
    experiment("--epochs", 1, "--run", "out")
    again = experiment("--epochs", 1, "--run", "out")
    assert again.exit_code == 1 and "netdsl train --resume out" in again.output
    longer = netdsl("train", "--resume", "out", "--epochs", 5)
    assert longer.exit_code == 2 and "an experiment with its own settings: remove --epochs" in longer.output
    assert netdsl("train", "--resume", "out", "--seeds", 5).exit_code == 2
    for damage in ("{", '{"style": "module", "wishes": {}, "entries": [{"name": "../x"}]}'):
        Path("out/plan.json").write_text(damage)
        damaged = netdsl("train", "--resume", "out")
        assert damaged.exit_code == 1 and "is damaged" in damaged.output


def test_no_picture_costs_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ImportError("a part of matplotlib is missing")

    monkeypatch.setattr(Figure, "subplots", fails)
    monkeypatch.setenv("MPLBACKEND", "module://a_notebook.that_is_not_here")
    result = experiment("--epochs", 1, "--run", "both")
    assert result.exit_code == 0, result.output
    assert row(result, "plain")[0] == "plain"
    assert report.read(Path("both/plain-seed3")) is not None
    for picture in ("plain-seed3/curves.png", "both/curves.png"):
        assert f"{picture} can't be drawn: a part of matplotlib is missing" in result.output
