"""Arguments to parameters: the one place that says what is unknown, missing or given twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from netdsl import syntax
from netdsl.arguments import Parameter
from netdsl.diagnostics import Diagnostics, Label, listing, nearest
from netdsl.source import Span


class Given(NamedTuple):
    """An argument that found its parameter."""

    parameter: str
    value: syntax.Expr
    span: Span


def bind(
    name: str,
    parameters: Sequence[Parameter],
    arguments: Sequence[syntax.Argument],
    span: Span,
    diagnostics: Diagnostics,
    *,
    filled: frozenset[str] = frozenset(),
) -> list[Given] | None:
    """The arguments by parameter, or None after diagnostics; `filled` parameters need none."""
    known = {parameter.name for parameter in parameters}
    positional = [parameter.name for parameter in parameters if not parameter.named]
    given: dict[str, Given] = {}
    sound = True
    for index, argument in enumerate(arguments):
        place = argument.name.span.to(argument.value.span) if argument.name else argument.value.span
        if argument.name is None and index >= len(positional):
            diagnostics.error(
                "NET301", f"`{name}` has too many arguments", place, help=_takes(parameters, positional)
            )
            return None
        parameter = argument.name.text if argument.name else positional[index]
        if parameter not in known:
            hint = nearest(parameter, known) or (
                f"it takes {listing(p.name for p in parameters)}" if known else "it takes none"
            )
            where = argument.name.span if argument.name else place
            diagnostics.error("NET301", f"`{name}` has no argument `{parameter}`", where, help=hint)
            sound = False
        elif parameter in given:
            also = [Label(given[parameter].span, "first given here")]
            diagnostics.error(
                "NET301", f"`{name}` is given `{parameter}` twice", place, also=also, help="remove one"
            )
            sound = False
        else:
            given[parameter] = Given(parameter, argument.value, place)
    missing = [p.name for p in parameters if p.required and p.name not in given and p.name not in filled]
    if missing and sound:
        diagnostics.error(
            "NET301",
            f"`{name}` needs {listing(missing)}",
            span,
            help=f"write `{_usage(name, parameters)}`",
        )
        sound = False
    return list(given.values()) if sound else None


def _takes(parameters: Sequence[Parameter], positional: Sequence[str]) -> str:
    if positional:
        return f"it takes {listing(positional)}"
    return f"give it by name: {listing(p.name for p in parameters)}" if parameters else "it takes none"


def _usage(name: str, parameters: Sequence[Parameter]) -> str:
    """`conv(out, kernel, …)`."""
    required = [parameter.name for parameter in parameters if parameter.required]
    return f"{name}({', '.join([*required, *(['…'] if len(required) < len(parameters) else [])])})"
