"""Warnings about unused and hidden names, and unreachable cases."""

from __future__ import annotations

from netdsl.base.source import Span
from netdsl.base.tree import nested
from netdsl.diagnostics import Diagnostics, Edit, Fix, Help, Label, remove
from netdsl.resolve.bindings import Bindings, Symbol
from netdsl.syntax import nodes


def warn_of_names(bindings: Bindings, diagnostics: Diagnostics) -> None:
    """Warns of the names in the file of a network; the names of a library are for other files."""
    names, program = bindings.main, bindings.main.own.program
    text = names.own.source
    found = [use for use in bindings.occurrences if use.span.source is text and use.role == "use"]
    used = {use.symbol for use in found}
    holds_a_block = any(
        isinstance(symbol.value, nodes.Name) and symbol.value.name in names.own.blocks
        for symbol in names.constants.values()
    )
    for symbol in names.own.symbols:
        hidden = names.constants.get(symbol.name) if symbol.kind in ("local", "index") else None
        if symbol not in used:
            # `--set` may choose among blocks.
            if not (symbol.kind == "block" and holds_a_block):
                _unused(symbol, diagnostics)
        elif hidden:
            message = f"`{symbol.name}` hides the constant of the same name"
            also = [Label(hidden.span, "this one")]
            diagnostics.error("NET702", message, symbol.span, also=also, help="choose another name")
    for other, place in zip(names.used, names.uses, strict=True):
        if not holds_a_block and not used.intersection(other.blocks.values()):
            fix = remove(place, "remove the `use`")
            diagnostics.error("NET701", "no block of this file is used", place, help=fix)
    for repeat in nested(program, nodes.Repeat):
        _times(repeat.times, diagnostics)
    for when in nested(program, nodes.When):
        _cases(when, diagnostics)


def _unused(symbol: Symbol, diagnostics: Diagnostics) -> None:
    removed = remove(symbol.whole, safe=symbol.kind not in ("parameter", "block", "tensor"))
    help: Help = removed
    match symbol.kind:
        case "parameter" if symbol.is_constant:
            what = "the network parameter"
        case "parameter":
            assert symbol.owner is not None
            what = f"in the block `{symbol.owner.name}`, the parameter"
            help = ("use it in the body", removed)
        case "constant" | "local" if symbol.name != "classes":
            what = "the constant"
        case "index":
            what = "the index"
            text, name = symbol.span.source, symbol.span
            start = len(text.text[: name.start].rstrip().removesuffix("as").rstrip())
            help = Fix("remove it", (Edit(Span(text, start, name.end), ""),))
        case "block":
            what, help = "the block", ("call it", removed)
        case "tensor":
            what, help = "the saved tensor", (f"read it with `from {symbol.name}`", removed)
        case _:
            return
    diagnostics.error("NET701", f"{what} `{symbol.name}` is unused", symbol.span, help=help)


def _times(times: nodes.Expr, diagnostics: Diagnostics) -> None:
    match times:
        case nodes.Literal(0):
            diagnostics.error("NET708", "`repeat 0` never runs", times.span, help="remove it")
        case nodes.Literal(1):
            help = "write its steps without it"
            diagnostics.error("NET708", "`repeat 1` runs once", times.span, help=help)


def _cases(when: nodes.When, diagnostics: Diagnostics) -> None:
    """Warns of constant and of duplicate conditions."""
    before: dict[str, Span] = {}
    for condition, _ in when.cases:
        text = " ".join(condition.span.text.split())
        if text in before:
            message = "unreachable case: an earlier one has the same condition"
            also = [Label(before[text], "first here")]
            help = "remove it, or correct its condition"
            diagnostics.error("NET706", message, condition.span, also=also, help=help)
        elif not any(nested(condition, nodes.Name)):
            message = "constant condition: one of the cases is unreachable"
            help = "write the steps of the other case without the `when`"
            diagnostics.error("NET706", message, condition.span, help=help)
        before.setdefault(text, condition.span)
