"""One interface to generated code of all styles."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from itertools import compress
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from netdsl.runtime.errors import RunError
from netdsl.runtime.synced import synchronised

# What generated code returns: one tensor, or those that `output` names, in its order.
Outputs: TypeAlias = Tensor | tuple[Tensor, ...]


def all_outputs(returned: Outputs) -> tuple[Tensor, ...]:
    """The outputs, also where there is only one."""
    return returned if isinstance(returned, tuple) else (returned,)


class Model(Protocol):
    """A network and its weights."""

    @property
    def parameters(self) -> list[Tensor]:
        """The weights in the order of the network, frozen ones included."""

    @property
    def statistics(self) -> list[Tensor]:
        """The running statistics of batch norms, and their counters."""

    def __call__(self, x: Tensor, training: bool) -> Tensor:
        """The first output, the logits of a batch: (N, C, H, W) or (N, D) -> (N, classes)."""

    def outputs(self, x: Tensor, training: bool) -> tuple[Tensor, ...]:
        """All outputs: in training also those that the network has only then."""

    def prepare(self, training: bool) -> None:
        """Sets the mode that a call with `training` would set; compiled code needs it to be set before."""

    def state(self) -> dict[str, Tensor]:
        """Weights and running statistics by name; the tensors are the model's own, not copies."""

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Copies weights, all or none. Raises RunError if a name or a shape does not match."""

    def to(self, device: torch.device, layout: torch.memory_format) -> None:
        """Moves the weights; those of convolutions get the layout of the images."""

    def fix_norms(self, fixed: Sequence[bool]) -> None:
        """Keeps some of the batch norms, in the order of the network, in evaluation mode in training too.

        Raises RunError if the style does not support it.
        """

    def module(self) -> nn.Module:
        """The network as an `nn.Module` that shares the weights; to be set to `eval()`."""

    def synchronise(self, device: torch.device) -> None:
        """Makes batch norms use the images of all processes; to be called after `to`, with its device.

        Raises RunError if the style does not support it.
        """


class ModuleModel:
    """A network that is an `nn.Module`: the styles `module` and `sequential`."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._fixed: Sequence[bool] = ()

    @property
    def parameters(self) -> list[Tensor]:
        return list(self._module.parameters())

    @property
    def statistics(self) -> list[Tensor]:
        return list(self._module.buffers())

    def __call__(self, x: Tensor, training: bool) -> Tensor:
        return self.outputs(x, training)[0]

    def outputs(self, x: Tensor, training: bool) -> tuple[Tensor, ...]:
        self.prepare(training)
        return all_outputs(self._module(x))

    def prepare(self, training: bool) -> None:
        if self._module.training != training:
            self._module.train(training)
            norms = (module for module in self._module.modules() if isinstance(module, _BatchNorm))
            for norm in compress(norms, self._fixed):
                norm.eval()

    def fix_norms(self, fixed: Sequence[bool]) -> None:
        self._module.eval()  # `prepare` then sets the mode of each.
        self._fixed = fixed

    def state(self) -> dict[str, Tensor]:
        return dict(self._module.state_dict())

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        copy_state(state, self.state())

    def to(self, device: torch.device, layout: torch.memory_format) -> None:
        self._module.to(device).to(memory_format=layout)

    def module(self) -> nn.Module:
        return self._module

    def synchronise(self, device: torch.device) -> None:
        self._module = synchronised(self._module, device)


class FunctionalModel:
    """A network that is a function and lists of tensors: the style `functional`.

    `forward(x, params)` also takes `buffers` and `training` if the network needs them.
    """

    def __init__(
        self,
        forward: Callable[..., Outputs],
        params: list[Tensor],
        buffers: list[Tensor] | None = None,
    ) -> None:
        self._forward = forward
        self._params = params
        self._buffers = buffers
        self._takes_training = "training" in inspect.signature(forward).parameters

    @property
    def parameters(self) -> list[Tensor]:
        return self._params

    @property
    def statistics(self) -> list[Tensor]:
        return self._buffers or []

    def __call__(self, x: Tensor, training: bool) -> Tensor:
        return self.outputs(x, training)[0]

    def outputs(self, x: Tensor, training: bool) -> tuple[Tensor, ...]:
        lists = [self._params] if self._buffers is None else [self._params, self._buffers]
        mode = {"training": training} if self._takes_training else {}
        return all_outputs(self._forward(x, *lists, **mode))

    def prepare(self, training: bool) -> None:
        pass

    def fix_norms(self, fixed: Sequence[bool]) -> None:
        if any(fixed):
            raise RunError(
                "single batch norms of the functional style have no evaluation mode",
                "use `--style module`, or `--eval-norms none`",
            )

    def state(self) -> dict[str, Tensor]:
        params = {f"params.{i:03d}": tensor.detach() for i, tensor in enumerate(self._params)}
        return params | {f"buffers.{i:03d}": tensor for i, tensor in enumerate(self._buffers or [])}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        copy_state(state, self.state())

    def to(self, device: torch.device, layout: torch.memory_format) -> None:
        # detach: otherwise a moved tensor is the result of an operation, and gets no gradient.
        self._params = [
            nn.Parameter(_laid_out(p.detach(), device, layout), p.requires_grad) for p in self._params
        ]
        if self._buffers is not None:
            self._buffers = [buffer.to(device) for buffer in self._buffers]

    def module(self) -> nn.Module:
        return _Wrapped(self._forward, self._params, self._buffers)

    def synchronise(self, device: torch.device) -> None:
        if self._buffers is not None:
            raise RunError(
                "the batch norms of the functional style can't be synchronised: torch has no function for it",
                "use `--style module`, or remove `--batch-norm sync`",
            )


class _Wrapped(nn.Module):
    """A function and its lists of tensors as an `nn.Module`."""

    def __init__(
        self, forward: Callable[..., Outputs], params: list[Tensor], buffers: list[Tensor] | None
    ) -> None:
        super().__init__()
        self._function = forward
        self.params = nn.ParameterList(params)
        self._statistics = None if buffers is None else [f"buffer_{i}" for i in range(len(buffers))]
        for name, buffer in zip(self._statistics or [], buffers or [], strict=True):
            self.register_buffer(name, buffer)

    def forward(self, x: Tensor) -> Outputs:
        # By name: torch.export replaces the buffers.
        names = self._statistics
        buffers = None if names is None else [self.get_buffer(name) for name in names]
        found = FunctionalModel(self._function, list(self.params), buffers).outputs(x, training=False)
        return found if len(found) > 1 else found[0]


def create(
    namespace: Mapping[str, Any],
    style: str,
    entry: str,
    seed: int,
    device: torch.device,
    layout: torch.memory_format,
) -> Model:
    """The network of a generated module, with weights drawn with `seed`.

    `style` is "module", "sequential" or "functional"; `entry` is the name of the class or function of the
    first two. Weights are drawn on the CPU, so that they are the same on all devices.
    """
    torch.manual_seed(seed)
    model: Model
    if style == "functional":
        buffers = namespace["init_buffers"]() if "init_buffers" in namespace else None
        model = FunctionalModel(namespace["forward"], namespace["init_params"](), buffers)
    else:
        model = ModuleModel(namespace[entry]())
    model.to(device, layout)
    return model


def require_match(source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
    """Raises RunError if two states differ in a name, a shape or a type."""
    help = (
        "the weights belong to another network, to another style of the same network, or to a run of netdsl "
        "0.4 or before, whose layers have other names: train the network again, or use that version"
    )
    for name in [*target, *source]:
        if name not in source:
            raise RunError(f"the weights have no `{name}`, which the network needs", help)
        if name not in target:
            raise RunError(f"the weights have `{name}`, which the network does not have", help)
        if source[name].shape != target[name].shape:
            shapes = f"{_shape(source[name])} in the weights, {_shape(target[name])} in the network"
            raise RunError(f"shape mismatch of `{name}`: {shapes}", help)
        if source[name].dtype != target[name].dtype:
            types = f"{source[name].dtype} in the weights, {target[name].dtype} in the network"
            raise RunError(f"type mismatch of `{name}`: {types}".replace("torch.", ""), help)


def copy_state(source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
    """Copies tensors by name. Raises RunError, and copies none, if any does not match."""
    require_match(source, target)
    with torch.no_grad():
        for name, tensor in target.items():
            tensor.copy_(source[name])


def _laid_out(tensor: Tensor, device: torch.device, layout: torch.memory_format) -> Tensor:
    if tensor.dim() == 4:
        return tensor.to(device, memory_format=layout)
    return tensor.to(device)


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a single number"
