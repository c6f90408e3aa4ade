"""Arguments to parameters: the one place that says what is unknown, missing or given twice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from netdsl.base.source import Span
from netdsl.diagnostics import Diagnostics, Label, listing
from netdsl.language.argument_types import Parameter
from netdsl.resolve.argument_suggestions import in_order, too_many, twice, unknown
from netdsl.syntax import nodes

# Of more nothing is said one by one.
MAX_ARGUMENTS = 100


class Given(NamedTuple):
    """An argument that found its parameter."""

    parameter: str
    value: nodes.Expr
    span: Span


def bind(
    name: str,
    parameters: Sequence[Parameter],
    arguments: Sequence[nodes.Argument],
    span: Span,
    diagnostics: Diagnostics,
    *,
    filled: frozenset[str] = frozenset(),
) -> list[Given] | None:
    """The arguments by parameter, or None after diagnostics; `filled` parameters need none."""
    if len(arguments) > MAX_ARGUMENTS:
        message = f"`{name}` has {len(arguments):,} arguments"
        diagnostics.error("NET301", message, span, help="leave most of them out")
        return None
    known = {parameter.name for parameter in parameters}
    positional = [parameter.name for parameter in parameters if not parameter.named]
    given: dict[str, Given] = {}
    sound = True
    for index, argument in enumerate(arguments):
        place = argument.name.span.to(argument.value.span) if argument.name else argument.value.span
        if argument.name is None and index and arguments[index - 1].name:
            help = in_order(name, parameters, arguments)
            diagnostics.error("NET301", "an argument by position follows one by name", place, help=help)
            return None
        if argument.name is None and index >= len(positional):
            help = too_many(name, parameters, arguments, span)
            diagnostics.error("NET301", f"`{name}` has too many arguments", place, help=help)
            return None
        parameter = argument.name.text if argument.name else positional[index]
        if parameter not in known:
            assert argument.name is not None
            hint = unknown(name, argument, parameters, arguments, span)
            message = f"`{name}` has no argument `{parameter}`"
            diagnostics.error("NET301", message, argument.name.span, help=hint)
            sound = False
        elif parameter in given:
            also = [Label(given[parameter].span, "first given here")]
            help = twice(name, arguments, given[parameter].value) if argument.name else "remove one"
            diagnostics.error("NET301", f"`{name}` is given `{parameter}` twice", place, also=also, help=help)
            sound = False
        else:
            given[parameter] = Given(parameter, argument.value, place)
    missing = [p.name for p in parameters if p.required and p.name not in given and p.name not in filled]
    if missing and sound:
        diagnostics.error(
            "NET301",
            f"`{name}` needs {listing(missing)}",
            span,
            help=_added(span, missing) if given else f"write `{_usage(name, parameters)}`",
        )
        sound = False
    return list(given.values()) if sound else None


def _added(span: Span, missing: Sequence[str]) -> str:
    """What to add; most kernels are 3x3."""
    if missing == ["kernel"] and (call := re.fullmatch(r"(\w+\(.*?),?\s*\)", span.text)):
        return f"write `{call[1]}, {'kernel=' if '=' in call[1] else ''}3)`"
    return "add " + listing(f"{parameter}=…" for parameter in missing)


def _usage(name: str, parameters: Sequence[Parameter]) -> str:
    """`conv(out, kernel, …)`."""
    required = [parameter.name for parameter in parameters if parameter.required]
    return f"{name}({', '.join([*required, *(['…'] if len(required) < len(parameters) else [])])})"
