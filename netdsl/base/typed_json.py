"""JSON from files that may be damaged or come from anywhere: each value is checked against a type."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

# Deeper values are refused: code that walks through them is recursive.
_DEPTH = 32
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Range:
    """The smallest and largest value of an annotated number."""

    low: float
    high: float


# Numbers of images, steps and epochs; seconds; accuracies; text that can be written as UTF-8.
Count: TypeAlias = Annotated[int, Range(0, 10**15)]
Seconds: TypeAlias = Annotated[float, Range(0, 1e12)]
Share: TypeAlias = Annotated[float, Range(0, 1)]
Text: TypeAlias = Annotated[str, "UTF-8"]

_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "a boolean"}


def parse(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError if it is invalid, nested deeply, or has a key twice in an
    object, or a number that is not finite or beyond 64 bits.
    """
    try:
        value = json.loads(
            text, parse_constant=_refused, parse_int=_int, parse_float=_float, object_pairs_hook=_unique
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error}") from None
    _require_shallow(value, _DEPTH)
    return value


def typed(kind: type[T], value: object, name: str = "") -> T:
    """A parsed value as an instance of `kind`: a dataclass, or a type of its fields.

    Keys that a dataclass lacks are ignored, since later versions may write them. Raises ValueError, which
    names the value, if the type differs.
    """
    hashable: Any = kind
    try:
        checked: T = _checker(hashable)(value)
    except _Unfit as error:
        raise ValueError(error.text(name)) from None
    return checked


class _Unfit(Exception):
    """A value of another type than `wanted`, or one that has another `fault`; `path` are the keys and indices
    that lead to it, the last one first.
    """

    def __init__(self, value: object, wanted: str, fault: str = "", path: tuple[str, ...] = ()) -> None:
        super().__init__(wanted, fault)
        self.path: list[str | int] = list(path)
        self._value, self._wanted, self._fault = value, wanted, fault

    def text(self, name: str) -> str:
        """The message about the value, within one that is called `name`."""
        for step in reversed(self.path):
            name = f"{name}[{step}]" if isinstance(step, int) else f"{name}.{step}" if name else step
        if self._fault:
            return f"`{name}` {self._fault}"
        shown = json.dumps(self._value)
        value_text = f"{shown}, " if len(shown) < 40 else ""
        return f"`{name}` is {value_text}not {self._wanted}" if name else f"it is not {self._wanted}"


# Functions that return the checked value, or raise _Unfit. They are made once for each type: annotations of
# images have millions of values.
_Check: TypeAlias = Callable[[Any], Any]


@cache
def _checker(kind: Any) -> _Check:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is object:
        return lambda value: value
    if origin in (Union, UnionType):
        inner = _checker(next(each for each in arguments if each is not NoneType))
        optional = NoneType in arguments
        return lambda value: None if value is None and optional else inner(value)
    if origin is Literal:
        return _literal(arguments)
    if origin is Annotated:
        return _annotated(_checker(arguments[0]), arguments[1])
    if origin in (list, tuple):
        return _several(origin, _checker(arguments[0]))
    if origin is dict:
        return _mapping(_checker(arguments[1]))
    return _instance(kind) if is_dataclass(kind) else _scalar(kind)


def _literal(choices: tuple[Any, ...]) -> _Check:
    def check(value: Any) -> Any:
        if value not in choices:
            raise _Unfit(value, f"one of {', '.join(map(str, choices))}")
        return value

    return check


def _annotated(inner: _Check, annotation: object) -> _Check:
    def check(value: Any) -> Any:
        inner(value)
        if isinstance(annotation, Range):
            if not annotation.low <= value <= annotation.high:
                raise _Unfit(value, f"from {annotation.low:g} to {annotation.high:g}")
        else:
            _require_encodable(value, "strict")
        return value

    return check


def _several(kind: Callable[[list[Any]], Any], inner: _Check) -> _Check:
    def check(value: Any) -> Any:
        if not isinstance(value, list):
            raise _Unfit(value, "a list")
        found: list[Any] = []
        try:
            for item in value:
                found.append(inner(item))
        except _Unfit as error:
            error.path.append(len(found))
            raise
        return kind(found)

    return check


def _mapping(inner: _Check) -> _Check:
    def check(value: Any) -> Any:
        _require_object(value)
        return {key: _at(key, inner, item) for key, item in value.items()}

    return check


def _instance(kind: Any) -> _Check:
    # Made with the first value: a class may have fields of its own type.
    @cache
    def parts() -> list[tuple[str, _Check, bool]]:
        hints = get_type_hints(kind, include_extras=True)
        return [
            (each.name, _checker(hints[each.name]), each.default is each.default_factory is MISSING)
            for each in fields(kind)
        ]

    def check(value: Any) -> Any:
        _require_object(value)
        found = {}
        for name, inner, required in parts():
            if name in value:
                found[name] = _at(name, inner, value[name])
            elif required:
                raise _Unfit(value, "", "is missing", (name,))
        return kind(**found)

    return check


def _scalar(kind: Any) -> _Check:
    kinds = (int, float) if kind is float else kind

    def check(value: Any) -> Any:
        if isinstance(value, bool) != (kind is bool) or not isinstance(value, kinds):
            raise _Unfit(value, _WORDS[kind])
        if isinstance(value, str):
            _require_encodable(value, "surrogateescape")  # As Python reads paths that aren't UTF-8.
        return value

    return check


def _at(key: str, inner: _Check, value: Any) -> Any:
    try:
        return inner(value)
    except _Unfit as error:
        error.path.append(key)
        raise


def _require_object(value: object) -> None:
    if not isinstance(value, dict):
        raise _Unfit(value, "an object")


def _require_encodable(value: str, errors: str) -> None:
    if value.isascii():
        return
    try:
        value.encode(errors=errors)
    except UnicodeEncodeError:
        raise _Unfit(value, "", "is not Unicode text") from None


def _require_shallow(value: object, depth: int) -> None:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if inner and not depth:
        raise ValueError("it is nested too deeply")
    for item in inner:
        _require_shallow(item, depth - 1)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"`{twice[:40]}` is in an object twice")
    return found


def _refused(word: str) -> None:
    raise ValueError(f"{word} is not a number of JSON")


def _int(digits: str) -> int:
    if len(digits) > 20 or abs(int(digits)) > _LARGEST:
        raise ValueError(f"a number of {len(digits)} digits is too large")
    return int(digits)


def _float(text: str) -> float:
    if not isfinite(number := float(text)):
        raise ValueError(f"the number {text[:20]} is too large")
    return number
