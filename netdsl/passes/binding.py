"""Arguments to parameters: the one place that says what is unknown, missing or given twice."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from netdsl import syntax
from netdsl.arguments import Parameter
from netdsl.diagnostics import Diagnostics, Label, listing, nearest
from netdsl.foreign import own_argument, own_value
from netdsl.source import Span

# Of more nothing is said one by one.
MAX_ARGUMENTS = 100


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
    if len(arguments) > MAX_ARGUMENTS:
        message = f"`{name}` has {len(arguments):,} arguments"
        diagnostics.error("NET301", message, span, help=_takes(parameters, [p.name for p in parameters]))
        return None
    known = {parameter.name for parameter in parameters}
    positional = [parameter.name for parameter in parameters if not parameter.named]
    given: dict[str, Given] = {}
    sound = True
    for index, argument in enumerate(arguments):
        place = argument.name.span.to(argument.value.span) if argument.name else argument.value.span
        if argument.name is None and index and arguments[index - 1].name:
            help = _in_order(name, arguments)
            diagnostics.error("NET301", "an argument by position follows one by name", place, help=help)
            return None
        if argument.name is None and index >= len(positional):
            diagnostics.error(
                "NET301", f"`{name}` has too many arguments", place, help=_takes(parameters, positional)
            )
            return None
        parameter = argument.name.text if argument.name else positional[index]
        if parameter not in known:
            assert argument.name is not None
            hint = _own(argument, known) or nearest(parameter, known) or _all(parameters)
            message = f"`{name}` has no argument `{parameter}`"
            diagnostics.error("NET301", message, argument.name.span, help=hint)
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
            help=f"add {_filled(missing)}" if given else f"write `{_usage(name, parameters)}`",
        )
        sound = False
    return list(given.values()) if sound else None


def _own(argument: syntax.Argument, known: Collection[str]) -> str:
    """What to write for an argument of another library."""
    assert argument.name is not None
    if argument.name.text == "activation":
        return f"leave it out, and write `, {own_value(argument.value.span.text)}` after the call"
    own = own_argument(argument.name.text, known)
    if own is None:
        return ""
    written = f"write `{own}={own_value(argument.value.span.text)}`"
    return written if own else "leave it out: what comes in is known"


def _in_order(name: str, arguments: Sequence[syntax.Argument]) -> str:
    """The call with its arguments in an order that can be read."""
    for first, second in zip(arguments, arguments[1:], strict=False):
        shown = f"{first.value.span.text},{second.value.span.text}"
        if first.name and not second.name and first.value.span.to(second.value.span).text == shown:
            return f"numbers have a decimal point: write `{first.name.text}={shown.replace(',', '.')}`"
    by_position = [argument.value.span.text for argument in arguments if argument.name is None]
    by_name = [f"{a.name.text}={a.value.span.text}" for a in arguments if a.name]
    return f"write `{name}({', '.join([*by_position, *by_name])})`"


def _all(parameters: Sequence[Parameter]) -> str:
    return f"it takes {listing(p.name for p in parameters)}" if parameters else "leave it out: it takes none"


def _takes(parameters: Sequence[Parameter], positional: Sequence[str]) -> str:
    if positional:
        return f"it takes {listing(positional)}"
    names = listing(parameter.name for parameter in parameters)
    return f"leave it out, or give it by name: {names}" if parameters else "leave it out: it takes none"


def _filled(missing: Sequence[str]) -> str:
    return listing(f"{parameter}=…" for parameter in missing)


def _usage(name: str, parameters: Sequence[Parameter]) -> str:
    """`conv(out, kernel, …)`."""
    required = [parameter.name for parameter in parameters if parameter.required]
    return f"{name}({', '.join([*required, *(['…'] if len(required) < len(parameters) else [])])})"
