"""One operation on a file fails or kills, at any point of a command: nothing is lost and nothing stays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.faults import compiled, swept


@pytest.mark.skipif(sys.platform != "linux", reason="the library is preloaded as Linux does it")
def test_a_fault_loses_nothing(tmp_path: Path) -> None:
    """A sample of the points; benchmarks/faults.py tries all of them."""
    try:
        library = compiled(tmp_path)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"needs a C compiler, `cc`: {error}")
    every = {"train": 41, "experiment": 130, "build": 19, "fmt": 3, "graph": 5, "import-weights": 6}
    results = swept(tmp_path / "work", library, every)
    assert [wrong for _, _, each in results.values() for wrong in each] == []
    for name, (points, tried, _) in results.items():
        assert points >= 4, name
        assert sum(tried.values()) == -(-points // every[name]), name
