"""A short run of the checks of fixes; `benchmarks/fuzz.py` does the long ones."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz.fix_checks import check_fixes
from tests.fuzz.mutations import corpus, mutated
from tests.test_cases import CASES, read_case

SEED, TEXTS, CHUNK = 2026, 40, 10
# Every so many-th case, and the number of diagnostics of a text.
STEP, MOST = 20, 4


@pytest.mark.parametrize("start", range(0, STEP, 5))
def test_fixes_of_cases(start: int) -> None:
    paths: list[Path] = sorted((CASES / "diagnostics").rglob("*.txt"))
    for path in paths[start::STEP]:
        case = read_case(path)
        if not case.settings:
            assert list(check_fixes(case.source, MOST)) == [], path.stem


@pytest.mark.parametrize("start", range(0, TEXTS, CHUNK))
def test_fixes_of_mutated_networks(start: int) -> None:
    for number in range(start, start + CHUNK):
        chance = random.Random(f"{SEED}:{number}")
        text = mutated(chance.choice(corpus()), chance)
        # The fix of a line that can't be parsed is a guess; `benchmarks/fuzz.py --fixes` counts wrong ones.
        found = [finding for finding in check_fixes(text, MOST) if not finding.place.startswith("syntax: ")]
        assert found == [], f"number {number}"
