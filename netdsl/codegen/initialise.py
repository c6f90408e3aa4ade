"""Weight initialisation: of the modules of a network, and of single tensors."""

from __future__ import annotations

from collections.abc import Iterator

from netdsl.codegen import python as py
from netdsl.lowered import Layer, LoweredNetwork, LoweredSection, layers


def layers_of(network: LoweredNetwork) -> Iterator[Layer]:
    """Every layer of the network's text, once for each block."""
    for block in network.blocks:
        yield from layers(block.body)
    for part in network.parts:
        if isinstance(part, LoweredSection):
            yield from layers(part.body)


def kernel_modules(network: LoweredNetwork) -> list[str]:
    """The torch modules of the network whose weight is a kernel: convolutions and linear layers."""
    kernels = (
        layer for layer in layers_of(network) if any(weight.role == "kernel" for weight in layer.weights)
    )
    return list(dict.fromkeys(layer.module.target for layer in kernels))


def initialisation(network: LoweredNetwork, model: str, layer: str) -> tuple[py.Statement, ...]:
    """Statements that initialise the modules of `model`; none where torch's own initialisation holds."""
    targets = kernel_modules(network)
    if network.network.init == "pytorch" or not targets:
        return ()
    kinds = py.Name(targets[0]) if len(targets) == 1 else py.Sequence("()", tuple(map(py.Name, targets)))
    weight, bias = py.Name(f"{layer}.weight"), py.Name(f"{layer}.bias")
    relu = (("nonlinearity", py.Literal("relu")),)
    body: tuple[py.Statement, ...] = (
        py.Evaluate(py.Call("nn.init.kaiming_normal_", (weight,), relu)),
        py.If(
            py.Operation("is not", (bias, py.Literal(None))),
            (py.Evaluate(py.Call("nn.init.zeros_", (bias,))),),
        ),
    )
    check = py.If(py.Call("isinstance", (py.Name(layer), kinds)), body)
    return (py.For(layer, py.Call(f"{model}.modules"), (check,)),)
