"""The argument checker: of calls, `default`s, recipes and init rules.

`bind` matches arguments with parameters, and reports those that are unknown, missing or duplicate.
`argument_values` also evaluates them, and `wrong_argument` reports a value of the wrong type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import cast

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Span
from netdsl.base.values import Size, Symbol, Value, is_number, show
from netdsl.diagnostics import Diagnostics, Help, Label, listing, write
from netdsl.language.argument_types import (
    ArgType,
    ClassWeights,
    Flag,
    Maybe,
    Mismatch,
    Parameter,
    Word,
    convert,
    expected,
    signature,
)
from netdsl.language.expressions import Const, Expr
from netdsl.ops import OPERATIONS
from netdsl.other_frameworks.translation import own_value
from netdsl.resolve.argument_suggestions import (
    in_order,
    too_many,
    twice,
    unknown,
    write_call,
    written,
)
from netdsl.resolve.scope import Scope
from netdsl.syntax import nodes

# Calls with more arguments get a single error.
MAX_ARGUMENTS = 100


class Given(NamedTuple):
    """An argument with its parameter. `span` includes the name."""

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
    """The arguments by parameter, or None after diagnostics; `filled` parameters are not required."""
    given, sound = match_arguments(name, parameters, arguments, span, diagnostics)
    found = {argument.parameter for argument in given} | filled
    missing = [p.name for p in parameters if p.required and p.name not in found]
    if missing and sound:
        help = _added(parameters, arguments, missing, span)
        diagnostics.error("NET301", f"`{name}` needs {listing(missing)}", span, help=help)
        return None
    return given if sound else None


def match_arguments(
    name: str,
    parameters: Sequence[Parameter],
    arguments: Sequence[nodes.Argument],
    span: Span,
    diagnostics: Diagnostics,
) -> tuple[list[Given], bool]:
    """The arguments that match a parameter, and whether all do; each other one is reported."""
    if len(arguments) > MAX_ARGUMENTS:
        message = f"`{name}` has {len(arguments):,} arguments"
        diagnostics.error("NET301", message, span, help="leave most of them out")
        return [], False
    known = {parameter.name for parameter in parameters}
    positional = [parameter.name for parameter in parameters if not parameter.named]
    given: dict[str, Given] = {}
    sound = True
    for index, argument in enumerate(arguments):
        place = argument.span
        if argument.name is None and index and arguments[index - 1].name:
            fix = in_order(name, parameters, arguments)
            diagnostics.error("NET301", "an argument by position follows one by name", place, help=fix)
            return list(given.values()), False
        if argument.name is None and index >= len(positional):
            message = f"`{name}` has too many arguments"
            if parameters and not positional:
                message = f"`{name}` takes its arguments by name"
            diagnostics.error("NET301", message, place, help=too_many(name, parameters, arguments, span))
            return list(given.values()), False
        parameter = argument.name.text if argument.name else positional[index]
        if parameter not in known:
            assert argument.name is not None
            hint = unknown(name, argument, parameters, arguments, span)
            message = f"`{name}` has no argument `{parameter}`"
            diagnostics.error("NET301", message, argument.name.span, help=hint)
            sound = False
        elif parameter in given:
            also = [Label(given[parameter].span, "first given here")]
            help = twice(name, arguments, argument, given[parameter].value)
            diagnostics.error("NET301", f"`{name}` is given `{parameter}` twice", place, also=also, help=help)
            sound = False
        else:
            given[parameter] = Given(parameter, argument.value, place)
    return list(given.values()), sound


def argument_values(
    name: str,
    cls: type,
    arguments: Sequence[nodes.Argument],
    span: Span,
    scope: Scope,
    diagnostics: Diagnostics,
    code: str = "NET302",
) -> dict[str, Value] | None:
    """The values of the arguments of a recipe's choice or of an init rule, or None after diagnostics."""
    given = bind(name, signature(cls), arguments, span, diagnostics)
    if given is None:
        return None
    types = {parameter.name: parameter.type for parameter in signature(cls)}
    values: dict[str, Value] = {}
    for argument in given:
        word = argument.value.name if isinstance(argument.value, nodes.Name) else ""
        if word not in scope.names.constants and (other := _of_other(types, argument.parameter, word)):
            message = f"`{word}` is not a value of `{argument.parameter}`, but of `{other}`"
            diagnostics.error(code, message, argument.span, help=write(argument.span, f"{other}={word}"))
            return None
        arg_type = cast(ArgType, types[argument.parameter])
        value = scope.value(argument.value, words_of(arg_type), expected(arg_type))
        if value is None:
            return None
        values[argument.parameter] = value
    checked = convert(cls, values)
    if not isinstance(checked, dict):
        return values
    for argument in given:
        if mismatch := checked.get(argument.parameter):
            value, help = values[argument.parameter], cast(Help, "")
            if isinstance(types[argument.parameter], Flag):
                if later := _later(types, argument.parameter, values):
                    help = write(argument.span, f"{later}={argument.value.span.text}")
                if len(values) == 1:
                    help = write_call(name, arguments, ())
            elif isinstance(types[argument.parameter], Word) and is_number(value) and len(arguments) == 2:
                help = write_call(name, arguments, [argument.value.span.text])  # torch: the size, the padding
            mismatch = meant(value, types[argument.parameter]) or mismatch
            expr = Const(value, argument.value.span)
            wrong_argument(name, argument.parameter, expr, mismatch, diagnostics, help=help, code=code)
    return None


def wrong_argument(
    name: str,
    argument: str,
    expr: Expr,
    mismatch: Mismatch,
    diagnostics: Diagnostics,
    value: object = None,
    also: Sequence[Label] = (),
    help: Help = "",
    code: str = "NET302",
) -> None:
    """Reports an argument of the wrong value: the constant `expr`, or its `value`."""
    found, place = (expr.value if isinstance(expr, Const) else value), expr.span
    help = help or _own(mismatch, place) or f"it must be {mismatch.expected}"
    if isinstance(found, Symbol) and getattr(OPERATIONS.get(found.name), "is_activation", False):
        help = f"write it as a separate step after the call: `, {found.name}`"
    if place and found == 0 and "//" in place.text:
        help = write(place, f"max(1, {place.text})")
    quotient = place.text.partition("/") if isinstance(found, Fraction) and place else ("", "", "")
    if place and quotient[1] and "/" not in quotient[2] and "whole" in mismatch.expected:
        help = write(place, f"{quotient[0].strip()} // {quotient[2].strip()}", ", which rounds down")
    diagnostics.error(code, f"`{argument}` of `{name}` is {show(found)}", place, also=also, help=help)


def _own(mismatch: Mismatch, place: Span | None) -> Help:
    return write(place, mismatch.own, mismatch.why) if place and mismatch.own else ""


def meant(value: Value, arg_type: object) -> Mismatch | None:
    """The mismatch that asks for `3` in place of `"3"`, or `3x3` in place of `[3, 3]`, if that is valid."""
    own = _meant(value)
    if own is None or isinstance(_converted(arg_type, own), Mismatch):
        return None
    why = ", without quotes" if isinstance(value, str) else ", in one word"
    return Mismatch(f"`{show(own)}`{why}", show(own), why)


def _meant(value: Value) -> Symbol | Size | bool | int | None:
    """The word, flag, number or size that a text most likely means, or the size for a list."""
    match value:
        case str() if re.fullmatch(r"\d{1,9}(x\d{1,9})?", value):
            return Size(tuple(map(int, value.split("x")))) if "x" in value else int(value)
        case str():
            own = own_value(f'"{value}"')
            return own == "yes" if own in ("yes", "no") else Symbol(own)
        case (int(height), int(width)):
            return Size((height, width))
    return None


def words_of(arg_type: object) -> tuple[str, ...]:
    """The bare words that an argument takes."""
    if isinstance(arg_type, Maybe):
        return ("none", *words_of(arg_type.other))
    return arg_type.words if isinstance(arg_type, Word | ClassWeights) else ()


def _of_other(types: Mapping[str, object], parameter: str, word: str) -> str:
    """The other parameter that takes a word: `padding_mode` for `padding=reflect`."""
    if word in words_of(types[parameter]):
        return ""
    return next((name for name, arg_type in types.items() if word in words_of(arg_type)), "")


def _later(types: Mapping[str, object], flag: str, values: Mapping[str, Value]) -> str:
    """The parameter after a flag that takes the number given for it: `sgd(0.1, 0.9, 5e-4)`."""
    names = list(types)
    later = [name for name in names[names.index(flag) + 1 :] if name not in values]
    return next((n for n in later if not isinstance(_converted(types[n], values[flag]), Mismatch)), "")


def _converted(arg_type: object, value: Value) -> object:
    return cast(ArgType, arg_type).convert(value)


def _added(
    parameters: Sequence[Parameter], arguments: Sequence[nodes.Argument], missing: Sequence[str], span: Span
) -> Help:
    """The help for missing arguments: usual values, where there are any, if there are any."""
    usual = [p for p in parameters if p.name in missing and p.usual]
    if len(usual) < len(missing):
        return f"choose {listing(missing)}, and add {'it' if len(missing) == 1 else 'them'} to the call"
    by_name = any(argument.name for argument in arguments)
    given = [f"{p.name}={p.usual}" if by_name else p.usual for p in usual]
    if arguments:
        inside = arguments[-1].span
        call = span.text[: inside.end - span.start].removeprefix("stage ")
        more = f", {', '.join(given)}"
        return write(
            Span(span.source, inside.end, inside.end),
            more,
            shown=f"{call}{more})",
            safe=missing == ["kernel"],
        )
    place = re.compile(r"(\w+)(\s*\(\s*\))?$").search(span.source.text, span.start, span.end)
    assert place is not None
    texts = all(value.startswith('"') for value in given)
    why = ", with your path" if texts else ", with the numbers that you mean"
    why = "" if missing == ["kernel"] else why
    return write(Span(span.source, *place.span()), written(place[1], given), why, safe=not why)
