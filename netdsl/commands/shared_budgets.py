"""By how much an attack may change a pixel."""

from __future__ import annotations

import re
from fractions import Fraction

import click

# A number as Python writes it; a few digits of each part: an exponent of many would take for ever.
_NUMBER = r"(?:[0-9]{1,9}\.?[0-9]{0,20}|\.[0-9]{1,20})(?:[eE][+-]?[0-9]{1,2})?"
_BUDGET = re.compile(rf"({_NUMBER})(?:/([1-9][0-9]{{0,8}}))?")


def read_budget(text: str) -> Fraction:
    """`8/255`, `0.03` or `3e-2`, exactly."""
    match = _BUDGET.fullmatch(text.strip())
    budget = Fraction(match[1]) / Fraction(match[2] or 1) if match else Fraction(0)
    if 0 < budget <= 1:
        return budget
    hint = f"{text.strip()}/255" if 1 < budget <= 255 and budget.denominator == 1 else "8/255"
    raise click.BadParameter(f"`{text}` is no budget, a number above 0 and up to 1: write `{hint}`")


def in_255ths(value: float) -> str:
    return f"{255 * value:.4g}/255" if value else "0"
