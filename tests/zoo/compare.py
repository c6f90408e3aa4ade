"""A network of ours beside its reference: sizes, initialisation, outputs, gradients, running statistics."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import netdsl
from netdsl.runtime.model import all_outputs
from netdsl.trained.checkpoint_orders import Behind, in_file_order
from tests.support.building import narrow
from tests.support.equality import statistics, without_norms

BATCH = 2
PIECE = 2**20

# The layers that drop values at random in training, ours and torchvision's; all have a probability `p`.
RANDOM = ("Dropout", "DropPath", "StochasticDepth")


class Spread(NamedTuple):
    """Mean and standard deviation of one parameter as each side initialises it."""

    name: str
    elements: int
    ours: tuple[float, float]
    theirs: tuple[float, float]

    @property
    def agrees(self) -> bool:
        """The deviation to 3 %, or to five standard errors of the ratio of two samples where that is more;
        the value of what is not random. One number doesn't tell which it is, and a few have any deviation.
        """
        (mean, deviation), (wanted, expected) = self.ours, self.theirs
        if self.elements == 1 or self.elements < 8 and expected and deviation:
            return True
        if expected == 0:
            return deviation == 0 and math.isclose(mean, wanted, rel_tol=1e-5)
        return abs(deviation / expected - 1) <= max(0.03, 5 / math.sqrt(self.elements))


class Comparison(NamedTuple):
    """The result of a comparison; differences are the largest ones, relative if numbers are above 1."""

    spreads: list[Spread]
    # How much the outputs of two images differ: were it nothing, equal outputs would prove nothing.
    response: float
    evaluation: float
    training: float
    gradients: float
    running: float

    @property
    def differences(self) -> tuple[float, float, float, float]:
        return self.evaluation, self.training, self.gradients, self.running


def compare(
    ours: nn.Module, theirs: nn.Module, size: int, moves: Sequence[Behind] = (), seed: int = 0
) -> Comparison:
    """Both as they are initialised; then, in float64, with the reference's weights in ours, on images of
    `size` x `size`. `moves` make the file's order of the reference's. Changes both.

    Raises AssertionError if they drop values with other probabilities; outputs are compared without dropping.
    """
    assert rates(ours) == rates(theirs)
    named = dict(theirs.named_parameters())
    pairs = [
        (name, named[name], q) for name, q in zip(in_file_order(named, moves), ours.parameters(), strict=True)
    ]
    spreads = [Spread(name, p.numel(), spread(q), spread(p)) for name, p, q in pairs]
    theirs.double(), ours.double()
    torch.manual_seed(seed)
    x = torch.randn(BATCH, 3, size, size, dtype=torch.float64)
    randomise(theirs, x)
    state = theirs.state_dict()
    netdsl.transplant(state, ours, order=in_file_order(state, moves))
    for model in (theirs, ours):
        for module in model.modules():
            if type(module).__name__ in RANDOM:
                module.p = 0.0  # type: ignore[assignment]
    theirs.eval(), ours.eval()
    with torch.no_grad():
        expected, actual = outputs(theirs, x), outputs(ours, x)
    response = float((expected[0] - expected[1]).abs().max())
    evaluation = difference(actual, expected)
    theirs.train(), ours.train()
    ours.requires_grad_(True)  # frozen weights too
    expected, actual = outputs(theirs, x), outputs(ours, x)
    weights = torch.randn_like(expected)
    wanted, found = (
        torch.autograd.grad((output * weights).sum(), parameters)
        for output, parameters in ((expected, [p for _, p, _ in pairs]), (actual, [q for *_, q in pairs]))
    )
    buffers = dict(theirs.named_buffers())
    names = (name for name in in_file_order(buffers, moves) if name.endswith(("running_mean", "running_var")))
    expected_statistics = [buffers[name] for name in names]
    return Comparison(
        spreads=spreads,
        response=response,
        evaluation=evaluation,
        training=difference(actual.detach(), expected.detach()),
        gradients=max(difference(a, b.reshape_as(a)) for a, b in zip(found, wanted, strict=True)),
        running=max(map(difference, statistics(ours), expected_statistics), default=0.0),
    )


def outputs(model: nn.Module, x: Tensor) -> Tensor:
    """All outputs of a model side by side, (N, D)."""
    return torch.cat([output.flatten(1) for output in all_outputs(model(x)) if output is not None], 1)


def rates(model: nn.Module) -> set[tuple[str, float]]:
    """The probabilities with which the layers of a model drop values, or examples, in training.

    How often each occurs is left out: one layer may be called twice.
    """
    dropping = [module for module in model.modules() if type(module).__name__ in RANDOM]
    kinds = ["values" if isinstance(module, nn.Dropout) else "examples" for module in dropping]
    found = ((kind, round(float(module.p), 9)) for kind, module in zip(kinds, dropping, strict=True))  # type: ignore[arg-type]
    return {rate for rate in found if rate[1]}


def shapes(module: nn.Module, moves: Sequence[Behind] = ()) -> list[tuple[int, ...]]:
    """The shapes of the parameters, in order; lengths of 1 at their ends don't count."""
    named = dict(module.named_parameters())
    found = ([*named[name].shape] for name in in_file_order(named, moves))
    return [tuple(_without_ones(_without_ones(shape)[::-1])[::-1]) for shape in found]


def _without_ones(shape: list[int]) -> list[int]:
    """The shape without lengths of 1 at its end."""
    return shape[: max((n for n, size in enumerate(shape, 1) if size > 1), default=0)]


# What decides the size of a layer's weights.
WIDTHS = ("in_channels", "out_channels", "groups", "num_features", "in_features", "out_features")


@contextmanager
def narrower(factor: int) -> Iterator[None]:
    """Inside the block, layers are made narrower by a factor, as `narrowed` does it with a file."""
    with ExitStack() as patches:
        for kind in (nn.Conv2d, nn.BatchNorm2d, nn.Linear):
            patches.enter_context(patch.object(kind, "__init__", _narrowing(kind.__init__, factor)))
        yield


def _narrowing(create: Callable[..., None], factor: int) -> Callable[..., None]:
    signature = inspect.signature(create)

    def made(self: nn.Module, *arguments: Any, **named: Any) -> None:
        given = signature.bind(self, *arguments, **named).arguments
        widths = {name: given[name] for name in WIDTHS if name in given}
        create(**{**given, **{name: narrow(width, factor) for name, width in widths.items()}})
        widths.pop("groups", None)
        vars(self).update(widths)  # references make the next layer from them

    return made


def spread(p: Tensor) -> tuple[float, float]:
    """Mean and standard deviation."""
    values = p.detach().double()
    return float(values.mean()), float(values.std(correction=0)) if values.min() < values.max() else 0.0


def randomise(model: nn.Module, x: Tensor) -> None:
    """Random norms, biases and running statistics; kernels keep their values at the scale of He et al. 2015.

    Running statistics are close to those of x: then signals neither die nor explode in evaluation mode,
    however deep the network is.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momentum = [norm.momentum for norm in norms]
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() > 1 and p.numel() > len(p):
                if not p.any():  # the last layer of a vision transformer
                    p.normal_()
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
