"""Default arguments of operations: what the `default` statements of a file or a block say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from netdsl.diagnostics import Diagnostics, Label, listing, nearest
from netdsl.language.argument_types import signature
from netdsl.ops import OPERATIONS, Operation
from netdsl.other_frameworks.translation import own_argument, own_name
from netdsl.syntax import nodes

# Default arguments by operation and argument.
Defaults: TypeAlias = Mapping[str, Mapping[str, nodes.Argument]]


def inherited_defaults(operation: type[Operation], defaults: Defaults) -> dict[str, nodes.Argument]:
    """An operation's defaults, with those of the operation that it inherits from."""
    own = {parameter.name for parameter in signature(operation)}
    inherited = {n: a for n, a in defaults.get(operation.inherits, {}).items() if n in own}
    return {**inherited, **defaults.get(operation.name, {})}


def read_defaults(calls: Iterable[nodes.Call], diagnostics: Diagnostics) -> Defaults:
    """The arguments of `default` statements; what is wrong with one is a diagnostic."""
    defaults: dict[str, dict[str, nodes.Argument]] = {}
    for call in calls:
        name = call.name.text
        if name not in OPERATIONS:
            own = own_name(name)
            help = f"write `{own}`" if own in OPERATIONS else nearest(name, OPERATIONS)
            help = help or "leave it out: defaults are of operations alone, and a block's stand in its head"
            diagnostics.error("NET201", f"there is no operation `{name}`", call.name.span, help=help)
            continue
        known = [parameter.name for parameter in signature(OPERATIONS[name])]
        for argument in call.arguments:
            if argument.name is None:
                diagnostics.error(
                    "NET301",
                    "defaults are given by name",
                    argument.value.span,
                    help=(
                        f"as in `default {name}({_example(known)}=…)`"
                        if known
                        else "leave it out: it takes none"
                    ),
                )
            elif argument.name.text not in known:
                takes = f"it takes {listing(known)}" if known else "leave it out: it takes none"
                other = own_argument(argument.name.text, known)
                help = f"write `{other}`" if other else nearest(argument.name.text, known) or takes
                message = f"`{name}` has no argument `{argument.name.text}`"
                diagnostics.error("NET301", message, argument.name.span, help=help)
            elif first := defaults.get(name, {}).get(argument.name.text):
                assert first.name
                message = f"`{argument.name.text}` of `{name}` has two defaults"
                also = [Label(first.name.span, "first here")]
                diagnostics.error("NET301", message, argument.name.span, also=also, help="remove one")
            else:
                defaults.setdefault(name, {})[argument.name.text] = argument
    return defaults


def _example(known: Sequence[str]) -> str:
    """An argument that people give defaults for."""
    return "bias" if "bias" in known else known[0]
