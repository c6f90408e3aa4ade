"""The output shape, parameters and cost of an operation on an input of one shape."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.values import Number, Value
from netdsl.ir.typed import NOTHING, Cost
from netdsl.language.expressions import Const, known
from netdsl.ops import Operation
from netdsl.ops.operation import UNKNOWN, Shape, Symbolic
from netdsl.resolve.last_norm import roles


class OperationResult(NamedTuple):
    operation: Operation
    output: Shape
    cost: Cost
    reduction: Number
    window: tuple[int, int]
    deep: bool
    regular: bool


def operation_result(
    operation: Operation, values: Mapping[str, Value], shape: Shape, output: Shape
) -> OperationResult:
    """The result of an operation; `values` are those of all arguments, as values of the language."""
    arguments = {name: Const(value) for name, value in values.items()}
    cost = NOTHING
    if shape != UNKNOWN and output != UNKNOWN:
        cost = Cost(sum(parameters(operation, values, shape).values()), operation.macs(shape, output), 1)
    reduction = cast(Number, known(operation.reduction(arguments), {}))
    deep = "kernel" in roles(type(operation))
    return OperationResult(
        operation, output, cost, reduction, operation.field(), deep, operation.keeps_grid()
    )


def parameters(operation: Operation, values: Mapping[str, Value], shape: Shape) -> dict[str, int]:
    """The number of elements of each parameter of an operation, by name."""
    arguments = {name: Const(value) for name, value in values.items()}
    x = Symbolic(Const(shape[0]), len(shape) == 3, Const(math.prod(shape[1:])))
    weights = operation.weights(arguments, x)
    return {
        weight.name: math.prod(cast(int, known(length, {})) for length in weight.shape)
        for weight in weights
        if weight.role != "buffer" and known(weight.present, {})
    }
