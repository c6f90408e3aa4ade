"""Default arguments of operations: the `default` statements of a file or a block."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from netdsl.diagnostics import Diagnostics, Help, Label, misspelt, remove, write
from netdsl.language.argument_types import signature
from netdsl.ops import OPERATIONS, Operation
from netdsl.other_frameworks.translation import own_name
from netdsl.resolve.bind_arguments import Given, match_arguments
from netdsl.syntax import nodes

# Default arguments by operation and argument.
Defaults: TypeAlias = Mapping[str, Mapping[str, Given]]


def inherited_defaults(operation: type[Operation], defaults: Defaults) -> dict[str, Given]:
    """An operation's defaults, with those of the operation that it inherits from."""
    own = {parameter.name for parameter in signature(operation)}
    inherited = {n: a for n, a in defaults.get(operation.inherits, {}).items() if n in own}
    return {**inherited, **defaults.get(operation.name, {})}


def read_defaults(calls: Iterable[nodes.Call], diagnostics: Diagnostics) -> Defaults:
    """The arguments of `default` statements; each that is wrong is left out after a diagnostic."""
    defaults: dict[str, dict[str, Given]] = {}
    for call in calls:
        name = call.name.text
        if name not in OPERATIONS:
            own = own_name(name)
            place = call.name.span
            help: Help = write(place, own) if own in OPERATIONS else misspelt(place, OPERATIONS) or ""
            help = help or "leave it out: only operations have defaults; those of a block are in its head"
            diagnostics.error(
                "undefined-operation", f"there is no operation `{name}`", call.name.span, help=help
            )
            continue
        known = defaults.setdefault(name, {})
        parameters = [p._replace(required=False, named=True) for p in signature(OPERATIONS[name])]
        given, _ = match_arguments(name, parameters, call.arguments, call.span, diagnostics)
        for argument in given:
            first = known.setdefault(argument.parameter, argument)
            if first is not argument:
                message = f"`{argument.parameter}` of `{name}` has two defaults"
                also = [Label(first.span, "first here")]
                fix = remove(argument.span, "remove one", safe=False)
                diagnostics.error("NET301", message, argument.span, also=also, help=fix)
    return defaults
