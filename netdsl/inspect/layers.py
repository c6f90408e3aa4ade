"""The tensors of a network's layers, by forward hooks that are removed after use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from netdsl.inspect.inspected import Inspected
from netdsl.runtime.errors import RunError

# The most names that the error for an unknown layer lists.
_MOST = 40


class _AllSeen(Exception):
    """Ends a forward pass after the last requested layer."""


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode and frozen weights inside the block, so that gradients are of the input only. Both are
    restored afterwards, also after exceptions. `torch.inference_mode` becomes `torch.no_grad`.
    """
    modes = [(module, module.training) for module in model.modules()]
    # Weights created in inference mode can't be changed outside of it.
    weights = [weight for weight in model.parameters() if not weight.is_inference()]
    frozen = [(weight, weight.requires_grad) for weight in weights]
    try:
        model.eval()
        for weight, _ in frozen:
            weight.requires_grad_(False)
        with _gradients_possible():
            yield
    finally:
        for module, training in modes:
            module.training = training
        for weight, required in frozen:
            weight.requires_grad_(required)


@contextmanager
def _gradients_possible() -> Iterator[None]:
    """Replaces inference mode by `no_grad`, since inference mode does not allow gradients at all."""
    if not torch.is_inference_mode_enabled():
        yield
    else:
        with torch.inference_mode(False), torch.no_grad():
            yield


@contextmanager
def captured(model: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """The outputs of layers by name, whenever the model runs inside the block; the last output of a module
    that runs several times.

    Raises RunError for an unknown layer, with those that exist, and if the output of a layer is not a tensor.
    """
    seen: dict[str, Tensor] = {}

    def keep(name: str, module: nn.Module, inputs: object, output: object) -> Tensor:
        if not isinstance(output, Tensor):
            raise RunError(
                f"layer `{name}` returns a {type(output).__name__}, not a tensor", "name another layer"
            )
        seen[name] = output
        return output.clone()  # the next layer may work in place: `nn.ReLU(inplace=True)`

    with ExitStack() as hooks:
        for name in names:
            hooks.enter_context(find(model, name).register_forward_hook(partial(keep, name)))
        yield seen


def activations(model: nn.Module, images: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
    """The outputs of layers for images in evaluation mode, with the graph to the images; the last output of a
    module that runs several times.

    Images may have any size for which the network runs up to these layers. Raises RunError as `captured`
    does.
    """

    def stop(module: nn.Module, inputs: object, output: object) -> None:
        if len(seen) == wanted:
            raise _AllSeen

    wanted = len(set(names))
    # Each layer of an opened network runs once; modules of others may run again.
    stopping = names if isinstance(model, Inspected) else ()
    with evaluating(model), captured(model, names) as seen, ExitStack() as hooks:
        # Hooks run in the order of their registration: these after those of `captured`.
        for name in stopping:
            hooks.enter_context(find(model, name).register_forward_hook(stop))
        try:
            model(images)
        except _AllSeen:
            pass
        except RuntimeError:  # torch's error for shapes
            if len(seen) < wanted:
                raise
        if missing := [name for name in names if name not in seen]:
            raise RunError(f"the network did not run its layer `{missing[0]}`", "name another one")
        return dict(seen)


def find(model: nn.Module, name: str) -> nn.Module:
    """The submodule of a layer. The number of a step may be omitted if it is the only one of its kind, and so
    may the only block of a stage.

    Raises RunError for an unknown layer, with those that exist.
    """
    module = model
    parts = name.split(".")
    for at, part in enumerate(parts):
        found = _child(module, part)
        if found is None:
            around = f"`{'.'.join(parts[:at])}`" if at else "the network"
            inside = [child for child, _ in module.named_children()]
            raise RunError(f"there is no layer `{name}`", f"{around} has {_listed(inside)}")
        module = found
    return module


def _child(module: nn.Module, name: str) -> nn.Module | None:
    children = dict(module.named_children())
    if name in children:
        return children[name]
    if f"{name}1" in children and f"{name}2" not in children:
        return children[f"{name}1"]
    if "block1" in children and "block2" not in children:
        return _child(children["block1"], name)
    return None


def _listed(names: Sequence[str]) -> str:
    if not names:
        return "no layers inside"
    shown = ", ".join(f"`{name}`" for name in names[:_MOST])
    return f"{shown} and {len(names) - _MOST} more" if len(names) > _MOST else shown
