"""Batch norm over the images of all processes on the CPU, which torch lacks."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class SyncedBatchNorm(_BatchNorm):
    """Batch norm over the batches of all processes, equal to that of one process up to rounding.

    `nn.SyncBatchNorm` does the same on GPUs only.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, …) -> (N, C, …), with another N in each process."""
        if not self.training:
            normalised: Tensor = super().forward(x)
            return normalised
        wide = x.float()  # bfloat16 would lose the sums.
        dims = [0, *range(2, x.dim())]
        count = _total(x.new_full((), x.numel() // x.shape[1], dtype=torch.float32))
        mean = _total(wide.sum(dims, keepdim=True)) / count
        # In a second pass: the difference of two sums would cancel.
        variance = _total((wide - mean).square().sum(dims, keepdim=True)) / count
        self._remember(mean.detach().flatten(), variance.detach().flatten() * (count / (count - 1)))
        y: Tensor = (wide - mean) * (variance + self.eps).rsqrt()
        if self.affine:
            y = y * self.weight.view_as(mean) + self.bias.view_as(mean)
        return y.to(x.dtype)

    def _check_input_dim(self, input: Tensor) -> None:
        """Accepts any number of dimensions."""

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Updates the running statistics as torch does."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


def synchronised(module: nn.Module, device: torch.device) -> nn.Module:
    """Replaces a module's batch norms by synchronised ones, which share the tensors of the weights."""
    if device.type == "cuda":
        changed: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
        return changed
    for name, child in module.named_children():
        setattr(
            module, name, _synced(child) if isinstance(child, _BatchNorm) else synchronised(child, device)
        )
    return module


def _synced(norm: _BatchNorm) -> SyncedBatchNorm:
    synced = SyncedBatchNorm(
        norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats
    )
    synced.weight, synced.bias = norm.weight, norm.bias
    synced.running_mean, synced.running_var = norm.running_mean, norm.running_var
    synced.num_batches_tracked = norm.num_batches_tracked
    return synced


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _total(values: Tensor) -> Tensor:
    total: Tensor = _Total.apply(values)
    return total


class _Total(torch.autograd.Function):
    """The sum over all processes. Each process's loss depends on it, so gradients are also summed."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _Total.forward(ctx, gradient)
