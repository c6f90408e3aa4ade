"""A network of ours beside its reference: sizes, initialisation, outputs, gradients, running statistics."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import netdsl
from netdsl.runtime.model import all_outputs
from tests.support.building import narrowed
from tests.support.equality import statistics, without_norms
from tests.zoo.entries import Entry, setting

BATCH = 2
PIECE = 2**20


class Spread(NamedTuple):
    """Standard deviation of one parameter as each side initialises it."""

    name: str
    elements: int
    ours: float
    theirs: float

    @property
    def agrees(self) -> bool:
        """To 3 %, or to five standard errors of the ratio of two samples where that is more."""
        if self.theirs == 0:
            return self.ours == 0
        tolerance = max(0.03, 5 / math.sqrt(self.elements))
        return abs(self.ours / self.theirs - 1) <= tolerance


class Comparison(NamedTuple):
    """The result of a comparison; differences are the largest ones, relative if numbers are above 1."""

    network: netdsl.Network
    parameters: int
    reference_parameters: int
    # Of the parameters, in order.
    shapes: list[torch.Size]
    reference_shapes: list[torch.Size]
    flops: int
    spreads: list[Spread]
    # How much the outputs of two images differ: were it nothing, equal outputs would prove nothing.
    response: float
    evaluation: float
    training: float
    gradients: float
    running: float

    @property
    def largest(self) -> float:
        return max(self.evaluation, self.training, self.gradients, self.running)


def compare(entry: Entry, seed: int = 0, narrow: bool = False) -> Comparison:
    """Both as they are initialised; then, in float64, with the reference's weights in ours.

    `narrow` gives the linear layers of AlexNet and VGG, which have most of their weights, 16 features instead
    of 4,096. Parameters, shapes and operations are those of the whole networks in any case.
    """
    torch.manual_seed(seed)
    network = entry.load()
    with torch.device("meta"):
        whole, whole_reference = network.module(), entry.reference()
    narrow = narrow and entry.file in ("alexnet", "vgg")
    with narrow_linears() if narrow else nullcontext():
        theirs = entry.reference()
    settings = {name: setting(value) for name, value in entry.settings.items()}
    ours = (narrowed(entry.file, entry.size, settings) if narrow else network).module()
    named = zip(theirs.named_parameters(), ours.parameters(), strict=True)
    spreads = [Spread(name, p.numel(), deviation(q), deviation(p)) for (name, p), q in named]
    theirs.double(), ours.double()
    x = torch.randn(BATCH, 3, entry.size, entry.size, dtype=torch.float64)
    randomise(theirs, x)
    netdsl.transplant(theirs.state_dict(), ours)
    for model in (theirs, ours):
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    theirs.eval(), ours.eval()
    with torch.no_grad():
        expected, actual = outputs(theirs, x), outputs(ours, x)
    response = float((expected[0] - expected[1]).abs().max())
    evaluation = difference(actual, expected)
    theirs.train(), ours.train()
    expected, actual = outputs(theirs, x), outputs(ours, x)
    weights = torch.randn_like(expected)
    wanted, found = (
        torch.autograd.grad((output * weights).sum(), [*model.parameters()])
        for output, model in ((expected, theirs), (actual, ours))
    )
    return Comparison(
        network=network,
        parameters=sum(p.numel() for p in whole.parameters()),
        reference_parameters=sum(p.numel() for p in whole_reference.parameters()),
        shapes=[p.shape for p in whole.parameters()],
        reference_shapes=[p.shape for p in whole_reference.parameters()],
        flops=flops(network, whole),
        spreads=spreads,
        response=response,
        evaluation=evaluation,
        training=difference(actual.detach(), expected.detach()),
        gradients=max(map(difference, found, wanted)),
        running=max(map(difference, statistics(ours), statistics(theirs)), default=0.0),
    )


@contextmanager
def narrow_linears() -> Iterator[None]:
    """Inside the block, a linear layer of 4,096 features has 16."""
    create = nn.Linear.__init__

    def narrow(self: nn.Linear, inputs: int, outputs: int, *arguments: Any, **named: Any) -> None:
        inputs, outputs = (16 if size == 4096 else size for size in (inputs, outputs))
        create(self, inputs, outputs, *arguments, **named)

    with patch.object(nn.Linear, "__init__", narrow):
        yield


def outputs(model: nn.Module, x: Tensor) -> Tensor:
    """All outputs of a model side by side, (N, D)."""
    return torch.cat([output.flatten(1) for output in all_outputs(model(x)) if output is not None], 1)


def deviation(p: Tensor) -> float:
    return float(p.detach().std(correction=0))


def randomise(model: nn.Module, x: Tensor) -> None:
    """Random norms, biases and running statistics; kernels keep their values at the scale of He et al. 2015.

    Running statistics are close to those of x: then signals neither die nor explode in evaluation mode,
    however deep the network is.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momentum = [norm.momentum for norm in norms]
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() > 1:
                p.mul_((2 / p[0].numel()) ** 0.5 / p.std())
            else:
                p.add_(torch.randn_like(p), alpha=0.1)
        for norm in norms:
            norm.momentum = 1.0
        model.train()(x)
        for norm, old in zip(norms, momentum, strict=True):
            norm.momentum = old
            assert norm.running_mean is not None and norm.running_var is not None
            norm.running_mean += 0.1 * norm.running_var.sqrt() * torch.randn_like(norm.running_mean)
            norm.running_var *= 0.75 + 0.5 * torch.rand_like(norm.running_var)


def difference(actual: Tensor, expected: Tensor) -> float:
    """The largest difference, relative to the largest number where that is above 1."""
    assert actual.shape == expected.shape
    low, high = map(float, expected.aminmax())
    # In pieces: VGG's largest gradient takes 800 MB, and so would each step of the calculation.
    pieces = zip(actual.flatten().split(PIECE), expected.flatten().split(PIECE), strict=True)
    return max(float((a - b).abs().max()) for a, b in pieces) / max(1.0, high, -low)


def flops(network: netdsl.Network, module: nn.Module) -> int:
    """The operations that torch counts for one example of the network's size, for a module without values."""
    with torch.no_grad(), without_norms(), FlopCounterMode(display=False) as counter:
        module.eval()(torch.empty(1, *network.input_shape, device="meta"))
    total: int = counter.get_total_flops()
    return total
