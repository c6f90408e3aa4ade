"""Help for undefined names, most of which are defined in another place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Span
from netdsl.base.tree import around, nested
from netdsl.diagnostics import Edit, Fix, Help, Label, add, listing, misspelt, remove, write
from netdsl.language.words import STAGE_NAMES
from netdsl.resolve.bindings import Definitions, FileNames, Symbol
from netdsl.syntax import nodes

T = TypeVar("T")

# Common names for the number of an iteration.
_COUNTERS = {"idx", "index", "iter", "layer", "level", "step", "stage", "count", "depth"}


_EXPRESSIONS = (nodes.Name, nodes.Unary, nodes.Binary, nodes.Choose, nodes.Apply, nodes.ListOf)


class UndefinedName(NamedTuple):
    """The error for an undefined name, and its span, if it isn't that of the name."""

    message: str
    help: Help
    also: tuple[Label, ...] = ()
    span: Span | None = None


def undefined_name_help(name: str, place: Span, names: FileNames) -> UndefinedName | None:
    """The error for a name that is not defined at a place but elsewhere; None if it isn't."""
    text = names.text(place)
    way = list(around(text.program, place)) if text else []
    elsewhere = names.named(name, place)
    return (
        _of_default(name, way)
        or _uncounted(name, way)
        or _later([symbol for symbol in elsewhere if symbol.kind == "local"], place, way)
        or _of_stages(name, way, names)
        or _further_in(elsewhere, names.owner(place), place, way)
        or _of_another(elsewhere, names.owner(place), way)
        or _of_library(name, names.used)
    )


def undefined_tensor(name: nodes.Word, names: FileNames) -> UndefinedName:
    """The error for a `from` without its `save`."""
    text, place = name.text, name.span
    elsewhere = names.named(text, place)
    tensors = [symbol for symbol in elsewhere if symbol.kind == "tensor"]
    known = names.text(place) or names.own
    message = f"no tensor is saved as `{text}` here"
    way = list(around(known.program, place))
    section = _around(way, nodes.Section)
    if found := _later(tensors, place, way):
        return found
    saved = known.find(text, place, tensor=True)
    if (each := _around(way, nodes.Each)) and saved and not saved.span.within(each.span):
        if any(text == word.text for word in each.names) and (step := _around(way, nodes.From)):
            message = f"the body of an `each` starts with `{text}`, and with its other tensors in turn"
            return UndefinedName(message, remove(step.span))
        message = f"the body of an `each` is one for all its tensors; it doesn't know `{text}`"
        outside = Label(saved.whole, "saved outside of it")
        return UndefinedName(message, f"write the steps that use `{text}` outside of it", (outside,))
    if section and section.name and known.find(text, place, tensor=True):
        message = f"the section `{section.name.text}` is a module of its own, which doesn't know `{text}`"
        fix = remove(section.name.span, "remove the name of the section", safe=False)
        return UndefinedName(message, fix, (Label(tensors[0].whole, "saved outside of it"),))
    if section and tensors and known.saved_at_end(text):
        message = f"`{text}` is saved later, in line {_line(tensors[0].whole)}"
        return UndefinedName(message, "save it above this line", (Label(tensors[0].whole, "saved here"),))
    help: Help
    if tensors:
        help = "move both into one body: a saved tensor is known in its body and in those inside"
        return UndefinedName(message, help, (Label(tensors[0].whole, "saved in another body"),))
    if label := next((symbol for symbol in elsewhere if symbol.kind == "label"), None):
        title = f"write `, save {text}` after it: a label doesn't save the tensor"
        help = Fix(title, add(label.whole, f", save {text}").edits)
        return UndefinedName(message, help, (Label(label.whole, "this step has the label"),))
    near = misspelt(place, known.known_at(place, tensor=True))
    return UndefinedName(message, near or f"write `save {text}` before it, in the same body")


def _around(way: Sequence[object], kind: type[T]) -> T | None:
    """The innermost node of a kind."""
    return next((node for node in reversed(way) if isinstance(node, kind)), None)


def _line(span: Span) -> int:
    return span.source.position(span.start)[0]


def _of_default(name: str, way: Sequence[object]) -> UndefinedName | None:
    """The first parameter of a block whose default uses the parameter itself or one after it."""
    block = _around(way, nodes.Block)
    parameters = {p.name.text: p for p in block.parameters} if block else {}
    of_default = any(p.default is node for p in parameters.values() if p.default for node in way)
    if block is None or not of_default or name not in parameters:
        return None
    ordered = ", ".join(map(_shown, _ordered(block.parameters)))
    written = block.parameters[0].span.to(block.parameters[-1].span)
    head = write(written, ordered, shown=f"block {block.name.text}({ordered})", safe=False)
    before: set[str] = set()
    for own, parameter in parameters.items():
        for node in nested(parameter.default, nodes.Name):
            if node.name == own:
                return UndefinedName(f"the default of `{own}` uses `{own}` itself", head, (), node.span)
            if node.name in parameters.keys() - before:
                message = f"the default of `{own}` uses `{node.name}`, which is defined after it"
                return UndefinedName(message, head, (Label(parameters[node.name].name.span),), node.span)
        before.add(own)
    return None


def _ordered(parameters: Sequence[nodes.Parameter]) -> list[nodes.Parameter]:
    """The parameters in an order in which each follows those in its default; one of a circle has no
    default.
    """
    ordered: list[nodes.Parameter] = []
    left = [p._replace(default=None) if p.name.text in _used_by(p) else p for p in parameters]
    while left:
        waiting = {p.name.text for p in left}
        ready = next((p for p in left if not waiting & _used_by(p)), None)
        ordered.append(ready or left[0]._replace(default=None))
        left.pop(left.index(ready) if ready else 0)
    return ordered


def _used_by(parameter: nodes.Parameter) -> set[str]:
    return {node.name for node in nested(parameter.default, nodes.Name)}


def _uncounted(name: str, way: Sequence[object]) -> UndefinedName | None:
    """`i` in a `repeat` without `as i`."""
    repeat = next((n for n in reversed(way) if isinstance(n, nodes.Repeat) and n.variable is None), None)
    if repeat is None or not (len(name) == 1 or name in _COUNTERS):
        return None
    message = f"the name `{name}` is not defined here: this `repeat` has no index"
    title = f"write `repeat {repeat.times.span.text} as {name} {{` in line {_line(repeat.keyword)}"
    help = Fix(title, add(repeat.times.span, f" as {name}").edits)
    return UndefinedName(message, help, (Label(repeat.keyword),))


def _later(symbols: Iterable[Symbol], place: Span, way: Sequence[object]) -> UndefinedName | None:
    """A constant or a saved tensor that is defined after the place, in a body around it."""
    for symbol in symbols:
        if symbol.span.start > place.start and place.end <= symbol.known.end:
            around = (b for b in reversed(way) if isinstance(b, nodes.Body) and symbol.whole.within(b.span))
            steps = (step for body in around for step in body.steps if place.within(step.span))
            if (inner := next(steps, None)) is None:
                continue
            what = "saved" if symbol.kind == "tensor" else "defined"
            title = f"move `{symbol.whole.text}` up, before line {_line(inner.span)}"
            moved = _moved(symbol.whole, inner.span)
            help = Fix(title, moved, safe=symbol.kind == "local")
            message = f"`{symbol.name}` is {what} later, in line {_line(symbol.whole)}"
            return UndefinedName(message, help, (Label(symbol.whole, f"{what} here"),))
    return None


def _moved(whole: Span, before: Span) -> tuple[Edit, ...]:
    """The edits that move a step before another one."""
    start = Span(before.source, before.start, before.start)
    return (*remove(whole).edits, *write(start, f"{whole.text}, ").edits)


def _of_stages(name: str, way: Sequence[object], names: FileNames) -> UndefinedName | None:
    """`block_index` in the body of a block."""
    block = _around(way, nodes.Block)
    if name not in STAGE_NAMES:
        return None
    message = f"{listing(STAGE_NAMES)} are only defined in the arguments of a stage"
    whole = next((node for node in way if isinstance(node, _EXPRESSIONS)), None)
    if block is None or whole is None:
        return UndefinedName(message, "write a number", span=whole and whole.span)
    argument, text = _around(way, nodes.Argument), whole.span.text
    own = [p.name.text for p in block.parameters if re.search(rf"\b{p.name.text}\b", text)]
    taken = {p.name.text for p in block.parameters}
    named = argument.name.text if argument and argument.name else "share"
    parameter = own[0] if own else next(n for n in (named, "share", "number") if n not in taken)
    tables = any(s.block.text == block.name.text for s in nested(names.own.program, nodes.Stages))
    stage = (
        f"{'stages' if tables else 'stage'} {block.name.text}({'' if tables else '…, '}{parameter}={text})"
    )
    head = "" if own else f"`{_with(block, parameter)}` above, "
    edits = [Edit(whole.span, parameter)]
    if not own:
        edits.append(_one_more(block.name.span, [p.span for p in block.parameters], parameter))
    program = names.own.program
    stages = [(table.block, table.fixed) for table in nested(program, nodes.Stages)]
    stages += [(found.call.name, found.call.arguments) for found in nested(program, nodes.Stage)]
    for word, given in stages:
        if word.text == block.name.text:
            edits.append(_one_more(word.span, [a.span for a in given], f"{parameter}={text}"))
    title = f"write `{parameter}` here, {head}and `{stage}`"
    return UndefinedName(message, Fix(title, tuple(edits), safe=False), span=whole.span)


def _one_more(name: Span, given: Sequence[Span], text: str) -> Edit:
    """The edit that adds an argument to a call, or a parameter to a block's head."""
    if given:
        return add(given[-1], f", {text}").edits[0]
    after = re.compile(r"\(\s*\)").match(name.source.text, name.end)
    return Edit(Span(name.source, name.end, after.end() if after else name.end), f"({text})")


def _shown(parameter: nodes.Parameter) -> str:
    default = parameter.default
    return parameter.name.text + (f"={default.span.text}" if default else "")


def _around_one(span: Span, *places: Span) -> bool:
    return any(place.within(span) for place in places)


def _further_in(
    elsewhere: Iterable[Symbol], owner: Symbol | None, place: Span, way: Sequence[object]
) -> UndefinedName | None:
    """A constant of an inner body, or the index of a `repeat`, outside of it."""
    for symbol in elsewhere:
        if symbol.owner is owner and symbol.kind == "local":
            message = f"`{symbol.name}` is only defined in the body of its `let`"
            title = f"move `{symbol.whole.text}` out of its braces, above its first use"
            outer = [b for b in way if isinstance(b, nodes.Body) and symbol.whole.within(b.span)]
            first = [s.span for b in outer[-1:] for s in b.steps if _around_one(s.span, place, symbol.whole)]
            help: Help = Fix(title, _moved(symbol.whole, first[0]), safe=False) if first else title
            return UndefinedName(message, help, (Label(symbol.whole, "defined here"),))
        if symbol.owner is owner and symbol.kind == "index":
            message = f"`{symbol.name}` is only defined in its `repeat`"
            return UndefinedName(message, "move its use into the braces", (Label(symbol.span),))
    return None


def _of_another(
    elsewhere: Iterable[Symbol], own: Symbol | None, way: Sequence[object]
) -> UndefinedName | None:
    """A constant or a parameter of another block."""
    for symbol in elsewhere:
        if symbol.owner is own:
            continue
        if symbol.kind == "index":
            message = f"`{symbol.name}` is the index of another `repeat`, and only defined there"
            help = "write a number, or use it in a `repeat` with this index"
            return UndefinedName(message, help, (Label(symbol.span),))
        if symbol.owner is None:
            continue
        if symbol.kind == "parameter":
            message = f"`{symbol.name}` is a parameter of `{symbol.owner.name}`, and only defined there"
            help = _given(symbol.name, _around(way, nodes.Block))
            return UndefinedName(message, help, (Label(symbol.span),))
        if symbol.kind == "local" and symbol.value:
            message = f"`{symbol.name}` is a constant of `{symbol.owner.name}`, and only defined there"
            help = f"write `{symbol.whole.text}` here too"
            if any(node.name in symbol.owner.parameters for node in nested(symbol.value, nodes.Name)):
                help = f"write a number here, or define it with `let {symbol.name} = …`"
            return UndefinedName(message, help, (Label(symbol.whole),))
    return None


def _given(name: str, block: nodes.Block | None) -> str:
    if block is None:
        return f"write a number, or define it with `let {name} = …`"
    return f"make it a parameter here too: `{_with(block, name)}`"


def _with(block: nodes.Block, parameter: str) -> str:
    """The head of a block with another parameter."""
    return f"block {block.name.text}({', '.join([*map(_shown, block.parameters), parameter])})"


def _of_library(name: str, used: Sequence[Definitions]) -> UndefinedName | None:
    """A constant of a used file."""
    for constant in (text.constants[name] for text in used if name in text.constants):
        message = f"`{name}` is a constant of the used file, but `use` imports only blocks"
        help = f"write `{constant.whole.text}` in this file too"
        return UndefinedName(message, help, (Label(constant.whole),))
    return None
