"""Typed arguments: one declaration drives checking, printing and the documentation.

An operation, an optimizer or a schedule is a frozen dataclass whose fields are made with `arg`.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, field, fields
from fractions import Fraction
from functools import cache
from typing import Any, Protocol, TypeVar, cast

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.values import Size, Symbol, Value, is_number, show

T = TypeVar("T")


class Mismatch(NamedTuple):
    """A value that a type refuses, and what it expects instead; `own` is the valid value that was most likely
    meant, if there is one, and `why` how it differs.
    """

    expected: str
    own: str = ""
    why: str = ""


class ArgType(Protocol):
    """Turns a value of the language into the Python value of a field."""

    def convert(self, value: Value) -> object: ...


class Whole(NamedTuple):
    """A whole number from `low` up."""

    low: int = 1

    def convert(self, value: Value) -> object:
        if isinstance(value, int) and not isinstance(value, bool) and value >= self.low:
            return value
        return Mismatch(f"a whole number of at least {self.low}")


class Real(NamedTuple):
    """A number between `low` and `high`, given to Python as a float; None means unlimited, and `above` and
    `below` exclude the limits themselves.
    """

    low: float | None = 0
    high: float | None = None
    above: bool = False
    below: bool = False

    def convert(self, value: Value) -> object:
        if is_number(value):
            number = float(cast(Fraction, value))
            low = self.low is None or (number > self.low if self.above else number >= self.low)
            high = self.high is None or (number < self.high if self.below else number <= self.high)
            if low and high:
                return number
        limits = []
        if self.low is not None:
            limits.append(f"{'above' if self.above else 'of at least'} {self.low:g}")
        if self.high is not None:
            limits.append(f"{'below' if self.below else 'at most'} {self.high:g}")
        return Mismatch(f"a number {' and '.join(limits)}".rstrip())


class Amount(NamedTuple):
    """A number above 0, given to Python as an int if it is whole."""

    def convert(self, value: Value) -> object:
        number = Real(above=True).convert(value)
        return int(number) if isinstance(number, float) and number.is_integer() else number


class Flag(NamedTuple):
    """`yes` or `no`."""

    def convert(self, value: Value) -> object:
        return value if isinstance(value, bool) else Mismatch("`yes` or `no`")


class Pair(NamedTuple):
    """A height and width, `3` for both or `1x7`, given to Python as a pair."""

    low: int = 1

    def convert(self, value: Value) -> object:
        if isinstance(value, int) and not isinstance(value, bool) and value >= self.low:
            return (value, value)
        if isinstance(value, Size) and len(value.lengths) == 2 and min(value.lengths) >= self.low:
            return value.lengths
        return Mismatch(f"a whole number of at least {self.low}, or two such as `1x7`")


class Word(NamedTuple):
    """One of some words, or a value of the type `other`."""

    words: tuple[str, ...]
    other: ArgType | None = None

    def convert(self, value: Value) -> object:
        if isinstance(value, Symbol) and value.name in self.words:
            return value.name
        words = " or ".join(f"`{word}`" for word in self.words)
        if self.other is None:
            return Mismatch(words)
        converted = self.other.convert(value)
        return Mismatch(f"{words}, or {converted.expected}") if isinstance(converted, Mismatch) else converted


class Wholes(NamedTuple):
    """A list of whole numbers, `[6, 8]`, in growing order."""

    def convert(self, value: Value) -> object:
        items = value if isinstance(value, tuple) else (value,)
        whole = all(isinstance(item, int) and not isinstance(item, bool) and item >= 1 for item in items)
        if whole and all(a < b for a, b in zip(items, items[1:], strict=False)):  # type: ignore[operator]
            return items
        return Mismatch("a list of increasing whole numbers, such as `[6, 8]`")


class Sizes(NamedTuple):
    """A list of heights and widths, `[32x32, 64x64]`, given to Python as pairs."""

    def convert(self, value: Value) -> object:
        pair = Pair()
        items = [pair.convert(item) for item in (value if isinstance(value, tuple) else (value,))]
        if items and not any(isinstance(item, Mismatch) for item in items):
            return tuple(items)
        return Mismatch("a list of heights and widths in pixels, such as `[32x32, 64x64]`")


class Path(NamedTuple):
    """A text; `usual` is an example of one."""

    usual: str = '"images"'

    def convert(self, value: Value) -> object:
        return value if isinstance(value, str) and value else Mismatch(f"a string such as `{self.usual}`")


class ClassWeights(NamedTuple):
    """`none`, `balanced`, or a number above 0 for each class, `[1, 2.5]`, given to Python as floats."""

    words: tuple[str, ...] = ("none", "balanced")

    def convert(self, value: Value) -> object:
        if isinstance(value, Symbol) and value.name in self.words:
            return value.name
        items = value if isinstance(value, tuple) else ()
        if items and all(is_number(item) and cast(Fraction, item) > 0 for item in items):
            return tuple(float(cast(Fraction, item)) for item in items)
        return Mismatch("`none`, `balanced`, or a list with a number above 0 for each class")


class Maybe(NamedTuple):
    """A value of another type, or `none`, given to Python as None."""

    other: ArgType

    def convert(self, value: Value) -> object:
        if isinstance(value, Symbol) and value.name == "none":
            return None
        converted = self.other.convert(value)
        return Mismatch(f"{converted.expected}, or `none`") if isinstance(converted, Mismatch) else converted


class Names(NamedTuple):
    """Names of parts of the network, and in quotes paths of layers: `stem, "stage1.block2"`."""

    def convert(self, value: Value) -> object:
        if isinstance(value, Symbol):
            return value.name
        return value if isinstance(value, str) and value else Mismatch("a name, or a path in quotes")


def arg(
    type: ArgType, default: object = MISSING, *, named: bool = False, last: bool = False, usual: str = ""
) -> Any:
    """A dataclass field that is an argument; `named` ones can't be given by position. One that several
    classes inherit is shown `last`, though a dataclass has it first. One without a default has a `usual`
    value for examples.
    """
    return field(default=default, metadata={"type": type, "last": last, "usual": usual}, kw_only=named)


@cache
def schema(cls: type) -> tuple[Field[Any], ...]:
    return tuple(sorted(fields(cls), key=lambda f: bool(f.metadata.get("last"))))


class Parameter(NamedTuple):
    """One parameter of a signature: of an operation, a recipe's function or a block, whose have no type.

    `default` is what a block's file has for it, `usual` a value for examples.
    """

    name: str
    required: bool
    named: bool = False
    type: ArgType | None = None
    default: str = ""
    usual: str = ""


def expected(arg_type: ArgType) -> str:
    """The values that a type takes, as its errors describe them: no type takes an empty string."""
    refused = arg_type.convert("")
    return refused.expected if isinstance(refused, Mismatch) else ""


@cache
def signature(cls: type) -> tuple[Parameter, ...]:
    return tuple(
        Parameter(f.name, f.default is MISSING, bool(f.kw_only), f.metadata["type"], "", f.metadata["usual"])
        for f in schema(cls)
    )


def convert(cls: type[T], values: dict[str, Value]) -> T | dict[str, Mismatch]:
    """The dataclass with these values, or the mismatch of each value that is refused."""
    converted: dict[str, object] = {}
    wrong: dict[str, Mismatch] = {}
    for f in schema(cast(type, cls)):
        if f.name not in values:
            continue
        result = f.metadata["type"].convert(values[f.name])
        if isinstance(result, Mismatch):
            wrong[f.name] = result
        else:
            converted[f.name] = result
    return wrong or cls(**converted)


def usage(name: str, cls: type) -> str:
    """`conv(out, kernel, stride=1, …)`, for the help of an error."""
    shown = [f.name if f.default is MISSING else f"{f.name}={_default(f.default)}" for f in schema(cls)]
    return f"{name}({', '.join(shown)})" if shown else name


def example(name: str, cls: type) -> str:
    """`conv(16, 3)`: a call with usual values for the arguments that it needs."""
    given = [
        f"{p.name}={p.usual}" if isinstance(p.type, Wholes) else p.usual for p in signature(cls) if p.required
    ]
    return f"{name}({', '.join(given)})" if given else name


def _default(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else show(value)
