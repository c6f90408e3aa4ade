"""Reads weight files written by other programs."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console
from torch import Tensor

from netdsl.runtime import checkpoint
from netdsl.runtime.console import say
from netdsl.runtime.errors import RunError
from netdsl.runtime.silence import silenced

# Keys under which checkpoints hold the weights of a training, in the order in which they are preferred.
# Averages of weights have other names.
PREFERRED = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "module", "weights")
# Prefixes that DistributedDataParallel, torch.compile and Lightning add to every name.
PREFIXES = ("module.", "_orig_mod.", "model.", "net.")
# The most levels of dicts that are searched for a state dict.
_DEPTH = 3


class ForeignWeights(NamedTuple):
    """The state dict of a file; `ordered` if its tensors are in the order in which they were written."""

    state: dict[str, Tensor]
    ordered: bool


class _Unknown(dict[object, object]):
    """Stands for an object of a class that torch doesn't load; none of the class' code is run."""

    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__()

    def __setstate__(self, state: object) -> None:
        pass

    def append(self, item: object) -> None:
        pass

    extend = append


def read(path: Path) -> ForeignWeights:
    """The weights in a file of safetensors or of `torch.save`, whatever its name, on the CPU.

    The state dict may be inside of a checkpoint, under any key; if there are several, a line on standard
    error says which one was taken. No code in the file is run. Raises RunError.
    """
    if not path.is_file():
        raise RunError(f"there is no file {path}", "name a file of safetensors or of `torch.save`")
    try:
        with open(path, "rb") as file:
            start = file.read(9)
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from error
    if start[8:] == b"{":
        return ForeignWeights(_without_prefix(checkpoint.load(path)), ordered=False)
    found = list(_state_dicts(_load(path), ""))
    if not found:
        raise RunError(f"{path} holds no state dict", "write one to it: `torch.save(model.state_dict(), …)`")
    found.sort(key=lambda item: PREFERRED.index(item[0]) if item[0] in PREFERRED else len(PREFERRED))
    (key, state), *others = found
    if others:
        names = ", ".join(f"`{name}`" for name, _ in others)
        say(Console(stderr=True), f"took `{key}` of {path}, not {names}")
    return ForeignWeights(_without_prefix(state), ordered=True)


def _load(path: Path) -> object:
    """The content of a file of `torch.save`. Raises RunError."""
    try:
        with silenced():
            unknown: list[str] = []
            if zipfile.is_zipfile(path):
                unknown = torch.serialization.get_unsafe_globals_in_checkpoint(path)
            stand_ins = [(type("_Unknown", (_Unknown,), {}), name) for name in unknown]
            with torch.serialization.safe_globals(stand_ins):  # type: ignore[arg-type]
                content: object = torch.load(path, map_location="cpu", weights_only=True)
            return content
    except Exception as error:  # The reader raises any exception on damaged files.
        raise RunError(
            f"{path} can't be read as weights: it is damaged, or holds code beside tensors",
            "write the tensors alone to a file: `torch.save(model.state_dict(), …)`",
        ) from error


def _state_dicts(content: object, key: str, depth: int = _DEPTH) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """The dicts of nothing but named tensors, with their keys, the outermost of each branch."""
    if not isinstance(content, Mapping) or isinstance(content, _Unknown) or not content:
        return
    if all(isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()):
        yield key, dict(content)
    elif depth:
        for name, value in content.items():
            if isinstance(name, str) and "optim" not in name:  # Its state is named tensors too.
                yield from _state_dicts(value, f"{key}.{name}" if key else name, depth - 1)


def _without_prefix(state: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in state):
            return _without_prefix({name.removeprefix(prefix): tensor for name, tensor in state.items()})
    return state
