"""A run for the tests of the API, on a few digits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import netdsl

TINY = """\
network tiny(width=4)
input 1x8x8
classes 10
layers { conv(width, 3), bn, relu, flatten, linear(classes) }
train {
  data digits
  images 200
  epochs 2
  batch 20
  optimizer sgd(lr=0.05)
}
"""


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with `tiny.net` and its run `runs/tiny`; not to be changed."""
    folder = tmp_path_factory.mktemp("api")
    (folder / "tiny.net").write_text(TINY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NETDSL_CACHE", str(folder / "cache"))
        netdsl.load(folder / "tiny.net").train(run=folder / "runs" / "tiny", quiet=True)
        yield folder


@pytest.fixture
def place(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the test's own, in which it works."""
    monkeypatch.setenv("NETDSL_CACHE", str(tiny / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path
