"""This process's replica of a network that several processes train."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeAlias

from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from netdsl.runtime.distributed import Processes

# Images and targets to the sum of the losses and the sums of the figures, (k,).
Objective: TypeAlias = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Replica:
    """Computes an objective; with several processes, its gradients are averaged over them.

    Uses torch's DistributedDataParallel (Li et al. 2020), which starts with the weights of the first process
    and overlaps communication with the backward pass.
    """

    def __init__(self, weights: list[Tensor], processes: Processes) -> None:
        self._parallel: DistributedDataParallel | None = None
        if processes.size > 1:
            # Views: gradients are computed in the buckets that are sent, in the layout of the weights.
            # It does not get the running statistics: those are synchronised once an epoch.
            self._parallel = DistributedDataParallel(_Weights(weights), gradient_as_bucket_view=True)

    def __call__(self, objective: Objective, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The objective for this process's images (n, C, H, W) and targets (n, ...)."""
        if self._parallel is None:
            return objective(images, targets)
        loss, figures = self._parallel(objective, images, targets)
        return loss, figures

    def summing(self, *, last: bool) -> AbstractContextManager[object]:
        """For the forward and backward pass of each part of a batch; the `last` one sends the parts' sum."""
        return nullcontext() if self._parallel is None or last else self._parallel.no_sync()


class _Weights(nn.Module):
    """A network's weights as a module for DistributedDataParallel, for all styles."""

    def __init__(self, weights: list[Tensor]) -> None:
        super().__init__()
        self.weights = nn.ParameterList(weights)

    def forward(self, objective: Objective, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return objective(images, targets)
