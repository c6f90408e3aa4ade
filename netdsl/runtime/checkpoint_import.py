"""Reads weight files written by other programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from netdsl.runtime.errors import RunError

# Keys under which checkpoints hold the state dict.
NESTED = ("state_dict", "model_state_dict", "model")
# Prefixes that DistributedDataParallel and torch.compile add to every name.
PREFIXES = ("module.", "_orig_mod.")


def read(path: Path) -> dict[str, Tensor]:
    """The state dict in a .safetensors, .pth or .pt file, on the CPU; no code in the file is run.

    It may be nested in a checkpoint, under one of the usual keys. Raises RunError.
    """
    if not path.is_file():
        raise RunError(f"there is no file {path}", "name a .safetensors, .pth or .pt file")
    load = LOADERS.get(path.suffix.lower())
    if load is None:
        raise RunError(f"{path} is neither a .safetensors nor a .pth or .pt file")
    try:
        content = load(path)
    except Exception as error:  # readers raise any exception on damaged files
        reason = str(error).strip().partition("\n")[0]
        raise RunError(
            f"{path} can't be read as weights: {reason}",
            "the file may be damaged, or hold more than tensors: write `model.state_dict()` alone to it",
        ) from error
    return _without_prefix(_state_dict(content, path))


def keeps_order(path: Path) -> bool:
    """True if the file's state dict is in the order in which it was written."""
    return path.suffix.lower() != ".safetensors"


def _load_torch(path: Path) -> object:
    content: object = torch.load(path, map_location="cpu", weights_only=True)
    return content


LOADERS: dict[str, Callable[[Path], object]] = {
    ".safetensors": safetensors.torch.load_file,
    ".pth": _load_torch,
    ".pt": _load_torch,
}


def _state_dict(content: object, path: Path) -> dict[str, Tensor]:
    while isinstance(content, Mapping):
        inner = next((content[key] for key in NESTED if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            break
        content = inner
    if not isinstance(content, Mapping) or not content:
        raise RunError(
            f"{path} holds no state dict", f"expected tensors by name, or a dict with one as {NESTED[0]!r}"
        )
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise RunError(
                f"{path} holds no state dict: {name!r} is {type(value).__name__}, not a tensor",
                f"expected tensors by name, or a dict with them under one of {', '.join(NESTED)}",
            )
    return dict(content)


def _without_prefix(state: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in state):
            return _without_prefix({name.removeprefix(prefix): tensor for name, tensor in state.items()})
    return state
