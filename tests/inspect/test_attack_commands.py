"""`netdsl attack` and `netdsl robustness`."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from torch import Tensor

from netdsl import inspect
from netdsl.compiler import STYLES
from netdsl.inspect.pictures import batches
from netdsl.trained.open_run import open_run
from tests.support.commands import netdsl


@pytest.mark.parametrize("style", STYLES)
def test_the_command_attacks(trained: Path, tmp_path: Path, style: str) -> None:
    arguments = ["attack", trained / style, "test:0", "test:3", "--target", "5", "-o", tmp_path / "a.png"]
    result = netdsl(*arguments, "--steps", "300")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0].split() == ["image", "before", "after", "steps", "L2", "Linf"]
    assert [line.split()[0] for line in lines[1:3]] == ["test:0", "test:3"]
    assert [line.split()[3] for line in lines[1:3]] == ["5", "5"]
    assert lines[-1] == f"wrote {tmp_path / 'a.png'}"
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.height > picture.width / 2
    found = json.loads(netdsl(*arguments, "--steps", "300", "--format", "json").output)
    assert [record["reached"] for record in found] == [True, True]
    assert all(record["after"]["class"] == "5" != record["before"]["class"] for record in found)


def test_what_resists(trained: Path, tmp_path: Path) -> None:
    arguments = ["attack", trained / "module", "test:0-2", "--target", "5", "-o", tmp_path / "a.png"]
    result = netdsl(*arguments, "--steps", "1", "--step-size", "1e-3", "--extra", "0")
    assert result.exit_code == 1
    expected = "error: not predicted as `5`: test:0, test:1, test:2\n  = help: more `--steps`\n"
    assert result.stderr == expected
    assert (tmp_path / "a.png").exists()


def test_budgets_of_the_command(trained: Path, tmp_path: Path) -> None:
    common = ["attack", trained / "functional", "test:0-4", "-o", tmp_path / "a.svg", "--format", "json"]
    found = {}
    for method, eps in [("fgsm", "16/255"), ("pgd", "16/255"), ("pgd", "0.2")]:
        result = netdsl(*common, "--method", method, "--eps", eps)
        records = json.loads(result.stdout)
        assert result.exit_code == (0 if all(record["reached"] for record in records) else 1)
        assert all(record["linf"] <= (0.2 if eps == "0.2" else 16 / 255) for record in records)
        assert all(
            record["reached"] == (record["before"]["class"] != record["after"]["class"]) for record in records
        )
        found[method, eps] = sum(record["reached"] for record in records)
    assert found["pgd", "0.2"] == 5 and found["pgd", "0.2"] >= found["pgd", "16/255"]


def test_a_random_attack_is_the_same_alone(trained: Path, tmp_path: Path) -> None:
    def saved(name: str, *images: str) -> bytes:
        arguments = ["attack", trained / "module", *images, "--method", "pgd", "--steps", "2"]
        netdsl(*arguments, "-o", tmp_path / "a.png", "--save", tmp_path / name)
        return (tmp_path / name / "test-3.png").read_bytes()

    alone = saved("alone", "test:3")
    assert saved("last", "test:0", "test:5", "test:3") == alone
    assert saved("other", "test:3", "--seed", "1") != alone


@pytest.mark.parametrize("method", [["ascent", "--target", "5"], ["pgd", "--eps", "24/255"]])
def test_saved_images_are_what_was_reported(trained: Path, tmp_path: Path, method: list[str]) -> None:
    run = trained / "module"
    arguments = ["attack", run, "test:0", "test:3", "-o", tmp_path / "a.png", "--save", tmp_path / "saved"]
    found = json.loads(netdsl(*arguments, "--method", *method, "--format", "json").stdout)
    files = sorted((tmp_path / "saved").iterdir())
    assert [file.name for file in files] == ["test-0.png", "test-3.png"]
    predictions = json.loads(netdsl("predict", run, *files, "--top", "1", "--format", "json").output)
    for record, prediction in zip(found, predictions, strict=True):
        (likeliest,) = prediction["predictions"]
        assert record["in_8_bits"]["class"] == likeliest["class"]
        assert record["in_8_bits"]["probability"] == pytest.approx(likeliest["probability"], abs=1e-5)
    if method[0] == "pgd":
        for number, file in zip((0, 3), files, strict=True):
            test = open_run(run).data(Console(quiet=True)).test
            original = test[torch.tensor([number])].images
            assert isinstance(original, Tensor)
            with Image.open(file) as image:
                pixels = torch.from_numpy(np.array(image, np.int64)).permute(2, 0, 1)
            assert (pixels - original[0].long()).abs().max() == 24
    text = netdsl(*arguments[:3], *arguments[4:6], "--save", tmp_path / "one.png", "--method", *method).stdout
    written = [f"wrote {tmp_path / name}" for name in ("a.png", "one.png")]
    assert text.splitlines()[-2:] == written
    assert (tmp_path / "one.png").read_bytes() == files[0].read_bytes()
    assert "saved" in text.splitlines()[0]


def test_files_and_differences(trained: Path, pictures: Path, tmp_path: Path) -> None:
    arguments = ["--method", "pgd", "--eps", "0.3", "--steps", "3", "--difference-only"]
    result = netdsl("attack", trained / "module", pictures, "-o", tmp_path / "a.png", *arguments)
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "a.png") as picture:  # five side by side
        assert picture.width > 1.5 * picture.height


@cache
def classified(run: Path) -> int:
    """The predicted class of the first test image."""
    ((images, _),) = batches(
        open_run(run).data(Console(quiet=True)).test[torch.tensor([0])], 1, torch.device("cpu")
    )
    return int(inspect.open_run(run)(images).argmax())


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["test:0", "--target", "nothing"], "there is no class `nothing`"),
        (["missing.png", "--target", "5"], "missing.png: no such file"),
        (["text.png", "--target", "5"], "text.png: not an image"),
        (["test:999", "--target", "5"], "the run has 360 test images"),
        (["test:0", "--target", "{label}"], "test:0 is predicted as `{label}` already"),
        (["test:0"], "add --target CLASS"),
        (["test:0", "--target", "5", "--eps", "8/255"], "--eps is not an option of --method ascent"),
        (["test:0", "--method", "fgsm", "--step-size", "1"], "--step-size is not an option of --method fgsm"),
        (["test:0", "--method", "pgd", "--extra", "1"], "--extra is not an option of --method pgd"),
        (["test:0", "--target", "5", "--step-size", "nan"], "it must be a finite number"),
        (["test:0", "--method", "pgd", "--eps", "8"], "write `8/255`"),
        (["test:0", "--method", "pgd", "--eps", "-1/255"], "is no budget"),
        (["test:0", "--method", "pgd", "--eps", "1/0"], "is no budget"),
        (["test:0", "--method", "pgd", "--eps", "1/00"], "is no budget"),
        (["test:0", "--method", "pgd", "--eps", "1e999999999"], "is no budget"),
        (["test:0", "--method", "pgd", "--eps", "nan"], "is no budget"),
        (["test:0-100", "--method", "pgd"], "101 images have no room in one picture"),
        (["test:0-1", "--method", "pgd", "--save", "a.png"], "a.png is one file for 2 images"),
        (["test:0", "test:0", "--method", "pgd", "--save", "a"], "two images would be saved as a/test-0.png"),
        (["test:0", "--target", "5", "-o", "out.txt"], "unknown picture format `txt`"),
    ],
)
def test_errors(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.png").write_text("no image")
    name = str(classified(trained / "module"))
    given = [argument.format(label=name) for argument in arguments]
    result = netdsl("attack", trained / "module", *(["-o", "out.png"] if "-o" not in given else []), *given)
    assert result.exit_code in (1, 2)
    assert expected.format(label=name) in result.output
    assert [file.name for file in tmp_path.iterdir()] == ["text.png"]


def test_the_command_measures_robustness(trained: Path, tmp_path: Path) -> None:
    runs = [trained / style for style in STYLES]
    arguments = ["robustness", *runs, "--eps", "8/255,4/255", "--steps", "4"]
    result = netdsl(*arguments, "-o", tmp_path / "curve.png")
    assert result.exit_code == 0, result.output
    heading, *rows = result.output.splitlines()
    assert heading.split() == ["eps", *STYLES]
    assert [row.split()[0] for row in rows[:3]] == ["0", "4/255", "8/255"]
    assert "4 steps, 1 random start, 360 test images, seed 0" in rows[3]
    assert rows[4] == f"wrote {tmp_path / 'curve.png'}"
    with Image.open(tmp_path / "curve.png") as picture:
        assert picture.size == (720, 480)
    found = json.loads(netdsl(*arguments, "--format", "json").output)
    assert found["attack"] == {"steps": 4, "step_size_of_eps": 0.625, "restarts": 1, "seed": 0}
    for run, shown in zip(
        found["runs"], zip(*(row.split()[1:] for row in rows[:3]), strict=True), strict=True
    ):
        points = run["points"]
        assert [point["eps"] for point in points] == [0, 4 / 255, 8 / 255]
        assert points[0]["right"] >= points[1]["right"] >= points[2]["right"]
        assert [f"{point['accuracy']:.2%}" for point in points] == list(shown)
        accuracy = re.search(r"test accuracy ([\d.]+)%", netdsl("eval", run["run"]).output)
        # That may be in bfloat16.
        assert accuracy and float(accuracy[1]) / 100 == pytest.approx(points[0]["accuracy"], abs=0.01)
    few = json.loads(netdsl("robustness", runs[0], "--images", "30", "--format", "json").output)
    assert few["runs"][0]["images"] == 30


def test_few_images_are_of_all_classes(colours: Path) -> None:
    """A folder's test images are sorted by class: the first ones would be of one alone."""
    found = json.loads(netdsl("robustness", "run", "--images", "4", "--eps", "1", "--format", "json").output)
    assert found["runs"][0]["images"] == 4
    assert found["runs"][0]["points"][0]["right"] in (2, 4)  # of each of two colours two


@pytest.mark.parametrize("eps", ["8", "", "1/255,,2/255", "4/255,x"])
def test_budgets_that_robustness_refuses(trained: Path, eps: str) -> None:
    result = netdsl("robustness", trained / "module", "--eps", eps)
    assert result.exit_code == 2 and ("is no budget" if eps else "`--eps` is empty") in result.output
