"""Parameters that hold an operation: the torch class itself if possible, else its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from netdsl.base.tree import map_bodies, steps
from netdsl.base.values import Symbol
from netdsl.ir import lowered as ir
from netdsl.language.expressions import Const, Expr, Operator, Ref, references
from netdsl.ops.operation import Slot

OPERATION = "operation"


def torch_classes(network: ir.LoweredNetwork) -> Mapping[str, str]:
    """The torch class of each operation that a parameter holds, by its name in the language.

    Empty if names are needed instead: a parameter holds a block, or operations with different arguments.
    """
    classes: dict[str, str] = {}
    for choice in (step for body in bodies(network) for step in steps(body) if isinstance(step, ir.Choice)):
        if not _is_uniform(choice):
            return {}
        for symbol, (layer,) in choice.cases:
            assert isinstance(layer, ir.Layer)
            if classes.setdefault(symbol.name, layer.module.target) != layer.module.target:
                return {}
    told_apart = len(set(classes.values())) == len(classes)
    known = all(symbol in classes for symbol in _given(network)) and not _in_constants(network)
    return classes if told_apart and known else {}


def by_name(network: ir.LoweredNetwork) -> ir.LoweredNetwork:
    """The network for code in which parameters hold names; choices with a single case are that case."""
    blocks = tuple(map_bodies(block, ir.decided) for block in network.blocks)
    return network._replace(
        blocks=blocks, parts=tuple(map_bodies(part, ir.decided) for part in network.parts)
    )


def with_classes(network: ir.LoweredNetwork) -> ir.LoweredNetwork:
    """The network for code in which parameters hold torch classes if possible."""
    return network if torch_classes(network) else by_name(network)


def bodies(network: ir.LoweredNetwork) -> Iterator[ir.LoweredBody]:
    """Every body of the network's text, once for each block."""
    for block in network.blocks:
        yield block.body
    for part in network.parts:
        if isinstance(part, ir.LoweredSection):
            yield part.body


def _is_uniform(choice: ir.Choice) -> bool:
    """True if all cases are operations that are made with the same arguments."""
    made = {
        (step.module.positional, step.module.named, step.freeze) if isinstance(step, ir.Layer) else None
        for _, body in choice.cases
        for step in body
    }
    return len(made) == 1 and None not in made


def _given(network: ir.LoweredNetwork) -> Iterator[str]:
    """The operations and blocks that calls pass, or that are defaults, for parameters that a block reads."""
    read: dict[str, set[str]] = {}
    for block in network.blocks:
        read[block.name] = {name for step in steps(block.body) for name in _read(step, read)}
    made: list[ir.BlockCall] = [call for body in bodies(network) for call in ir.calls(body)]
    for part in network.parts:
        if not isinstance(part, ir.LoweredSection):
            made += [run.call for run in part.runs]
    given = [(call.block, name, value) for call in made for name, value in call.arguments]
    for block in network.blocks:
        given += [(block, own.name, own.default) for own in block.parameters if own.default is not None]
    for block, name, value in given:
        if name in read[block.name] and name in _holders(block):
            yield from _symbols(value)


def _read(step: ir.LoweredStep, blocks: Mapping[str, set[str]]) -> Iterator[str]:
    """The names that the constructor of a step needs; `blocks` has those of blocks."""
    match step:
        case ir.Layer(module=call, freeze=freeze):
            named = (value for _, value in call.named)
            for argument in (*call.positional, *named, freeze):
                if not isinstance(argument, Slot):
                    yield from references(argument)
        case ir.BlockCall(block, _, arguments):
            for name, value in arguments:
                if name in blocks[block.name]:
                    yield from references(value)
        case ir.Skip(same=expr) | ir.Repeat(times=expr) | ir.Let(value=expr):
            yield from references(expr)
        case ir.When(cases):
            for condition, _ in cases:
                yield from references(condition)
        case ir.Choice(holder):
            yield holder


def _holders(block: ir.LoweredBlock) -> set[str]:
    return {parameter.name for parameter in block.parameters if parameter.type == OPERATION}


def _in_constants(network: ir.LoweredNetwork) -> bool:
    """True if a constant of a body may be an operation."""
    for block in network.blocks:
        for step in steps(block.body):
            if isinstance(step, ir.Let) and (
                any(_symbols(step.value)) or _holders(block).intersection(_names(step.value))
            ):
                return True
    return False


def _symbols(expr: Expr) -> Iterator[str]:
    """The words that can be the value of an expression."""
    for outcome in _outcomes(expr):
        if isinstance(outcome, Const) and isinstance(outcome.value, Symbol):
            yield outcome.value.name


def _names(expr: Expr) -> Iterator[str]:
    return (outcome.name for outcome in _outcomes(expr) if isinstance(outcome, Ref))


def _outcomes(expr: Expr) -> Iterator[Expr]:
    if isinstance(expr, Operator) and expr.name == "if":
        for operand in expr.operands[1:]:
            yield from _outcomes(operand)
    else:
        yield expr
