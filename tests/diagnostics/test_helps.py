"""Helps that say which code to write are fixes that apply."""

from __future__ import annotations

from benchmarks.helps import tally

# The rest are choices that only the user can make.
LEAST = 0.95


def test_helps_that_name_code_are_fixes_that_apply() -> None:
    found = tally()
    assert found.share >= LEAST, "\n".join([*found.sentences, *found.failing])
