"""Help for undefined names, most of which are defined in another place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

from netdsl.base.source import Span
from netdsl.base.tree import nested
from netdsl.diagnostics import Label, listing
from netdsl.syntax import nodes

T = TypeVar("T")

# Names in the arguments of stages.
STAGE_NAMES = ("index", "block_index", "block_count")
# Common names for the number of an iteration.
_COUNTERS = {"idx", "index", "iter", "layer", "level", "step", "stage", "count", "depth"}


_EXPRESSIONS = (nodes.Name, nodes.Unary, nodes.Binary, nodes.Choose, nodes.Apply, nodes.ListOf)


class UndefinedName(NamedTuple):
    """The error for an undefined name, and its span, if it isn't that of the name."""

    message: str
    help: str
    also: tuple[Label, ...] = ()
    span: Span | None = None


def undefined_name_help(
    name: str, place: Span, program: nodes.Program, used: Sequence[nodes.Program]
) -> UndefinedName | None:
    """The error for a name that is not defined at a place but elsewhere; None if it isn't. `used` are the
    files that the file uses.
    """
    way = list(_way(program, place))
    for found in (
        _of_default(name, way),
        _uncounted(name, way),
        _below(name, way, nodes.Let),
        _of_stages(name, way, program),
        _further_in(name, way),
        _of_another(name, way, program),
        _of_library(name, used),
    ):
        if found:
            return found
    return None


def saved_below(name: str, place: Span, program: nodes.Program) -> UndefinedName | None:
    """The error for a `from` before its `save`."""
    return _below(name, list(_way(program, place)), nodes.Save)


def is_saved(name: str, program: nodes.Program) -> bool:
    """Whether a tensor is saved with the name."""
    return any(save.name.text == name for save in nested(program, nodes.Save))


def is_whole(program: nodes.Program) -> bool:
    """Whether a file has no syntax errors."""
    return not any(nested(program, nodes.Unread))


def labelled(name: str, program: nodes.Program) -> nodes.Call | None:
    """The step with the label."""
    found = (call for call in nested(program, nodes.Call) if call.label and call.label.text == name)
    return next(found, None)


def _way(node: object, place: Span) -> Iterator[object]:
    """The nodes around a place, from the outermost to the innermost."""
    if isinstance(node, Span) or not isinstance(node, tuple):
        return
    around = node.value if isinstance(node, nodes.Argument) else node
    span = getattr(around, "span", None)
    if isinstance(span, Span):
        if not (span.start <= place.start and place.end <= span.end):
            return
        yield node
    for part in node:
        yield from _way(part, place)


def _around(way: Sequence[object], kind: type[T]) -> T | None:
    """The innermost node of a kind."""
    return next((node for node in reversed(way) if isinstance(node, kind)), None)


def _line(span: Span) -> int:
    return span.source.position(span.start)[0]


def called_in_lines(name: str, program: nodes.Program, apart: nodes.Block) -> list[int]:
    """The lines that name a block, without those of one block."""
    statements = tuple(statement for statement in program.statements if statement is not apart)
    words = [call.name for call in nested(statements, nodes.Call)]
    words += [table.block for table in nested(statements, nodes.Stages)]
    spans = [word.span for word in words if word.text == name]
    spans += [node.span for node in nested(statements, nodes.Name) if node.name == name]
    return sorted({_line(span) for span in spans})


def _of_default(name: str, way: Sequence[object]) -> UndefinedName | None:
    """The first parameter of a block whose default uses the parameter itself or one after it."""
    block = _around(way, nodes.Block)
    parameters = {p.name.text: p for p in block.parameters} if block else {}
    of_default = any(p.default is node for p in parameters.values() if p.default for node in way)
    if block is None or not of_default or name not in parameters:
        return None
    head = f"write `block {block.name.text}({', '.join(map(_shown, _ordered(block.parameters)))})`"
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
    help = f"write `repeat {repeat.times.span.text} as {name} {{` in line {_line(repeat.keyword)}"
    return UndefinedName(message, help, (Label(repeat.keyword),))


def _below(name: str, way: Sequence[object], kind: type[nodes.Let | nodes.Save]) -> UndefinedName | None:
    """A constant or a saved tensor that is defined after the place, in a body around it."""
    place = way[-1].span.start if way else 0  # type: ignore[attr-defined]
    for body in [node for node in reversed(way) if isinstance(node, nodes.Body)]:
        for step in body.steps:
            if isinstance(step, kind) and step.name.text == name and step.span.start > place:
                inner = next(s for s in body.steps if s.span.start <= place <= s.span.end)
                help = f"move `{step.span.text}` up, before line {_line(inner.span)}"
                what = "defined" if kind is nodes.Let else "saved"
                message = f"`{name}` is {what} later, in line {_line(step.span)}"
                return UndefinedName(message, help, (Label(step.span, f"{what} here"),))
    return None


def _of_stages(name: str, way: Sequence[object], program: nodes.Program) -> UndefinedName | None:
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
    tables = any(s.block.text == block.name.text for s in nested(program, nodes.Stages))
    stage = (
        f"{'stages' if tables else 'stage'} {block.name.text}({'' if tables else '…, '}{parameter}={text})"
    )
    head = "" if own else f"`{_with(block, parameter)}` above, "
    return UndefinedName(message, f"write `{parameter}` here, {head}and `{stage}`", span=whole.span)


def _shown(parameter: nodes.Parameter) -> str:
    default = parameter.default
    return parameter.name.text + (f"={default.span.text}" if default else "")


def _further_in(name: str, way: Sequence[object]) -> UndefinedName | None:
    """A constant of an inner body, or the index of a `repeat`, outside of it."""
    owner = _around(way, nodes.Block) or _around(way, nodes.Section)
    for let in nested(owner, nodes.Let):
        if let.name.text == name:
            message = f"`{name}` is only defined in the body of its `let`"
            help = f"move `{let.span.text}` out of its braces, above its first use"
            return UndefinedName(message, help, (Label(let.span, "defined here"),))
    for repeat in nested(owner, nodes.Repeat):
        if repeat.variable and repeat.variable.text == name:
            message = f"`{name}` is only defined in its `repeat`"
            return UndefinedName(message, "move its use into the braces", (Label(repeat.variable.span),))
    return None


def _of_another(name: str, way: Sequence[object], program: nodes.Program) -> UndefinedName | None:
    """A constant or a parameter of another block."""
    own = _around(way, nodes.Block)
    for block in nested(program, nodes.Block):
        for parameter in block.parameters:
            if parameter.name.text == name and block is not own:
                message = f"`{name}` is a parameter of `{block.name.text}`, and only defined there"
                also = (Label(parameter.name.span),)
                return UndefinedName(message, _given(name, own), also)
        for let in nested(block.body, nodes.Let):
            if let.name.text == name and block is not own:
                message = f"`{name}` is a constant of `{block.name.text}`, and only defined there"
                own_values = {parameter.name.text for parameter in block.parameters}
                help = f"write `{let.span.text}` here too"
                if own_values.intersection(re.findall(r"\w+", let.value.span.text)):
                    help = f"write a number here, or define it with `let {name} = …`"
                return UndefinedName(message, help, (Label(let.span),))
    return None


def _given(name: str, block: nodes.Block | None) -> str:
    if block is None:
        return f"write a number, or define it with `let {name} = …`"
    return f"make it a parameter here too: `{_with(block, name)}`"


def _with(block: nodes.Block, parameter: str) -> str:
    """The head of a block with another parameter."""
    return f"block {block.name.text}({', '.join([*map(_shown, block.parameters), parameter])})"


def _of_library(name: str, used: Sequence[nodes.Program]) -> UndefinedName | None:
    """A constant of a used file."""
    for program in used:
        for let in program.statements:
            if isinstance(let, nodes.Let) and let.name.text == name:
                message = f"`{name}` is a constant of the used file, but `use` imports only blocks"
                return UndefinedName(message, f"write `{let.span.text}` in this file too", (Label(let.span),))
    return None
