"""Optimizers and learning rate schedules."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from netdsl.language.recipe import (
    Adam,
    AdamW,
    Constant,
    Cosine,
    Exponential,
    Muon,
    OneCycle,
    Optimizers,
    Plateau,
    Schedule,
    Sgd,
    Step,
)
from netdsl.runtime.errors import RunError


def learning_rate(
    schedule: Schedule, lr: float, epoch: float, epochs: float, losses: Sequence[float] = ()
) -> float:
    """The learning rate at `epoch`, counted from 0 with a fraction; `lr` is the peak, `losses` are those on
    the validation images after the epochs before.

    A warm-up may be longer than the training.
    """
    warmup = schedule.warmup
    risen = min(epoch / warmup, 1.0) if warmup else 1.0
    # The elapsed fraction of the time from the end of the warm-up to the end of the training.
    way = max(epoch - warmup, 0.0) / (epochs - warmup) if epochs > warmup else 0.0
    match schedule:
        case Constant():
            return lr * risen
        case Step(at, factor):
            return lr * risen * factor ** sum(epoch >= start for start in at)
        case Cosine():
            return lr * risen * (1 + math.cos(math.pi * way)) / 2
        case OneCycle(start=start, end=end):
            return lr * (start + (1 - start) * risen) * (1 - (1 - end) * way)
        case Exponential(factor):
            return lr * risen * factor ** int(epoch)
        case Plateau(factor, patience):
            return lr * risen * factor ** plateaus(losses, patience)


def plateaus(losses: Sequence[float], patience: int) -> int:
    """The number of times that more than `patience` epochs have passed without a loss that is lower by a
    ten-thousandth (`torch.optim.lr_scheduler.ReduceLROnPlateau`).
    """
    best, waited, found = math.inf, 0, 0
    for loss in losses:
        waited += 1
        if loss < best * (1 - 1e-4):
            best, waited = loss, 0
        elif waited > patience:
            waited, found = 0, found + 1
    return found


class Rates(NamedTuple):
    """The rates of a weight: factors of the recipe's learning rate and weight decay, and the number of epochs
    after which it stays as it is; 0 for a frozen one.
    """

    lr: float = 1.0
    decay: float = 1.0
    epochs: float = math.inf


class _Part(NamedTuple):
    """One of torch's optimizers, and the weights that it updates."""

    optimizer: torch.optim.Optimizer
    # The weights by their position in the network, in the order of torch's parameters.
    weights: dict[int, Tensor]
    # The parameters of torch's optimizer: the weights themselves, or matrices that share their memory.
    parameters: list[Tensor]
    # The names of torch's state for each parameter.
    entries: tuple[str, ...]
    # The learning rate relative to the recipe's.
    share: float


# What changes of a scaler's state, by torch's names.
_SCALER = ("scale", "_growth_tracker")


class Optimizer:
    """Updates weights with their gradients; made by `build`.

    With a scaler, losses are multiplied by its scale before the backward pass. A step whose gradients are not
    finite leaves the weights as they are, and lowers the scale.
    """

    def __init__(self, parts: list[_Part], scaler: torch.GradScaler | None = None) -> None:
        self._parts, self._scaler = parts, scaler

    @property
    def gradient_scale(self) -> float:
        """The factor of the gradients; synchronises the device."""
        return 1.0 if self._scaler is None else self._scaler.get_scale()

    def scaled(self, loss: Tensor) -> Tensor:
        """The loss for the backward pass."""
        return loss if self._scaler is None else self._scaler.scale(loss)

    def step(self, lr: float, clip: float | None = None, epoch: float = 0.0) -> None:
        """One update with a learning rate; clears the gradients. Their norm is at most `clip`. `epoch`, from
        0, decides which weights are still trained.
        """
        for optimizer, weights, parameters, _, share in self._parts:
            for weight, parameter in zip(weights.values(), parameters, strict=True):
                if parameter is not weight:
                    parameter.grad = None if weight.grad is None else _matrix(weight.grad, weight)
                    weight.grad = None
            for group in optimizer.param_groups:
                group["lr"] = lr * share * group["factor"]
                if epoch >= group["epochs"]:
                    for parameter in group["params"]:
                        parameter.grad = None
        scaler = self._scaler
        if scaler is not None:
            for optimizer, *_ in self._parts:
                scaler.unscale_(optimizer)
        if clip is not None:
            torch.nn.utils.clip_grad_norm_([p for part in self._parts for p in part.parameters], clip)
        for optimizer, *_ in self._parts:
            if scaler is None:
                optimizer.step()
            else:
                scaler.step(optimizer)
            optimizer.zero_grad(set_to_none=True)
        if scaler is not None:
            scaler.update()

    def state(self) -> dict[str, Tensor]:
        """The optimizer's own tensors, by the weight's position and torch's name: `002.exp_avg`, in the
        weight's shape, and `002.step`, a number. Empty before the first step.
        """
        return {
            name: memory[entry] if entry == "step" else _unmatrix(memory[entry], weight)
            for name, entry, weight, memory in self._entries()
            if entry in memory
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restores a state: the next updates are bit for bit those of the saved optimizer.

        Raises RunError, and changes nothing, if it is of another optimizer or of other weights.
        """
        self._require_fit(state)
        for optimizer, weights, parameters, entries, _ in self._parts:
            packed = optimizer.state_dict()
            packed["state"] = {
                i: {entry: _restored(state[_name(position, entry)], entry, weights[position], parameter)
                    for entry in entries}
                for i, (position, parameter) in enumerate(zip(weights, parameters, strict=True))
                if any(_name(position, entry) in state for entry in entries)
            }  # fmt: skip
            optimizer.load_state_dict(packed)

    def scaler_state(self) -> dict[str, Tensor]:
        """The state of the scaler, two numbers; empty without one."""
        if self._scaler is None:
            return {}
        state = self._scaler.state_dict()
        return {name: torch.tensor(state[name]) for name in _SCALER}

    def load_scaler_state(self, state: Mapping[str, Tensor]) -> None:
        """Restores the scaler; without a state, as of a run in another precision, it stays new."""
        if self._scaler is not None and state.keys() >= set(_SCALER):
            values = {name: state[name].item() for name in _SCALER}
            self._scaler.load_state_dict({**self._scaler.state_dict(), **values})

    def _require_fit(self, state: Mapping[str, Tensor]) -> None:
        """Raises RunError if an entry has another shape than its weight, or a weight lacks some entries."""
        shapes = {name: () if entry == "step" else weight.shape for name, entry, weight, _ in self._entries()}
        begun = {name.partition(".")[0] for name in state}
        needed = {name for name in shapes if name.partition(".")[0] in begun}
        shape_errors = [name for name in state if shapes.get(name) != state[name].shape]
        if shape_errors := shape_errors or sorted(needed - state.keys()):
            raise RunError(
                f"`{shape_errors[0]}` of the optimizer's state does not match",
                "continue with the recipe, the network and the version of netdsl that it was saved with",
            )

    def _entries(self) -> Iterator[tuple[str, str, Tensor, dict[str, Tensor]]]:
        """For each entry: its name in the state, torch's name, the weight, and torch's state for it."""
        for optimizer, weights, parameters, entries, _ in self._parts:
            for (position, weight), parameter in zip(weights.items(), parameters, strict=True):
                for entry in entries:
                    yield _name(position, entry), entry, weight, optimizer.state.get(parameter, {})


def build(
    parameters: list[Tensor],
    optimizer: Optimizers,
    *,
    fused: bool,
    rates: Sequence[Rates] = (),
    scaler: torch.GradScaler | None = None,
) -> Optimizer:
    """The optimizer of a recipe for a network's weights, in the network's order and on their device; frozen
    weights are not updated.

    `rates` are those of each weight. `fused`: torch's fused kernels, where it
    has them (not for Muon's matrices). `scaler` is for gradients of `fp16`. Raises RunError if there is
    nothing to train, or the optimizer's arguments contradict each other.
    """
    trained = {i: parameter for i, parameter in enumerate(parameters) if parameter.requires_grad}
    if not trained:
        raise RunError("the network has no weights to train", "add a layer with weights, or freeze less")
    rates = rates or [Rates()] * len(parameters)
    moments = ("step", "exp_avg", "exp_avg_sq")
    match optimizer:
        case Sgd(momentum=0, nesterov=True):
            raise RunError("nesterov needs a momentum", "write sgd(momentum=0.9, nesterov=yes)")
        case Sgd(_, momentum, nesterov):
            entries = ("momentum_buffer",) if momentum else ()
            options: dict[str, Any] = {"momentum": momentum, "nesterov": nesterov, "fused": fused}
            return Optimizer([_part(torch.optim.SGD, trained, optimizer, rates, entries, **options)], scaler)
        case Adam():
            return Optimizer(
                [_part(torch.optim.Adam, trained, optimizer, rates, moments, fused=fused)], scaler
            )
        case AdamW():
            return Optimizer(
                [_part(torch.optim.AdamW, trained, optimizer, rates, moments, fused=fused)], scaler
            )
        case Muon(lr, momentum, nesterov, _, adamw_lr):
            # Frozen kernels count: the layer after a frozen first layer is hidden.
            kernels = [i for i, parameter in enumerate(parameters) if _is_kernel(parameter)]
            hidden = {i: trained[i] for i in kernels[1:-1] if i in trained}
            others = {i: weight for i, weight in trained.items() if i not in hidden}
            # "original": updates are scaled as Jordan's, by sqrt(max(1, out / (in * height * width))).
            options = {"momentum": momentum, "nesterov": nesterov, "adjust_lr_fn": "original"}
            parts = []
            if hidden:
                entries = ("momentum_buffer",)
                parts.append(_part(torch.optim.Muon, hidden, optimizer, rates, entries, **options))
            if others:
                options = {"betas": (0.9, 0.95), "eps": 1e-10, "fused": fused}
                parts.append(
                    _part(torch.optim.AdamW, others, optimizer, rates, moments, adamw_lr / lr, **options)
                )
            return Optimizer(parts, scaler)


def _part(
    kind: type[torch.optim.Optimizer],
    weights: dict[int, Tensor],
    optimizer: Optimizers,
    rates: Sequence[Rates],
    entries: tuple[str, ...],
    share: float = 1.0,
    **options: Any,
) -> _Part:
    # The group of each weight.
    keys = {
        i: rates[i] if optimizer.decay_norms or _is_kernel(w) else rates[i]._replace(decay=0.0)
        for i, w in weights.items()
    }
    # In torch's order: group after group.
    weights = {i: weights[i] for i in sorted(weights, key=lambda i: keys[i])}
    parameters = {
        i: _matrix(weight.detach(), weight) if kind is torch.optim.Muon else weight
        for i, weight in weights.items()
    }
    # Muon writes through its matrices.
    assert all(parameters[i].data_ptr() == weight.data_ptr() for i, weight in weights.items())
    groups = [
        {
            "params": [parameters[i] for i in weights if keys[i] == key],
            "weight_decay": optimizer.weight_decay * key.decay,
            "factor": key.lr,
            "epochs": key.epochs,
        }
        for key in sorted(set(keys.values()))
    ]
    made = kind(groups, lr=optimizer.lr * share, **options)  # type: ignore[call-arg]
    return _Part(made, weights, list(parameters.values()), entries, share)


def _is_kernel(weight: Tensor) -> bool:
    """True if it is the kernel of a linear layer or a convolution; a scale of maps is (C, 1, 1)."""
    return weight.dim() in (2, 4)


def _name(position: int, entry: str) -> str:
    return f"{position:03d}.{entry}"


def _matrix(tensor: Tensor, weight: Tensor) -> Tensor:
    """A tensor of a weight's shape as the matrix (out, in * height * width) that Muon takes.

    The columns are in the order of the weight's memory, so that the matrix of a weight is a view of it. Muon
    does not depend on their order.
    """
    if weight.dim() == 4 and weight.is_contiguous(memory_format=torch.channels_last):
        tensor = tensor.permute(0, 2, 3, 1)
    return tensor.flatten(1)


def _unmatrix(value: Tensor, weight: Tensor) -> Tensor:
    """A tensor of the optimizer, which may be a matrix of `_matrix`, as a view in the weight's shape."""
    if value.shape == weight.shape:
        return value
    if weight.is_contiguous(memory_format=torch.channels_last):
        out, channels, height, width = weight.shape
        return value.view(out, height, width, channels).permute(0, 3, 1, 2)
    return value.view(weight.shape)


def _restored(value: Tensor, entry: str, weight: Tensor, parameter: Tensor) -> Tensor:
    """A saved tensor as torch's state; the inverse of `_unmatrix`. Torch's kernels rely on the layout of the
    weight, which files don't keep.
    """
    if entry == "step":
        return value.detach().cpu().clone()  # Torch moves it to the right device.
    copy = torch.empty_like(weight, requires_grad=False).copy_(value)
    return copy if parameter is weight else _matrix(copy, weight)
