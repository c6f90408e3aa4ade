"""`netdsl predict`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch
from rich.console import Console

from netdsl.trained.open_run import open_run
from tests.support.commands import netdsl
from tests.support.samples import pixels
from tests.trained.conftest import STYLES


@pytest.mark.parametrize("style", STYLES)
def test_probabilities_are_those_of_the_trained_network(style: str, trained: Path, pictures: Path) -> None:
    result = netdsl("predict", trained / style, pictures, "--top", "10", "--format", "json")
    assert result.exit_code == 0
    records = json.loads(result.output)
    assert [Path(record["image"]).name for record in records] == [f"{i}.png" for i in range(10)]

    run = open_run(trained / style)
    data = run.data(Console())
    model = run.model("best", torch.device("cpu"))
    with torch.inference_mode():
        shares = model(data.normalise(data.floats(pixels(data.test)[:10])), training=False).softmax(1)
    for record, expected in zip(records, shares, strict=True):
        found = [prediction["probability"] for prediction in record["predictions"]]
        assert found == sorted(found, reverse=True)
        classes = [int(prediction["class"]) for prediction in record["predictions"]]
        torch.testing.assert_close(torch.tensor(found), expected[classes])


def test_a_table_is_one_line_an_image(trained: Path, pictures: Path) -> None:
    result = netdsl("predict", trained / "module", pictures / "3.png", pictures, "--top", "99")
    heading, first, *others = result.output.splitlines()
    assert heading.split() == ["image", *(f"{rank}." for rank in range(1, 11))]
    assert len(others) == 10
    assert str(pictures / "3.png") in first and first.count("%") == 10
    assert len({line.index("%") for line in (first, *others)}) == 1


def test_what_is_no_image_is_named(trained: Path, pictures: Path, tmp_path: Path) -> None:
    good = (pictures / "0.png").read_bytes()
    strange = tmp_path / "a [red]\n\x1b[31mb.png"
    strange.write_bytes(good)
    (tmp_path / "half.png").write_bytes(good[: len(good) // 2])
    (tmp_path / "notes.txt").write_text("not taken for an image")
    result = netdsl("predict", trained / "module", tmp_path, tmp_path / "nowhere.png")
    assert result.exit_code == 1
    assert "a [red]\\n\\x1b[31mb.png" in result.stdout and "\x1b" not in result.output
    assert "half.png: it can't be decoded" in result.stderr
    assert "nowhere.png: no such file" in result.stderr
    assert "notes.txt" not in result.output
    alone = netdsl("predict", trained / "module", tmp_path / "half.png", "--format", "json")
    assert alone.exit_code == 1
    assert json.loads(alone.stdout) == []


def test_wrong_folders(trained: Path, tmp_path: Path) -> None:
    for run, images, message in [
        (trained / "module", tmp_path, "there is no image in"),
        (tmp_path, tmp_path / "x.png", "/run.json"),
        (trained, trained, "there is no image in"),
    ]:
        result = netdsl("predict", run, images)
        assert result.exit_code == 1
        assert message in result.output
    assert netdsl("predict", trained / "module").exit_code == 2
    assert netdsl("predict", trained / "module", tmp_path, "--top", "0").exit_code == 2


def test_comma_separated_values(trained: Path, pictures: Path) -> None:
    result = netdsl("predict", trained / "module", pictures, "--format", "csv", "--top", 2)
    rows = list(csv.DictReader(result.output.splitlines()))
    assert len(rows) == 20 and [row["rank"] for row in rows[:2]] == ["1", "2"]
    (first,) = json.loads(
        netdsl("predict", trained / "module", pictures / "0.png", "--format", "json").output
    )
    assert rows[0]["class"] == first["predictions"][0]["class"]
    assert float(rows[0]["probability"]) == first["predictions"][0]["probability"]


def test_an_image_on_standard_input(trained: Path, pictures: Path) -> None:
    content = (pictures / "0.png").read_bytes()
    options = ("--format", "json")
    (found,) = json.loads(netdsl("predict", trained / "module", "-", *options, input=content).output)
    (same,) = json.loads(netdsl("predict", trained / "module", pictures / "0.png", *options).output)
    assert found == {**same, "image": "-"}
    assert "-: an empty file" in netdsl("predict", trained / "module", "-", input=b"").output
