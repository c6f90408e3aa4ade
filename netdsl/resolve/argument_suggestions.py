"""Helps for arguments that match no parameter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from netdsl.base.source import Span
from netdsl.diagnostics import Fix, Help, add, listing, misspelt, nearest, remove, remove_cell, write
from netdsl.language.argument_types import Pair, Parameter, Wholes, Word, signature
from netdsl.ops import OPERATIONS
from netdsl.other_frameworks.translation import own_argument, own_name, own_parameter, own_value
from netdsl.other_frameworks.untranslated import no_step
from netdsl.syntax import nodes
from netdsl.syntax.tokens import closing

# Names that other libraries use for the opposite of `freeze`.
_TRAINED = ("trainable", "requires_grad", "learnable")
_STAGE = re.compile(r"stage\b")
# Other names for the number of blocks of a stage.
_COPIES = {"n", "count", "num", "blocks", "num_blocks", "n_blocks", "times", "copies", "number", "x"}


def _shown(arguments: Sequence[nodes.Argument]) -> list[str]:
    return [
        f"{a.name.text}={own_value(a.value.span.text)}" if a.name else a.value.span.text for a in arguments
    ]


def written(name: str, arguments: Sequence[str]) -> str:
    """The text of a call with these arguments."""
    return f"{name}({', '.join(arguments)})" if arguments else name


def write_call(name: str, arguments: Sequence[nodes.Argument], shown: Sequence[str], why: str = "") -> Fix:
    """The fix that gives a call other arguments in place of those that it has."""
    inside = arguments[0].span
    text = inside.source.text
    start = inside.start
    while text[start - 1] in "( \t\n":
        start -= 1
    opening = text.index("(", start)
    brackets = Span(inside.source, opening, closing(inside.source, opening) + 1)
    whole = written(name, shown)
    return write(brackets, whole.removeprefix(name), why, shown=whole)


def _number(argument: nodes.Argument) -> str:
    """The text of a positional argument that is a whole number, else an empty string."""
    text = argument.value.span.text
    return text if argument.name is None and text.isdigit() else ""


def in_order(name: str, parameters: Sequence[Parameter], arguments: Sequence[nodes.Argument]) -> Fix:
    """The fix for a positional argument that follows a named one."""
    types = {parameter.name: parameter.type for parameter in parameters}
    shown: list[str] = []
    moved: list[str] = []
    rest = list(arguments)
    while rest:
        first = rest.pop(0)
        text = _shown([first])[0]
        if first.name is None and any("=" in given for given in shown):
            moved.append(text)
            continue
        numbers = []
        while first.name and rest and _number(rest[0]):
            numbers.append(rest.pop(0).value.span)
        value = first.value.span
        if not numbers or first.name is None:
            shown.append(text)
        elif isinstance(types.get(first.name.text), Wholes):
            listed = ", ".join(span.text for span in (value, *numbers))
            shown.append(f"{first.name.text}=[{listed}]")
        elif isinstance(types.get(first.name.text), Pair) and len(shown) and value.text.isdigit():
            shown.append(f"{first.name.text}={own_value(f'({value.text}, {numbers[0].text})')}")
        elif value.source.text.startswith(f",{numbers[0].text}", value.end):
            decimal = f"{first.name.text}={value.text}.{numbers[0].text}"
            return write(first.span.to(numbers[0]), decimal, ", with a decimal point")
        else:
            shown.append(text)
            moved += (span.text for span in numbers)
    by_position = [given for given in shown if "=" not in given]
    by_name = [given for given in shown if "=" in given]
    fix = write_call(name, arguments, [*by_position, *moved, *by_name])
    positional = sum(not parameter.named for parameter in parameters)
    return replace(fix, safe=len(by_position) + len(moved) <= positional)


def twice(name: str, arguments: Sequence[nodes.Argument], again: nodes.Argument, first: nodes.Expr) -> Fix:
    """The fix for an argument that is given `again`. Where it was given by position, as `first`, with another
    value, the first one is most likely the number of input channels, as in `depthwise(64, 3, stride=2)`.
    """
    by_name = [argument.name.text for argument in arguments if argument.name]
    equal = any(a.name and a.value.span.text == first.span.text for a in arguments)
    if arguments[0].name or len(set(by_name)) < len(by_name) or again.name is None:
        return remove(again.span, "remove one", safe=again.value.span.text == first.span.text)
    if not equal and _is_less(first.span.text, again.value.span.text):  # two kernels
        left = [argument for argument in arguments if argument.value is not first]
        return replace(write_call(name, arguments, _shown(left)), safe=False)
    left = [a for a in arguments if a.value is not (first if equal else arguments[0].value)]
    return write_call(name, arguments, _shown(left))


def _is_less(one: str, other: str) -> bool:
    return one.isdigit() and other.isdigit() and int(one) < int(other)


def too_many(
    name: str, parameters: Sequence[Parameter], arguments: Sequence[nodes.Argument], span: Span
) -> Help:
    """The help for a call with too many positional arguments."""
    positional = [parameter for parameter in parameters if not parameter.named]
    by_position = [argument for argument in arguments if argument.name is None]
    by_name = _shown([argument for argument in arguments if argument.name])
    kept, extra = by_position[: len(positional)], by_position[len(positional) :]
    shown = _shown(kept)
    if not positional and parameters:
        names = listing(parameter.name for parameter in parameters)
        small = re.fullmatch(r"0\.00\d+|\d(\.\d+)?e-\d+", extra[0].value.span.text)
        only = "eps" if small and "eps" in names else parameters[0].name if len(parameters) == 1 else ""
        if only and only != "freeze":
            return write_call(name, arguments, [f"{only}={extra[0].value.span.text}", *by_name])
        return (write_call(name, arguments, by_name), f"name the argument: it takes {names}")
    if kept and isinstance(positional[len(kept) - 1].type, Pair) and len(extra) == 1:
        if _number(kept[-1]) and _number(extra[0]):
            shown[-1] = f"{shown[-1]}x{_number(extra[0])}"
    elif _STAGE.match(span.text) and len(extra) == 1 and _number(extra[0]):
        copies, last = _number(kept[-1]), _number(extra[0])
        if len(kept) > 1 and positional[-1].name == "stride" and last == "2" and int(copies or 0) > 2:
            shown[-1:] = [f"repeat={copies}", f"stride={last}"]  # the usual order of a table's columns
        else:
            shown.append(f"repeat={last}")
    return write_call(name, arguments, [*shown, *by_name])


def _is_stage(argument: nodes.Argument, span: Span) -> bool:
    """True if an argument is one of a stage, or of a table outside the row that is the call."""
    return bool(_STAGE.match(span.text)) or not argument.value.span.within(span)


def unknown(
    name: str,
    argument: nodes.Argument,
    parameters: Sequence[Parameter],
    arguments: Sequence[nodes.Argument],
    span: Span,
) -> Help:
    """The help for an argument that matches no parameter."""
    assert argument.name is not None
    given, value, place = argument.name.text, argument.value.span.text, argument.name.span
    known = [parameter.name for parameter in parameters]
    column = bool(argument.column)
    stage = column or _is_stage(argument, span)
    block = bool(parameters) and all(parameter.type is None for parameter in parameters)

    def named(own: str, new: str = value) -> Fix:
        """Another name, and perhaps another value; a column of a table keeps its cells."""
        return write(place, own) if column else write(argument.span, f"{own}={new}")

    def without(why: str = "") -> Help:
        """The call without the argument, or the table without its column."""
        title = f"leave {'its column' if column else 'it'} out{why}"
        if not column:
            return remove(argument.span, title)
        cells = (place, *argument.column)
        return Fix(title, tuple(edit for cell in cells for edit in remove_cell(cell).edits))

    if own_parameter(given, ["act"]) and (not block or not own_parameter(given, known)):
        operation = own_name(own_value(value)) or own_value(value)
        if lost := no_step(value):
            return lost.help
        after = add(span, f", {operation}")
        left = without(f", and write `, {operation}` after the call")
        return (
            replace(left, edits=(*left.edits, *after.edits)) if isinstance(left, Fix) and not stage else left
        )
    if given == "repeat":
        return _repeated(name, argument, arguments, span)
    own = own_argument(given, known)
    if given in _TRAINED and "freeze" in known:
        return (
            named("freeze", "yes")
            if own_value(value) == "no"
            else without(": weights are trained by default")
        )
    if own == "":
        return without(": the size of the input is known")
    if "warmup" in known and own_argument(given, ["lr"]) == "lr":
        return f"leave it out, and give it to the optimizer: `lr={value}`"
    taken = _taken(parameters, [a for a in arguments if a is not argument])
    free = [parameter for parameter in parameters if parameter.name not in taken]
    if not own or own in taken:
        own = own_parameter(given, [parameter.name for parameter in free]) if block else ""
    if own:
        return named(own, own_value(value))
    if stage and (given in _COPIES or nearest(given, ["repeat"])):
        return named("repeat")
    if near := misspelt(place, [parameter.name for parameter in free]):
        return near
    if own := _word(value, parameters, taken):
        return write(argument.span, own)
    if again := next((key for key in known if key in taken and nearest(given, [key])), ""):
        return without(f": `{again}` is already given")
    if given == "stride" and stage:
        if value == "2":
            return (
                f"leave it out, and write `layers {{ maxpool(2) }}` before the stage: `{name}` has no stride"
            )
        return without(f": `{name}` has no stride")
    if not parameters:
        return write_call(name, arguments, (), ": it takes no arguments")
    if block and given in _COPIES:
        return _repeated(name, argument, arguments, span)
    if (not block or given not in _of_operations()) and (only := _only(free, value, block)):
        return replace(named(only), safe=False)
    if block and free:
        shown = (f"{p.name}={p.default}" if p.default else p.name for p in parameters)
        return without(f": the block is `{written(name, list(shown))}`")
    return without(f": it takes {listing(known)}" if free else "")


def _taken(parameters: Sequence[Parameter], arguments: Sequence[nodes.Argument]) -> set[str]:
    """The parameters that have an argument, by position, by name, or by a name of another library."""
    known = [parameter.name for parameter in parameters]
    by_position = sum(argument.name is None for argument in arguments)
    taken = {parameter.name for parameter in [p for p in parameters if not p.named][:by_position]}
    for argument in arguments:
        if argument.name:
            given = argument.name.text
            taken.add(given if given in known else own_argument(given, known) or given)
    return taken


def _only(free: Sequence[Parameter], value: str, block: bool) -> str:
    """The only parameter that is missing, or the only one of a block that takes such a value."""
    missing = [parameter for parameter in free if parameter.required]
    if len(missing) == 1:
        return missing[0].name
    kind = _kind(value)
    alike = [parameter for parameter in free if _kind(parameter.default) == kind]
    return alike[0].name if block and len(alike) == 1 and (kind != "value" or alike == free) else ""


@cache
def _of_operations() -> frozenset[str]:
    """The names of the arguments of operations, which mean nothing else."""
    return frozenset(parameter.name for op in OPERATIONS.values() for parameter in signature(op))


def _kind(value: str) -> str:
    if value in OPERATIONS:
        return "operation"
    return "flag" if own_value(value) in ("yes", "no") else "value"


def _word(value: str, parameters: Sequence[Parameter], taken: set[str]) -> str:
    """The argument for a word: `mode=nearest` for `interpolation=nearest`."""
    words = own_value(value)
    for parameter in parameters:
        if isinstance(parameter.type, Word) and words in parameter.type.words and parameter.name not in taken:
            return f"{parameter.name}={words}"
    return ""


def _repeated(name: str, argument: nodes.Argument, arguments: Sequence[nodes.Argument], span: Span) -> Fix:
    """The fix for `repeat=3` in a call that is not a stage."""
    times = argument.value.span.text
    rest = _shown([a for a in arguments if a is not argument])
    text, start = span.source.text, span.source.text.rfind("\n", 0, span.start) + 1
    alone = re.fullmatch(r"(\s*)layers\s*\{\s*", text[start : span.start])
    if alone and (end := re.match(r"[ \t]*\}", text[span.end :])):
        whole = Span(span.source, start + alone.end(1), span.end + end.end())
        stage = f"stage {written(name, [*rest, f'repeat={times}'])}"
        return write(whole, stage, " in place of `layers { … }`")
    later = [given for given in rest if not given.startswith("stride=")]
    if later == rest:
        return write(span, f"repeat {times} {{ {written(name, rest)} }}")
    fewer = str(int(times) - 1) if times.isdigit() else f"{times} - 1"
    return write(span, f"{written(name, rest)}, repeat {fewer} {{ {written(name, later)} }}")
