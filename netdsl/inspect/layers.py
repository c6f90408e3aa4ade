"""What a network computes on the way: tensors of layers, by forward hooks that don't outlive their use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn

from netdsl.runtime.errors import RunError

# So many names are listed where a layer isn't found.
_MOST = 40


class _AllSeen(Exception):
    """The layers that are wanted have been computed; the rest of the network isn't needed."""


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode and frozen weights: gradients are of the input alone. Both are as before afterwards,
    after exceptions too.
    """
    modes = [(module, module.training) for module in model.modules()]
    frozen = [(weight, weight.requires_grad) for weight in model.parameters()]
    try:
        model.eval()
        for weight, _ in frozen:
            weight.requires_grad_(False)
        yield
    finally:
        for module, training in modes:
            module.training = training
        for weight, required in frozen:
            weight.requires_grad_(required)


@contextmanager
def captured(model: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """What these layers compute whenever the model runs in the block, by name.

    Raises RunError where there is no such layer, and lists those that exist.
    """
    seen: dict[str, Tensor] = {}
    handles = []

    def keep(name: str) -> None:
        def hook(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
            seen[name] = output
            return output.clone()  # what comes next may work in place: `nn.ReLU(inplace=True)`

        handles.append(find(model, name).register_forward_hook(hook))

    try:
        for name in names:
            keep(name)
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def activations(model: nn.Module, images: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
    """What these layers compute for images, with their graph; what comes after the last isn't computed.

    So images may have other sizes than the head takes. Raises RunError as `captured` does.
    """

    def stop(module: nn.Module, inputs: object, output: Tensor) -> None:
        if len(seen) == len(set(names)):
            raise _AllSeen

    with captured(model, names) as seen:
        # Hooks run in their order: these after those that keep what they see.
        handles = [find(model, name).register_forward_hook(stop) for name in names]
        try:
            model(images)
        except _AllSeen:
            pass
        finally:
            for handle in handles:
                handle.remove()
        if missing := [name for name in names if name not in seen]:
            raise RunError(f"the network never ran its layer `{missing[0]}`", "name another one")
        return dict(seen)


def find(model: nn.Module, name: str) -> nn.Module:
    """The submodule of a layer. The number of a step that is the only one of its kind may be left out, and
    so may the only block of a stage.

    Raises RunError where there is none, and lists those that exist.
    """
    module = model
    parts = name.split(".")
    for at, part in enumerate(parts):
        found = _child(module, part)
        if found is None:
            around = f"`{'.'.join(parts[:at])}`" if at else "the network"
            raise RunError(f"there is no layer `{name}`", f"{around} has {_listed(list(_inside(module)))}")
        module = found
    return module


def _inside(module: nn.Module) -> dict[str, nn.Module]:
    """The children that compute something: lists of weights don't."""
    return {name: own for name, own in module.named_children() if not isinstance(own, nn.ParameterList)}


def _child(module: nn.Module, name: str) -> nn.Module | None:
    children = _inside(module)
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
    shown = ", ".join(names[:_MOST])
    return f"{shown} and {len(names) - _MOST} more" if len(names) > _MOST else shown
