"""Fixtures of all tests of the runtime."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console


@pytest.fixture
def console() -> Console:
    """A console that keeps what it prints: `samples.said` gives it."""
    return Console(file=io.StringIO(), width=200)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, so that none reads or writes the user's."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("NETDSL_CACHE", str(folder))
    return folder
