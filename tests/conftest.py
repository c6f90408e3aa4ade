"""Options of the whole suite."""

from __future__ import annotations

import os

import pytest

# The networks of the tests are tiny: more threads than one only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-cases", action="store_true", help="rewrite the expected text of tests/cases")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--update-cases") and os.environ.get("CI", "").lower() == "true":
        raise pytest.UsageError("--update-cases is for people: CI compares the cases, it never rewrites them")
