"""Titles of parts: their text in a `.net` file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING
from typing import TypeAlias

from netdsl.base.values import Value, show
from netdsl.ir.typed import Instance
from netdsl.language.argument_types import schema
from netdsl.language.expressions import constant, known_or_none
from netdsl.ops import Operation

# A title without default arguments, and all arguments by name.
Titled: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]


def of_operation(operation: type[Operation], values: Mapping[str, Value]) -> Titled:
    """`conv(64, 3, stride=2)`."""
    defaults = {
        f.name: None if f.default is MISSING else constant(f.default).value for f in schema(operation)
    }
    return _titled(operation.name, {name: values[name] for name in defaults}, defaults)


def of_block(instance: Instance) -> Titled:
    """`residual(64, stride=2)`."""
    values = {name: instance.values[name] for name, _ in instance.block.parameters}
    defaults = {
        name: None if default is None else known_or_none(default, instance.values)
        for name, default in instance.block.parameters
    }
    return _titled(instance.block.name, values, defaults)


def _titled(name: str, values: Mapping[str, Value], defaults: Mapping[str, Value | None]) -> Titled:
    """Required arguments are by position, others by name; a default of None means required."""
    shown = {parameter: show(value) for parameter, value in values.items()}
    written = [
        text if defaults[parameter] is None else f"{parameter}={text}"
        for parameter, text in shown.items()
        if defaults[parameter] is None or show(defaults[parameter]) != text
    ]
    return f"{name}({', '.join(written)})" if written else name, tuple(shown.items())
