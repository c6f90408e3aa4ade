"""`netdsl compare`."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from netdsl.runtime import metrics
from tests.support.commands import netdsl


def a_copy(run: Path, to: Path, accuracies: list[float | None], finished: bool = True) -> Path:
    """A run with other accuracies on its validation images."""
    shutil.copytree(run, to)
    (row,) = metrics.read(to)
    scores = [{} if accuracy is None else {"loss": 1.0, "accuracy": accuracy} for accuracy in accuracies]
    rows = [replace(row, epoch=i + 1, seconds=3725.0, validation=own) for i, own in enumerate(scores)]
    metrics.write(to, rows)
    if not finished:
        (to / "report.json").unlink()
    return to


def test_the_best_is_first(trained: Path, tmp_path: Path) -> None:
    runs = [
        a_copy(trained / "module", tmp_path / "none", [None]),
        a_copy(trained / "functional", tmp_path / "worse", [0.2, 0.6]),
        a_copy(trained / "sequential", tmp_path / "better", [0.3, 0.7, 0.5], finished=False),
    ]
    result = netdsl("compare", *runs)
    assert result.exit_code == 0
    lines = [line.split() for line in result.output.splitlines()]
    heading = ["run", "network", "parameters", "MACs", "epochs", "validation", "test", "time"]
    assert lines[0] == heading
    assert [Path(line[0]).name for line in lines[1:]] == ["better", "worse", "none"]
    better, worse, none = (dict(zip(heading, line, strict=True)) for line in lines[1:])
    assert (better["validation"], better["test"], better["epochs"]) == ("70.00%", "–", "3")
    assert better["time"] == "1:02:05"
    assert worse["validation"] == "60.00%" and worse["test"].endswith("%")
    assert none["validation"] == "–"
    assert (worse["network"], worse["parameters"], worse["MACs"]) == ("small", "5,370", "18,944")


def test_json_and_a_picture(trained: Path, tmp_path: Path) -> None:
    runs = [trained / style for style in ("module", "functional")]
    result = netdsl("compare", *runs, "--format", "json", "-o", tmp_path / "c.png")
    assert result.exit_code == 0
    records = json.loads(result.stdout)
    assert {record["run"] for record in records} == {str(run) for run in runs}
    for record in records:
        report = json.loads((Path(record["run"]) / "report.json").read_text())
        assert record["test_accuracy"] == report["test_accuracy"]
        assert record["validation_accuracy"] == report["validation_accuracy"]
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    assert netdsl("compare", *runs, "-o", "c.jpg").exit_code == 2


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("report.json", "{", "report.json is damaged: it is not JSON"),
        ("report.json", "[]", "report.json is damaged: it is not an object"),
        (
            "report.json",
            '{"validation_accuracy": null}',
            "report.json is damaged: `test_accuracy` is missing",
        ),
        ("run.json", "{}", "run.json is damaged"),
        ("metrics.jsonl", "", "metrics.jsonl is empty"),
        ("network.net", "network x\n", "the network in"),
    ],
)
def test_damaged_runs(file: str, content: str, message: str, trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained / "module", run)
    (run / file).write_text(content)
    result = netdsl("compare", trained / "functional", run)
    assert result.exit_code == 1
    assert message in result.output and str(run) in result.output
    assert netdsl("compare", tmp_path).exit_code == 1
