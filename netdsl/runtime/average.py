"""Averages of the weights over the steps of a training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from netdsl.language.recipe import Ema, Lookahead, NoAverage
from netdsl.runtime.model import Model, copy_state


class Average(ABC):
    """A second set of weights beside a model's, fed after each step; made by `build_average`."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        """`weights` are the model's own tensors, by name; the average begins as a copy of them."""
        self._names = list(weights)
        self._weights = list(weights.values())
        self._averages = [weight.clone() for weight in self._weights]
        self._updates = 0

    @abstractmethod
    def update(self) -> None:
        """Takes in the model's weights; to be called after each step. Doesn't wait for the device."""

    def state(self) -> dict[str, Tensor]:
        """What `load_state` needs to go on: `average.NAME` for each averaged tensor, not copied, and the
        number of `updates`.
        """
        averages = zip(self._names, self._averages, strict=True)
        named = {f"average.{name}": average for name, average in averages}
        return named | {"updates": torch.tensor(self._updates)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Goes on from a state, bit for bit. Raises RunError, and takes over nothing, if it doesn't fit."""
        own = self.state()
        copy_state(state, own)
        self._updates = int(own["updates"])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within it the model has the averaged weights; afterwards its own again, whatever happens."""
        own = [weight.clone() for weight in self._weights]
        try:
            torch._foreach_copy_(self._weights, self._averages)
            yield
        finally:
            torch._foreach_copy_(self._weights, own)


class _ExponentialAverage(Average):
    """After t steps the mean of the weights w_i after each step i, weighted by decay^(t - i).

    That is the exponential moving average with Adam's correction of the start (Kingma and Ba 2015,
    section 3): short trainings don't drag their random first weights along.
    """

    def __init__(self, weights: dict[str, Tensor], decay: float) -> None:
        super().__init__(weights)
        self._decay = decay

    def update(self) -> None:
        self._updates += 1
        share = (1 - self._decay) / (1 - self._decay**self._updates)
        torch._foreach_lerp_(self._averages, self._weights, share)


class _SlowWeights(Average):
    """Zhang et al. 2019, algorithm 1: every k steps the slow weights go the share alpha of the way to the
    fast ones, which start again from there. The optimizer's memory stays as it is.
    """

    def __init__(self, weights: dict[str, Tensor], every: int, alpha: float) -> None:
        super().__init__(weights)
        self._every = every
        self._alpha = alpha

    def update(self) -> None:
        self._updates += 1
        if self._updates % self._every == 0:
            torch._foreach_lerp_(self._averages, self._weights, self._alpha)
            torch._foreach_copy_(self._weights, self._averages)


def build_average(average: NoAverage | Ema | Lookahead, model: Model) -> Average | None:
    """The average of a recipe over a model's weights; None where the recipe has none.

    To be called when the model is on its device. `ema` averages running statistics of batch norms too,
    `lookahead` only what is trained; both leave counters of batches alone.
    """
    match average:
        case NoAverage():
            return None
        case Ema(decay):
            state = model.state()
            floats = {name: tensor for name, tensor in state.items() if tensor.is_floating_point()}
            return _ExponentialAverage(floats, decay)
        case Lookahead(every, alpha):
            trained = {f"{i:03d}": p.detach() for i, p in enumerate(model.parameters) if p.requires_grad}
            return _SlowWeights(trained, every, alpha)
