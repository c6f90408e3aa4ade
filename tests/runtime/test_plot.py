from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure
from PIL import Image

from netdsl.runtime import metrics, plot
from netdsl.runtime.errors import RunError
from netdsl.runtime.metrics import Metrics


def rows(count: int, accuracy: float | None = 0.5) -> list[Metrics]:
    return [
        Metrics(
            i + 1,
            0.1,
            1.0,
            600.0,
            i * 2.0,
            {"accuracy": 0.4},
            {"loss": 1.0, "accuracy": accuracy} if accuracy is not None else {},
        )
        for i in range(count)
    ]


def test_metrics_survive_the_file(tmp_path: Path) -> None:
    written = [*rows(2), *rows(1, None)]
    metrics.write(tmp_path, written)
    assert metrics.read(tmp_path) == written


@pytest.mark.parametrize("name", ["out.png", "out.svg", "new/out.pdf"])
def test_runs_are_compared(tmp_path: Path, name: str) -> None:
    runs = [tmp_path / run for run in ("a/$x", "b/$x", "_y")]
    for i, run in enumerate(runs):
        metrics.write(run, rows(i + 1))
    plot.compare(runs, tmp_path / name)
    content = (tmp_path / name).read_bytes()
    assert content.startswith((b"\x89PNG", b"<?xml", b"%PDF"))
    plot.compare(runs, tmp_path / name)
    assert (tmp_path / name).read_bytes() == content


def test_the_legend_names_the_runs(tmp_path: Path) -> None:
    for run in ("wide", "deep"):
        metrics.write(tmp_path / run, rows(2))
    plot.compare([tmp_path / "wide", tmp_path / "deep"], tmp_path / "out.svg")
    text = (tmp_path / "out.svg").read_text()
    for label in ("wide", "deep", "epoch", "validation accuracy", "50.0%"):
        assert f"{label} -->" in text  # Text is drawn as lines, below a comment that says it.


def test_names_that_no_xml_can_have(tmp_path: Path) -> None:
    run = tmp_path / "a\x1b[31m\u6f22"
    metrics.write(run, rows(2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot.compare([run], tmp_path / "out.svg")
    ElementTree.parse(tmp_path / "out.svg")


@pytest.mark.parametrize("name", ["out.pgf", "out.docx"])
def test_what_is_no_picture_format(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match="unknown picture format") as error:
        plot.require_format(tmp_path / name)
    assert "png" in error.value.help and "pgf" not in error.value.help


def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    metrics.write(tmp_path / "run", rows(2))
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(RunError, match="not a regular file"):
        plot.compare([tmp_path / "run"], tmp_path / "pipe.png")
    assert (tmp_path / "pipe.png").is_fifo()


def test_curves_of_a_run_with_and_without_validation(tmp_path: Path) -> None:
    for name, accuracy in (("with", 0.5), ("without", None)):
        metrics.write(tmp_path / name, rows(3, accuracy))
        plot.curves(tmp_path / name)
        assert Image.open(tmp_path / name / "curves.png").size[0] > 400
    with pytest.raises(RunError, match="without validation"):
        plot.compare([tmp_path / "without"], tmp_path / "out.png")


def test_a_failure_of_matplotlib_is_an_error_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ValueError("no font\nat all")

    metrics.write(tmp_path, rows(2))
    monkeypatch.setattr(Figure, "savefig", fails)
    with pytest.raises(RunError, match=r"out.png can't be drawn: no font$"):
        plot.compare([tmp_path], tmp_path / "out.png")


GOOD = json.dumps(rows(1)[0].to_json())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        (f"{GOOD}\n{GOOD[:-9]}", "metrics.jsonl:2 is damaged: it is not JSON"),
        (f"{GOOD}\n[1]\n", "metrics.jsonl:2 is damaged: it is not an object"),
        (GOOD.replace('"lr"', '"rate"'), "metrics.jsonl:1 is damaged: `lr` is missing"),
        (GOOD.replace("0.1", '"high"'), 'metrics.jsonl:1 is damaged: `lr` is "high", not a number'),
        (GOOD.replace("0.1", "null"), "metrics.jsonl:1 is damaged: `lr` is null, not a number"),
    ],
)
def test_malformed_metrics(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "metrics.jsonl").write_text(content)
    with pytest.raises(RunError, match=message):
        plot.compare([tmp_path], tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()


def test_missing_runs_and_unknown_formats(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no run"):
        plot.compare([tmp_path], tmp_path / "out.png")
    metrics.write(tmp_path, rows(1))
    with pytest.raises(RunError, match="unknown picture format") as raised:
        plot.compare([tmp_path], tmp_path / "out.xyz")
    assert "png" in raised.value.help
