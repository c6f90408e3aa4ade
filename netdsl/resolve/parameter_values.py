"""Checks that a network parameter has one of the values that it declares: `depth=18 in [18, 34]`."""

from __future__ import annotations

from pathlib import Path

from netdsl.base.source import Span
from netdsl.base.values import Value, is_number, show
from netdsl.diagnostics import Diagnostics, Help, Label, misspelt, write
from netdsl.resolve.bindings import Symbol
from netdsl.syntax.net_files import parameters_of, shipped


def check_value(
    parameter: Symbol, value: Value, values: list[Value], place: Span, diagnostics: Diagnostics
) -> bool:
    """True if the value of a parameter is one of its `values`; reports another one at its place."""
    if any(type(value) is type(known) and value == known for known in values):
        return True
    *others, last = map(show, values)
    known = f"{', '.join(others)} or {last}" if others else last
    message = f"`{parameter.name}` is {show(value)}, but must be {known}"
    also = [Label(parameter.values[0].span.to(parameter.values[-1].span), "declared here")]
    help = _help(parameter, value, values, place)
    diagnostics.error("parameter-value", message, place, also=also, help=help)
    return False


def _help(parameter: Symbol, value: Value, values: list[Value], place: Span) -> Help:
    if others := [name for name in _others(parameter.span) if _has(name, parameter.name, place.text)]:
        return f"use `{others[0]}`, which has `{parameter.name}={show(value)}`"
    if is_number(value) and all(map(is_number, values)):
        near = min(values, key=lambda known: abs(known - value))  # type: ignore[operator]
        fix = write(place, show(near), safe=False)
    else:
        fix = misspelt(place, map(show, values)) or write(place, show(values[0]), safe=False)
    return fix


def _others(span: Span) -> list[str]:
    """The other networks that come with netdsl, the most similar name first, for the parameter of one."""
    path = Path(span.source.name)
    found = shipped()
    if found.get(path.stem) != path.absolute():
        return []
    from difflib import get_close_matches

    return get_close_matches(path.stem, found.keys() - {path.stem}, n=len(found), cutoff=0)


def _has(network: str, name: str, value: str) -> bool:
    """True if another network's parameter of the name declares a value."""
    values = (p.values for p in parameters_of(network) if p.name.text == name)
    return any(known.span.text == value for known in next(values, ()))
