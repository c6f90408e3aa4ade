"""The images that commands show a network, and those that they write."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from rich.console import Console

from netdsl.inspect.inspected_run import InspectedRun
from netdsl.inspect.pictures import batches, evenly, read, watched
from netdsl.inspect.sheets.captions import Answer, fitting, short
from netdsl.runtime.errors import RunError
from tests.support.samples import CPU, pixels
from tests.support.samples import colours as split

QUIET = Console(quiet=True)


@pytest.mark.parametrize("count, rows", [(4, [0, 2, 5, 7]), (3, [0, 3, 6]), (50, list(range(10)))])
def test_some_of_the_images(count: int, rows: list[int]) -> None:
    ten = split(10, 0)
    assert torch.equal(evenly(ten, count).labels, ten.labels[rows])
    assert torch.equal(evenly(ten, None).labels, ten.labels)


def test_batches_are_the_images_in_their_order() -> None:
    ten = split(10, 0)
    for parts in (list(batches(ten, 4, CPU)), list(watched(ten, 4, CPU, "looking at", QUIET))):
        assert [len(labels) for _, labels in parts] == [4, 4, 2]
        assert torch.equal(torch.cat([labels for _, labels in parts]), ten.labels)
        assert torch.equal(torch.cat([images for images, _ in parts]) * 255, pixels(ten))


def test_test_images_have_the_classes_of_the_weights(colours: Path) -> None:
    run = InspectedRun.open(Path("run"), "best", "cpu")
    assert [picture.label for picture in read(["test:0-7"], run)] == [0] * 4 + [1] * 4
    assert len(run.test_images()) == 8
    for half in ("train", "test"):
        (colours / "images" / half / "red").rename(colours / "images" / half / "green")
    with pytest.raises(RunError, match="other classes than the network was trained on: `green` for `red`"):
        read(["test:0"], InspectedRun.open(Path("run"), "best", "cpu"))


def test_captions_are_no_wider_than_images() -> None:
    assert short("images/test/dog/0001.jpg") == "dog/0001.jpg" and short("test:3") == "test:3"
    assert fitting("a" * 24) == "a" * 24
    assert fitting("stage3.block2.branch1.conv1") == "stage3.bloc…ranch1.conv1"
    assert Answer("cat", 0.9876).line("→ ") == "→ cat (98.8%)"
    for before, after in (("", ""), ("→ ", ""), ("predicted: ", " (100.0%)"), ("", " (test:1234)")):
        line = fitting("n" * 60, before, after)
        assert len(line) == 24 and line.startswith(before) and line.endswith(after) and "…" in line
