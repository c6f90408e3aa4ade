"""The statement `variant`: other names of a network, each with values of its parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netdsl.base.named_tuple import NamedTuple
from netdsl.diagnostics import Diagnostics, Label, listing, misspelt, remove, write
from netdsl.language.expressions import evaluate
from netdsl.language.words import INPUT
from netdsl.resolve.bindings import FileNames
from netdsl.resolve.input_and_expect import read_input
from netdsl.resolve.parameter_values import check_value
from netdsl.resolve.scope import Scope, check_name
from netdsl.syntax import nodes


class Chosen(NamedTuple):
    """The values of a variant, and its name; of the network itself, if there is no variant."""

    name: str
    input: tuple[nodes.Expr, ...] = ()
    parameters: Mapping[str, nodes.Expr] = {}


def chosen(
    network: nodes.Network | None,
    variants: Sequence[nodes.Variant],
    wanted: Sequence[nodes.Expr],
    diagnostics: Diagnostics,
) -> Chosen:
    """The `wanted` variant, of `--set variant=NAME`; else, and after a diagnostic, the network itself."""
    name = network.name.text if network else ""
    if network is None or not wanted:
        return Chosen(name)
    place = wanted[0].span
    found = next((variant for variant in variants if variant.name.text == place.text), None)
    if found is None:
        names = [variant.name.text for variant in variants]
        help = misspelt(place, names) or (f"it has {listing(names)}" if names else "it has none")
        message = f"`{name}` has no variant `{place.text}`"
        diagnostics.error("undefined-variant", message, place, help=help)
        return Chosen(name)
    given = {argument.name.text: argument.value for argument in found.arguments if argument.name}
    known = {parameter.name.text for parameter in network.parameters}
    return Chosen(
        found.name.text,
        (given[INPUT],) if INPUT in given else (),
        {name: value for name, value in given.items() if name in known},
    )


def check_variants(
    network: nodes.Network,
    variants: Sequence[nodes.Variant],
    names: FileNames,
    scope: Scope,
    diagnostics: Diagnostics,
) -> None:
    """Reports variants of the same name, unknown parameters, and values that a parameter can't have."""
    seen = {network.name.text: network.name.span}
    for variant in variants:
        name = variant.name
        check_name(name, diagnostics)
        if name.text in seen:
            message = f"the name `{name.text}` is given twice"
            also = [Label(seen[name.text], "first here")]
            diagnostics.error("NET202", message, name.span, also=also, help="rename one")
        seen.setdefault(name.text, name.span)
        _check_arguments(network, variant, names, scope, diagnostics)


def _check_arguments(
    network: nodes.Network,
    variant: nodes.Variant,
    names: FileNames,
    scope: Scope,
    diagnostics: Diagnostics,
) -> None:
    known = {parameter.name.text: parameter for parameter in network.parameters}
    given: set[str] = set()
    for argument in variant.arguments:
        word, value = argument.name, argument.value
        if word is None:
            left = [name for name in known if name not in given]
            help = remove(variant.span, "leave the line out")
            if left:
                help = write(value.span, f"{left[0]}={value.span.text}", safe=len(left) == 1)
            diagnostics.error("NET301", "the values of a variant have names", value.span, help=help)
        elif word.text in given:
            again = remove(argument.span, "remove one", safe=False)
            diagnostics.error("NET301", f"`{word.text}` is given twice", word.span, help=again)
        elif word.text == INPUT:
            read_input(nodes.Input(value, value.span), scope, diagnostics)
        elif word.text not in known:
            possible = [*known, INPUT]
            message = f"`{network.name.text}` has no parameter `{word.text}`"
            diagnostics.error(
                "NET301",
                message,
                word.span,
                help=misspelt(word.span, possible) or f"it has {listing(possible)}",
            )
        else:
            _check_value(word, value, names, scope, diagnostics)
        given.add(word.text if word else "")


def _check_value(
    word: nodes.Word, node: nodes.Expr, names: FileNames, scope: Scope, diagnostics: Diagnostics
) -> None:
    expr = scope.held(word, node, constant=True)
    value = None if expr is None else evaluate(expr, {}, diagnostics)
    symbol = names.constants[word.text]
    values = [found for declared in symbol.values if (found := scope.value(declared)) is not None]
    if value is not None and values:
        check_value(symbol, value, values, node.span, diagnostics)
