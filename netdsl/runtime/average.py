"""Averages of the weights over training steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from netdsl.language.recipe import Ema, Lookahead, NoAverage
from netdsl.runtime.model import Model, copy_state


class Average(ABC):
    """An average of a model's weights, updated after each step; made by `build_average`."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        """`weights` are the model's own tensors, by name; the average starts as a copy of them."""
        self._names = list(weights)
        self._weights = list(weights.values())
        self._averages = [weight.clone() for weight in self._weights]
        self._updates = 0

    @abstractmethod
    def update(self, elapsed: float = 0.0) -> None:
        """Updates the average; to be called after each step, with the share of the training that has passed.
        Does not synchronise the device.
        """

    def state(self) -> dict[str, Tensor]:
        """The state for `load_state`: `average.NAME` for each averaged tensor, not copied, and `updates`."""
        averages = zip(self._names, self._averages, strict=True)
        named = {f"average.{name}": average for name, average in averages}
        return named | {"updates": torch.tensor(self._updates)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restores a state, bit for bit. Raises RunError, and changes nothing, if it does not match."""
        own = self.state()
        copy_state(state, own)
        self._updates = int(own["updates"])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside the block the model has the averaged weights; afterwards its own, also after exceptions."""
        own = [weight.clone() for weight in self._weights]
        try:
            torch._foreach_copy_(self._weights, self._averages)
            yield
        finally:
            torch._foreach_copy_(self._weights, own)


class _ExponentialAverage(Average):
    """After t steps the mean of the weights w_i after each step i, weighted by decay^(t - i).

    This is the exponential moving average with Adam's bias correction (Kingma and Ba 2015, section 3), so
    that the random initial weights have no part in it.
    """

    def __init__(self, weights: dict[str, Tensor], decay: float) -> None:
        super().__init__(weights)
        self._decay = decay

    def update(self, elapsed: float = 0.0) -> None:
        self._updates += 1
        share = (1 - self._decay) / (1 - self._decay**self._updates)
        torch._foreach_lerp_(self._averages, self._weights, share)


class _SlowWeights(Average):
    """Lookahead (Zhang et al. 2019, algorithm 1): every k steps the slow weights move the fraction alpha of
    the way to the fast ones, which continue from there. The optimizer's state is not changed. At the share t
    of the training the fraction is 1 - (1 - alpha) t^power (Jordan 2024, section 3.4).
    """

    def __init__(self, weights: dict[str, Tensor], lookahead: Lookahead) -> None:
        super().__init__(weights)
        self._lookahead = lookahead

    def update(self, elapsed: float = 0.0) -> None:
        self._updates += 1
        if self._updates % self._lookahead.every == 0:
            share = 1 - (1 - self._lookahead.alpha) * elapsed**self._lookahead.power
            torch._foreach_lerp_(self._averages, self._weights, share)
            torch._foreach_copy_(self._weights, self._averages)


def build_average(average: NoAverage | Ema | Lookahead, model: Model) -> Average | None:
    """The average of a recipe for a model's weights; None if the recipe has none.

    To be called when the model is on its device. `ema` also averages the running statistics of batch norms,
    `lookahead` only trainable weights, unless it is to average `statistics`; neither averages counters of
    batches.
    """
    match average:
        case NoAverage():
            return None
        case Ema(decay):
            state = model.state()
            floats = {name: tensor for name, tensor in state.items() if tensor.is_floating_point()}
            return _ExponentialAverage(floats, decay)
        case Lookahead(statistics=statistics):
            averaged = {f"{i:03d}": p.detach() for i, p in enumerate(model.parameters) if p.requires_grad}
            for i, tensor in enumerate(model.statistics if statistics else ()):
                if tensor.is_floating_point():
                    averaged[f"statistics.{i:03d}"] = tensor
            return _SlowWeights(averaged, average)
