"""Runs that the tests of trained networks share: one of each style, none longer than a second."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from netdsl.runtime import digits
from tests.support.commands import netdsl
from tests.support.samples import pixels, save_image

SMALL = """\
network small(width=8)
input 3x8x8
classes 10
layers { conv(width, 3), bn, relu, dropout(0.1), flatten, linear(classes) }
train {
  data digits
  epochs 1
  batch 32
  optimizer sgd(lr=0.1)
}
"""
STYLES = ("module", "functional", "sequential")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a run of each style; not to be changed."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "small.net").write_text(SMALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NETDSL_CACHE", str(folder / "cache"))
        for style in STYLES:
            result = netdsl("train", folder / "small.net", "--style", style, "--run", folder / style)
            assert result.exit_code == 0, result.output
        yield folder


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first ten test images of the digits, as files."""
    folder = tmp_path_factory.mktemp("pictures")
    for i, image in enumerate(pixels(digits.read((3, 8, 8)).test)[:10]):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder / f"{i}.png")
    return folder


@pytest.fixture
def colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a run on a folder of red and blue images, both of the test's own."""
    monkeypatch.setenv("NETDSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for half, count in (("train", 20), ("test", 4)):
        for i in range(count):
            save_image(tmp_path / "images" / half / "red" / f"{i}.png", (150 + i, 40, 30))
            save_image(tmp_path / "images" / half / "blue" / f"{i}.png", (30, 40, 150 + i))
    Path("two.net").write_text(SMALL.partition("train")[0].replace("classes 10", "classes 2"))
    options = ("--data", "folder:images", "--epochs", "1", "--batch", "8")
    assert netdsl("train", "two.net", *options, "--run", "run").exit_code == 0
    return tmp_path
