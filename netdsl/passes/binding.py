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
            takes = f"it takes {listing(positional)}" if positional else "it takes none by position"
            diagnostics.error("NET204", f"`{name}` has too many arguments", place, help=takes)
            sound = False
            continue
        parameter = argument.name.text if argument.name else positional[index]
        if parameter not in known:
            hint = nearest(parameter, known) or (
                f"it takes {listing(p.name for p in parameters)}" if known else "it takes none"
            )
            diagnostics.error("NET204", f"`{name}` has no argument `{parameter}`", place, help=hint)
            sound = False
        elif parameter in given:
            also = [Label(given[parameter].span, "first given here")]
            diagnostics.error(
                "NET204", f"`{name}` is given `{parameter}` twice", place, also=also, help="remove one"
            )
            sound = False
        else:
            given[parameter] = Given(parameter, argument.value, place)
    missing = [p.name for p in parameters if p.required and p.name not in given and p.name not in filled]
    if missing and sound:
        diagnostics.error(
            "NET204",
            f"`{name}` needs {listing(missing)}",
            span,
            help=(
                f"write {name}({', '.join(missing)}, …)"
                if len(missing) > 1
                else f"write {name}({missing[0]}=…)"
            ),
        )
        sound = False
    return list(given.values()) if sound else None
