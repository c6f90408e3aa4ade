"""A folder of the test's own to work in, with two tiny networks."""

from __future__ import annotations

from pathlib import Path

import pytest

TINY = """\
network {name}
input 1x8x8
classes 10
layers {{ conv(4, 3), {norm}relu, flatten, linear(classes) }}
train {{
  data digits
  images 200
  epochs 3
  batch 20
  optimizer sgd(lr=0.05, momentum=0.9)
  seed 3
}}
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NETDSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    Path("plain.net").write_text(TINY.format(name="plain", norm=""))
    Path("normed.net").write_text(TINY.format(name="normed", norm="bn, "))
    return tmp_path
