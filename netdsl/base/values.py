"""The values that an expression of the language can have at compile time."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Size:
    """`3x3`, `3x32x32`: lengths in the order in which they are written."""

    lengths: tuple[int, ...]

    def __str__(self) -> str:
        return "x".join(map(str, self.lengths))


@dataclass(frozen=True, slots=True)
class Symbol:
    """A bare word as a value: `same`, `fan_in`, the name of an operation or of a block."""

    name: str

    def __str__(self) -> str:
        return self.name


# Numbers are exact: `1 / 9` is a ninth. Whole numbers are always `int`, never `Fraction(2, 1)`.
Number: TypeAlias = int | Fraction
Value: TypeAlias = bool | int | Fraction | str | Size | Symbol | tuple["Value", ...]

# Numerator and denominator beyond this are refused, so that reading a file has a bounded cost.
LARGEST = 10**18


def normal(number: Number) -> Number:
    """The number as `int` where it is whole."""
    return number.numerator if number.denominator == 1 else number


def is_number(value: object) -> bool:
    return isinstance(value, (int, Fraction)) and not isinstance(value, bool)


def show(value: object) -> str:
    """A value as it is written in a `.net` file."""
    match value:
        case True:
            return "yes"
        case False:
            return "no"
        case Fraction():
            decimal = repr(float(value))
            return decimal if Fraction(decimal) == value else f"{value.numerator}/{value.denominator}"
        case str():
            return f'"{value}"'
        case tuple():
            return "[" + ", ".join(map(show, value)) + "]"
        case _:
            return str(value)


# The largest distance at which divisors are searched: farther ones would not help, and take time.
_REACH = 10_000


def near_divisors(number: int, wanted: int) -> list[int]:
    """The divisors of a number that are not far from another one, the nearest first."""
    wanted = min(wanted, number)
    around = range(max(1, wanted - _REACH), min(number, wanted + _REACH) + 1)
    return sorted((n for n in around if number % n == 0), key=lambda n: abs(n - wanted))
