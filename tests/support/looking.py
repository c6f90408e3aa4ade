"""Shared by the tests of inspection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from netdsl.api.network import Network
from netdsl.compiler import Style
from netdsl.inspect import Inspected
from netdsl.trained.open_run import create_model
from tests.support.samples import CPU


def opened(network: Network, style: Style = "module") -> Inspected:
    """The network with its first weights."""
    return Inspected(network, create_model(network, style, 0, CPU))


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """Around what must leave a model as it was, whatever happens: its weights and statistics, its modes, what
    requires gradients, and no gradient or hook anywhere.
    """
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    required = [weight.requires_grad for weight in model.parameters()]
    yield
    torch.testing.assert_close(dict(model.state_dict()), state, rtol=0, atol=0)
    assert [module.training for module in model.modules()] == modes
    assert [weight.requires_grad for weight in model.parameters()] == required
    assert all(weight.grad is None for weight in model.parameters())
    for module in model.modules():
        assert not (module._forward_hooks or module._forward_pre_hooks or module._backward_hooks)
