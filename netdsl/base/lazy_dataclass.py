"""Frozen data classes that start fast: their methods are compiled when the first of them is used.

`dataclass` compiles six methods of each class when it is defined, half a millisecond for each of the ninety
operations, recipe values and rules, of which one network uses ten.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from threading import RLock
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")
_FIELDS = "__dataclass_fields__"
_LOCK = RLock()


@dataclass_transform(frozen_default=True)
def lazy_dataclass(cls: type[T]) -> type[T]:
    """As `dataclass(frozen=True)`, at the first instance, or when something asks for the fields."""

    def __init__(self: Any, *arguments: Any, **named: Any) -> None:
        _complete(cls)
        self.__init__(*arguments, **named)

    def __setstate__(self: Any, state: Mapping[str, Any]) -> None:
        _complete(cls)  # unpickling calls no `__init__`
        vars(self).update(state)

    for name, value in (("__init__", __init__), ("__setstate__", __setstate__), (_FIELDS, _Fields(cls))):
        setattr(cls, name, value)
    return cls


class _Fields:
    """Stands where `dataclass` puts the fields of a class, and completes the class when it is read."""

    def __init__(self, cls: type) -> None:
        self._cls = cls

    def __get__(self, instance: object, owner: type) -> Any:
        _complete(self._cls)
        return getattr(owner, _FIELDS)


def _complete(cls: type) -> None:
    with _LOCK:
        if isinstance(vars(cls)[_FIELDS], _Fields):
            delattr(cls, "__init__")
            delattr(cls, _FIELDS)
            dataclass(frozen=True)(cls)
