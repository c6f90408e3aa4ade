"""Comparison of the three styles of a network."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any, TypeVar
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from netdsl.api.network import Network
from netdsl.runtime.model import Outputs, all_outputs

T = TypeVar("T")

TOLERANCE = 1e-10


def randomised(model: nn.Module, seed: int) -> nn.Module:
    """The model in float64 with random parameters and running statistics, so that none is neutral."""
    generator = torch.Generator().manual_seed(seed)
    model.double()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                noise = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
                if name.endswith("running_var"):
                    tensor.copy_(0.5 + noise.abs())
                else:
                    tensor.add_(0.1 * noise)
    return model


def statistics(model: nn.Module) -> list[Tensor]:
    """Running statistics: the buffers that are stored, without counters of batches."""
    stored, counter = model.state_dict(), "num_batches_tracked"
    return [own for name, own in model.named_buffers() if name in stored and not name.endswith(counter)]


def functional_state(module: ModuleType, model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Parameter and buffer lists of the functional style with the values of a module."""
    code: Any = module
    params = on_meta(partial(code.init_params, dtype=torch.float64))
    assert [p.shape for p in params] == [p.shape for p in model.parameters()]
    assert [p.requires_grad for p in params] == [p.requires_grad for p in model.parameters()]
    params = [p.detach().clone().requires_grad_(p.requires_grad) for p in model.parameters()]
    buffers = code.init_buffers(dtype=torch.float64) if hasattr(module, "init_buffers") else []
    assert [b.shape for b in buffers] == [b.shape for b in statistics(model)]
    return params, [b.detach().clone() for b in statistics(model)]


def call_functional(
    module: ModuleType, x: Tensor, params: list[Tensor], buffers: list[Tensor], training: bool
) -> Outputs:
    code: Any = module
    takes = inspect.signature(code.forward).parameters
    lists = [params, buffers] if "buffers" in takes else [params]
    options = {"training": training} if "training" in takes else {}
    result: Outputs = code.forward(x, *lists, **options)
    return result


def seeded(seed: int, call: Callable[..., Outputs], *arguments: object) -> tuple[Tensor, ...]:
    """The call's outputs, with the same dropout masks for the same seed."""
    torch.manual_seed(seed)
    return all_outputs(call(*arguments))


def on_meta(create: Callable[[], T]) -> T:
    """The result of a call that makes modules: without values, in no time."""

    def undrawn(tensor: Tensor, *_: object, **__: object) -> Tensor:
        return tensor

    # On that device torch takes most of the time to check that random numbers could be drawn.
    draw = patch.multiple(Tensor, normal_=undrawn, uniform_=undrawn)
    with draw, torch.device("meta"):
        return create()


def assert_styles_agree(network: Network, batch: int = 2, seed: int = 0) -> None:
    """Outputs, gradients and running statistics, in training and evaluation mode, to 1e-10 in float64."""
    module = randomised(network.module(), seed)
    sequential: list[nn.Module] = [network.sequential().double()] if "sequential" in network.styles else []
    functional = network.imported("functional")
    assert network.parameters_count == sum(p.numel() for p in module.parameters())
    names = [name for name, _ in module.named_parameters()]
    for model in sequential:
        copy_by_position(module, model)
    params, buffers = functional_state(functional, module)
    generator = torch.Generator().manual_seed(seed + 1)
    x = torch.randn(batch, *network.input_shape, generator=generator, dtype=torch.float64)
    for mode in (False, True):
        for model in (module, *sequential):
            model.train(mode)
        results = [seeded(seed, model, x) for model in (module, *sequential)]
        results.append(seeded(seed, call_functional, functional, x, params, buffers, mode))
        wanted = [own.shape for own in network.typed.outputs if mode or not own.in_training_only]
        assert [tuple(output.shape) for output in results[0]] == [(batch, *shape) for shape in wanted]
        outputs = [torch.cat([output.flatten() for output in result]) for result in results]
        weights = torch.randn(outputs[0].shape, generator=generator, dtype=torch.float64)
        parameters: list[list[Tensor]] = [
            *(list[Tensor](model.parameters()) for model in (module, *sequential)),
            params,
        ]
        gradients = [
            gradients_of((output * weights).sum(), own)
            for output, own in zip(outputs, parameters, strict=True)
        ]
        for other in range(1, len(outputs)):
            torch.testing.assert_close(outputs[other], outputs[0], rtol=TOLERANCE, atol=TOLERANCE)
            for name, expected, actual in zip(names, gradients[0], gradients[other], strict=True):
                if expected is None or actual is None:
                    assert expected is actual, f"only one style has a gradient of {name}"
                    continue
                scale = max(1.0, float(expected.abs().max()))
                difference = float((actual - expected).abs().max())
                assert difference <= TOLERANCE * scale, f"gradient of {name}: {difference}"
        for expected, *others in zip(statistics(module), *map(statistics, sequential), buffers, strict=True):
            for actual in others:
                torch.testing.assert_close(actual, expected, rtol=TOLERANCE, atol=TOLERANCE)


def gradients_of(value: Tensor, parameters: list[Tensor]) -> list[Tensor | None]:
    """Gradients with respect to all parameters; none for those that are frozen, or don't matter."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    found = iter(torch.autograd.grad(value, trained, allow_unused=True) if trained else ())
    return [next(found) if parameter.requires_grad else None for parameter in parameters]


@contextmanager
def without_norms() -> Iterator[None]:
    """Inside the block, batch norm returns its input: torch counts none of its operations, and on tensors
    without values it takes most of the time.
    """
    with patch.object(nn.BatchNorm2d, "forward", lambda self, x: x):
        yield


def assert_counts_are_torchs(network: Network, batch: int = 2) -> None:
    """Parameters and multiply-accumulates, counted by torch on the meta device."""
    module = on_meta(network.module).eval()
    x = torch.empty(batch, *network.input_shape, device="meta")
    with without_norms(), FlopCounterMode(display=False) as flops:
        y, *_ = all_outputs(module(x))
    assert tuple(y.shape) == (batch, *network.output_shape)
    assert network.parameters_count == sum(p.numel() for p in module.parameters())
    assert 2 * batch * network.macs == flops.get_total_flops()


def copy_by_position(source: nn.Module, target: nn.Module) -> None:
    """Parameters and buffers in order: every style mentions them in the order of the file."""
    ours, theirs = list(source.state_dict().values()), list(target.state_dict().values())
    assert [tensor.shape for tensor in ours] == [tensor.shape for tensor in theirs]
    with torch.no_grad():
        for value, tensor in zip(ours, theirs, strict=True):
            tensor.copy_(value)
