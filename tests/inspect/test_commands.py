"""Wrong use of the commands of inspection: an error before anything long, and before anything is written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image

from netdsl.commands.shared_inspect import read_budget
from netdsl.inspect import pictures as pictures_of_commands
from netdsl.inspect.sheets import album, attacks, dreams, maps
from netdsl.inspect.sheets.panels import Panel
from netdsl.runtime import checkpoint
from tests.support.commands import netdsl

ATTACK = ("attack", "--method", "fgsm")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        ("saliency", "test:0", "-o", "a.png"),
        (*ATTACK, "test:0", "-o", "a.png"),
        ("dream", "-o", "a.png"),
        ("features", "-o", "a"),
        ("robustness",),
    ],
)
def test_weights_that_are_not_finite(command: tuple[str, ...], trained: Path, here: Path) -> None:
    shutil.copytree(trained / "module", "run")
    file = Path("run/best.safetensors")
    tensors, facts = checkpoint.read(file)
    next(tensor for tensor in tensors.values() if tensor.dim()).view(-1)[0] = float("nan")
    checkpoint.save(file, tensors, facts)
    result = netdsl(command[0], "run", *command[1:])
    assert result.exit_code == 1 and "the weights in run/best.safetensors are not finite" in result.output
    assert [path.name for path in here.iterdir()] == ["run"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_are_no_images(trained: Path, here: Path) -> None:
    os.mkfifo("pipe.png")
    result = netdsl("saliency", trained / "module", "pipe.png", "-o", "a.png")
    assert result.exit_code == 1 and "pipe.png: not a regular file" in result.output


@pytest.mark.parametrize(
    "command",
    [
        ("attack", "test:0", "--target", "5", "--steps"),
        ("attack", "test:0", "--target", "5", "--extra"),
        ("attack", "test:0", "--method", "pgd", "--restarts"),
        ("dream", "--blur-every"),
        ("dream", "--steps"),
        ("features", "--images"),
        ("robustness", "--images"),
        ("robustness", "--steps"),
    ],
)
def test_counts_that_nobody_waits_for(command: tuple[str, ...], trained: Path, here: Path) -> None:
    result = netdsl(command[0], trained / "module", *command[1:], "1" + "0" * 20, "-o", "a")
    assert result.exit_code == 2 and "is not in the range" in result.output


@pytest.mark.parametrize(
    "images, message",
    [
        ("test:3-1", "`test:3-1` ends before it begins\n  = help: write `test:1-3`"),
        ("test:" + "9" * 5000, "is not a range of test images"),
        ("test:0-" + "9" * 5000, "is not a range of test images"),
        ("test:٣", "`test:٣` is not a range of test images"),
        ("test:0-999999999", "1,000,000,000 images have no room in one picture"),
    ],
)
def test_images_that_no_test_set_has(images: str, message: str, trained: Path, here: Path) -> None:
    result = netdsl("saliency", trained / "module", images, "-o", "a.png")
    assert result.exit_code == 1 and message in result.output


@pytest.mark.parametrize("command, most", [(("saliency", "-o", "a.png"), 100), (("features", "-o", "a"), 10)])
def test_too_many_images_are_not_decoded(
    command: tuple[str, ...], most: int, trained: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("many").mkdir()
    for number in range(101):
        Path(f"many/{number}.png").touch()
    monkeypatch.setattr(pictures_of_commands, "decode_one", None)
    result = netdsl(command[0], trained / "module", "many", "test:0", *command[1:])
    assert result.exit_code == 1, result.output
    assert f"102 images have no room in one picture\n  = help: name {most} or fewer" in result.output


def shown_itself() -> None:
    """Two images of our own in the current folder."""
    for name in ("own.png", "other.png"):
        Image.new("RGB", (8, 8), (10, 80, 200)).save(name)


PAINT = ("style", "own.png", "other.png", "--steps", "1", "--run")


@pytest.mark.parametrize(
    "command, rest, message",
    [
        (ATTACK, ("test:0", "-o", "same.png", "--save", "./same.png"), "same.png would be written twice"),
        (ATTACK, ("own.png", "-o", "own.png"), "own.png is an input, and would be lost"),
        (ATTACK, ("own.png", "-o", "a.png", "--save", "own.png"), "own.png is an input"),
        (ATTACK, (".", "-o", "own.png"), "own.png is an input"),
        (ATTACK, ("test:0", "-o", "a.png", "--save", "adv.jpg"), "write adv.png"),
        (ATTACK, ("test:0", "-o", "a.png", "--save", ""), "`--save` is empty"),
        (PAINT, ("-o", "s.png", "--sheet", "s.png"), "s.png would be written twice"),
        (PAINT, ("-o", "other.png"), "other.png is an input"),
        (PAINT, ("-o", "a.png", "--sheet", ""), "`--sheet` is empty"),
        (("saliency",), ("own.png", "-o", "own.png"), "own.png is an input"),
        (("saliency",), ("own.png", "-o", ""), "`-o` is empty"),
        (("dream",), ("--from", "own.png", "-o", "own.png"), "own.png is an input"),
        (("features",), ("-o", ""), "`-o` is empty"),
        (("robustness",), ("-o", ""), "`-o` is empty"),
    ],
)
def test_outputs_in_the_way(
    command: tuple[str, ...], rest: tuple[str, ...], message: str, trained: Path, here: Path
) -> None:
    shown_itself()
    before = {path.name: path.read_bytes() for path in here.iterdir()}
    result = netdsl(*command, trained / "module", *rest)
    assert result.exit_code == 2 and message in result.output
    assert {path.name: path.read_bytes() for path in here.iterdir()} == before


@pytest.mark.parametrize(
    "command, rest",
    [
        (ATTACK, ("test:0", "-o", "a.png", "--save", "own.png/folder")),
        (ATTACK, ("test:0", "-o", "own.png/a.png")),
        (ATTACK, ("test:0", "-o", "a.png", "--save", "n" * 300 + ".png")),
        (PAINT, ("-o", "a.png", "--sheet", "own.png/sheet.png")),
        (("features",), ("-o", "taken", "--only", "filters", "--only", "confusion")),
        (("robustness",), ("-o", "own.png/a.png")),
    ],
)
def test_outputs_that_cannot_be_written(
    command: tuple[str, ...], rest: tuple[str, ...], trained: Path, here: Path
) -> None:
    """None of several is written then."""
    shown_itself()
    Path("taken/confusion.png").mkdir(parents=True)
    before = sorted(here.rglob("*"))
    result = netdsl(*command, trained / "module", *rest)
    assert result.exit_code == 1 and "error: cannot write" in result.output
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize("layer", ["weights", "statistics", "weights.0"])
@pytest.mark.parametrize(
    "command",
    [
        ("saliency", "test:0", "--method", "grad-cam", "-o", "a.png", "--layer"),
        ("features", "test:0", "--only", "activations", "-o", "a", "--layer"),
        ("style", "own.png", "other.png", "-o", "a.png", "--content-layer"),
    ],
)
def test_layers_that_are_none(command: tuple[str, ...], layer: str, trained: Path, here: Path) -> None:
    shown_itself()
    run = ("--run", trained / "module") if command[0] == "style" else (trained / "module",)
    result = netdsl(command[0], *run, *command[1:], layer)
    assert result.exit_code == 1, result.output
    assert f"there is no layer `{layer}`\n  = help: the network has `layers`\n" in result.output


def test_a_network_without_maps(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETDSL_CACHE", str(here / "cache"))
    Path("flat.net").write_text(
        "network flat\ninput 1x8x8\nclasses 10\nlayers { flatten, linear(classes) }\n"
    )
    trained = netdsl("train", "flat.net", "--data", "digits", "--epochs", "1", "--run", "run")
    assert trained.exit_code == 0, trained.output
    result = netdsl("features", "run", "test:0", "--layer", "layers.linear1", "-o", "a")
    assert result.exit_code == 1
    assert "is not a feature map: it has 10 numbers\n  = help: remove it: there are none\n" in result.output
    assert not Path("a").exists()


@pytest.mark.parametrize(
    "command, message",
    [
        (
            ("features", "test:0", "--only", "confusion", "-o", "a"),
            "remove it and --layer, or add --only activations",
        ),
        (
            ("features", "test:0", "--only", "filters", "--layer", "nope", "-o", "a"),
            "remove it and --layer, or add --only activations",
        ),
        (("saliency", "test:0", "--class", "3", "--class", "4", "-o", "a.png"), "explains one class"),
        (("robustness", "{run}/../module"), "is named twice"),
    ],
)
def test_what_would_be_left_unsaid(command: tuple[str, ...], message: str, trained: Path, here: Path) -> None:
    run = str(trained / "module")
    result = netdsl(command[0], run, *(argument.format(run=run) for argument in command[1:]))
    assert result.exit_code == 2 and message in result.output
    assert not list(here.iterdir())


@pytest.mark.parametrize("eps", ["1e-3", "1E-3", ".001", "0.001", "0.1e-2", "1/1000", "1e-1/100", "10e-4"])
def test_budgets_as_python_writes_them(eps: str) -> None:
    assert read_budget(eps) == Fraction(1, 1000)


def test_any_number_that_python_writes_is_a_budget() -> None:
    assert float(read_budget(repr(8 / 255))) == 8 / 255


def test_no_caption_is_wider_than_its_image(colours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes have names as long as a folder's may be."""
    for half in ("train", "test"):
        for name in ("red", "blue"):
            (colours / "images" / half / name).rename(colours / "images" / half / (name * 15))
    arguments = ("--data", "folder:images", "--epochs", "1", "--batch", "8", "--optimizer.lr", "0.00001")
    assert netdsl("train", "two.net", *arguments, "--run", "long").exit_code == 0
    sheets: list[str] = []

    def keep(rows: Sequence[Sequence[Panel]], file: Path, title: str = "") -> None:
        sheets.extend(panel.caption for row in rows for panel in row)

    for module in (attacks, dreams, album, maps):
        monkeypatch.setattr(module, "write_sheet", keep)
    for command in (
        (*ATTACK, "long", "test:0", "-o", "a.png"),
        (*ATTACK, "long", "test:0", "-o", "a.png", "--difference-only"),
        ("dream", "long", "--steps", "1", "-o", "a.png"),
        ("features", "long", "--only", "mistakes", "-o", "a"),
        ("saliency", "long", "test:0-7", "-o", "a.png"),
    ):
        sheets.clear()
        netdsl(*command)
        assert sheets and max(len(line) for caption in sheets for line in caption.split("\n")) <= 24, sheets
        assert any("…" in caption for caption in sheets)


@pytest.mark.parametrize(
    "command",
    [
        ("saliency", "{run}", "test:0", "-o", "{name}.png"),
        ("features", "{run}", "--only", "embedding", "-o", "{name}"),
        ("plot", "{run}", "-o", "{name}.png"),
        ("graph", "{run}/network.net", "-o", "{name}.svg"),
        ("build", "{run}/network.net", "-o", "{name}"),
        ("saliency", "{run}", "{name}.png", "-o", "a.png"),  # which doesn't exist
    ],
)
def test_names_are_printed_so_that_no_terminal_obeys_them(
    command: tuple[str, ...], trained: Path, here: Path
) -> None:
    names = {"run": str(trained / "module"), "name": "red\033[31m\nwrote all"}
    output = netdsl(*(argument.format(**names) for argument in command)).output
    assert r"red\x1b[31m" in output and "\033" not in output
    assert output.startswith("error:") or r"\nwrote all" in output
