"""A short run of the fuzzer, always the same; benchmarks/fuzz.py does the long ones."""

from __future__ import annotations

import random
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netdsl.compiler import compile_network
from tests.fuzz import checks
from tests.fuzz.checks import Finding, check
from tests.fuzz.mutations import corpus, mutant, mutated
from tests.support import strategies

SEED, TEXTS, CHUNK = 2026, 1200, 100
# Code is generated for this many networks of a chunk.
GENERATED = 2


def wrong(text: str, style: int | None = None) -> list[Finding]:
    """The findings, except for errors without help and slow texts, which the long runs count."""
    return [found for found in check(text, style) if found.kind not in ("without help", "slow")]


@pytest.mark.parametrize("start", range(0, TEXTS, CHUNK))
def test_mutated_networks(start: int) -> None:
    for number in range(start, start + CHUNK):
        style = number // CHUNK if number < start + GENERATED else None
        assert wrong(mutant(SEED, number), style) == [], f"mutant({SEED}, {number})"


@settings(deadline=None, derandomize=True, max_examples=15)
@given(strategies.networks(), st.integers(0, 10**6), st.integers(1, 4))
def test_mutated_networks_over_the_whole_language(text: str, seed: int, times: int) -> None:
    chance = random.Random(seed)
    for _ in range(times):
        text = mutated(text, chance)
    assert wrong(text) == []


def test_the_shipped_networks_show_nothing() -> None:
    for text in corpus():
        assert wrong(text) == []


def test_a_number_is_always_the_same_text_and_others_differ() -> None:
    texts = [mutant(7, number) for number in range(100)]
    assert texts == [mutant(7, number) for number in range(100)]
    assert len({*texts, *(mutant(8, number) for number in range(100))}) > 180
    assert len(set(texts) & set(corpus())) < 10


def test_what_goes_wrong_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **named: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(checks, "compile_network", broken)
    (found,) = check("network n")
    assert found.kind == "KeyError" and "broken" in found.details
    monkeypatch.setattr(checks, "compile_network", compile_network)
    monkeypatch.setattr(checks, "SLOW", -1)
    assert [own.kind for own in check("network n\ninput 3x8x8\n")] == ["slow"]


def test_what_hangs_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(*arguments: object, **named: object) -> None:
        while True:
            pass

    monkeypatch.setattr(checks, "compile_network", endless)
    monkeypatch.setattr(checks, "HANGS", 0.05)
    found = list(islice(check("network n"), 2))
    assert found[0][:2] == Finding("Hangs", "", "")[:2]
