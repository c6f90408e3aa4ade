"""JSON from files that may be damaged or come from anywhere: each value is checked against a type."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
    """The value of a JSON text. Raises ValueError if it is invalid, nested deeply, or has a number that is
    not finite or beyond 64 bits.
    """
    try:
        value = json.loads(text, parse_constant=_refused, parse_int=_int, parse_float=_float)
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
    checked: T = _checked(kind, value, name)
    return checked


def _checked(kind: Any, value: Any, name: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is object:
        return value
    if origin in (Union, UnionType):
        if value is None and NoneType in arguments:
            return None
        return _checked(next(inner for inner in arguments if inner is not NoneType), value, name)
    if origin is Literal:
        if value not in arguments:
            raise _mismatch(name, value, f"one of {', '.join(map(str, arguments))}")
    elif origin is Annotated:
        _checked(arguments[0], value, name)
        _require_annotation(arguments[1], value, name)
    elif origin in (list, tuple):
        if not isinstance(value, list):
            raise _mismatch(name, value, "a list")
        return origin(_checked(arguments[0], item, f"{name}[{i}]") for i, item in enumerate(value))
    elif origin is dict or is_dataclass(kind):
        if not isinstance(value, dict):
            raise _mismatch(name, value, "an object")
        if is_dataclass(kind):
            return _instance(kind, value, name)
        return {key: _checked(arguments[1], item, _joined(name, key)) for key, item in value.items()}
    elif isinstance(value, bool) != (kind is bool) or not isinstance(
        value, (int, float) if kind is float else kind
    ):
        raise _mismatch(name, value, _WORDS[kind])
    elif isinstance(value, str):
        _require_encodable(value, name, "surrogateescape")  # As Python reads paths that aren't UTF-8.
    return value


def _instance(kind: Any, values: Mapping[str, Any], name: str) -> Any:
    hints, found = _hints(kind), {}
    for field in fields(kind):
        own = _joined(name, field.name)
        if field.name in values:
            found[field.name] = _checked(hints[field.name], values[field.name], own)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"`{own}` is missing")
    return kind(**found)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _require_annotation(annotation: object, value: Any, name: str) -> None:
    if isinstance(annotation, Range):
        if not annotation.low <= value <= annotation.high:
            raise _mismatch(name, value, f"from {annotation.low:g} to {annotation.high:g}")
    else:
        _require_encodable(value, name, "strict")


def _require_encodable(value: str, name: str, errors: str) -> None:
    try:
        value.encode(errors=errors)
    except UnicodeEncodeError:
        raise ValueError(f"`{name}` is not Unicode text") from None


def _joined(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key


def _mismatch(name: str, value: object, wanted: str) -> ValueError:
    shown = json.dumps(value)
    value_text = f"{shown}, " if len(shown) < 40 else ""
    return ValueError(f"`{name}` is {value_text}not {wanted}" if name else f"it is not {wanted}")


def _require_shallow(value: object, depth: int) -> None:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if inner and not depth:
        raise ValueError("it is nested too deeply")
    for item in inner:
        _require_shallow(item, depth - 1)


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
