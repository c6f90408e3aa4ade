"""The update of the weights, and the learning rate over time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from netdsl.recipe import Adam, AdamW, Constant, Cosine, OneCycle, Sgd, Step
from netdsl.runtime.errors import RunError

# One update with a learning rate; the gradients are gone afterwards.
Update: TypeAlias = Callable[[float], None]


def learning_rate(
    schedule: Constant | Step | Cosine | OneCycle, lr: float, epoch: float, epochs: int
) -> float:
    """The learning rate at a moment: `epoch` counts from 0 and has a fraction; `lr` is the peak."""
    match schedule:
        case Constant():
            return lr
        case Step(at, factor):
            return lr * factor ** sum(epoch >= start for start in at)
        case Cosine(warmup) | OneCycle(warmup) if epoch < warmup or epochs <= warmup:
            return lr * epoch / warmup
        case Cosine(warmup):
            return lr * (1 + math.cos(math.pi * (epoch - warmup) / (epochs - warmup))) / 2
        case OneCycle(warmup):
            return lr * (epochs - epoch) / (epochs - warmup)


def build(parameters: list[Tensor], optimizer: Sgd | Adam | AdamW, *, manual: bool) -> Update:
    """The update rule of a recipe for these weights; frozen ones stay as they are.

    `manual`: plain SGD (no momentum) is written out as in the textbooks, without `torch.optim`.
    Raises RunError where there is nothing to train, or the optimizer's arguments contradict.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    if not trained:
        raise RunError("the network has no weights to train", "add a layer with weights")
    match optimizer:
        case Sgd(momentum=0, nesterov=True):
            raise RunError("nesterov needs a momentum", "write sgd(momentum=0.9, nesterov=yes)")
        case Sgd(momentum=0) if manual:
            return _gradient_descent(trained, optimizer.weight_decay)
        case Sgd(lr, momentum, nesterov, decay):
            # fused: one pass over the weights in place of several, here and below.
            return _update(torch.optim.SGD(trained, lr, momentum, 0, decay, nesterov, fused=True))
        case Adam(lr, decay):
            return _update(torch.optim.Adam(trained, lr, weight_decay=decay, fused=True))
        case AdamW(lr, decay):
            return _update(torch.optim.AdamW(trained, lr, weight_decay=decay, fused=True))


def _gradient_descent(parameters: list[Tensor], weight_decay: float) -> Update:
    def update(lr: float) -> None:
        with torch.no_grad():
            for p in parameters:
                if p.grad is not None:
                    p -= lr * (p.grad + weight_decay * p)
                    p.grad = None

    return update


def _update(optimizer: torch.optim.Optimizer) -> Update:
    def update(lr: float) -> None:
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return update
