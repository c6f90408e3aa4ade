"""What is printed while something runs."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from netdsl.runtime.console import say
from tests.support.samples import said


@pytest.mark.parametrize("notebook", [True, False])
def test_long_lines_are_wrapped_between_words_in_a_notebook(
    notebook: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    if notebook:
        monkeypatch.setenv("JPY_PARENT_PID", "1")
    console = Console(file=io.StringIO(), width=16)
    say(console, "remaining training takes long")
    lines = said(console).splitlines()
    assert [line.rstrip() for line in lines] == (
        ["remaining", "training takes", "long"] if notebook else ["remaining training takes long"]
    )
