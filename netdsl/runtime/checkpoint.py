"""Weights in safetensors files, which hold tensors and nothing that can run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from netdsl.runtime.errors import RunError
from netdsl.runtime.storage import write_atomic


def save(path: Path, state: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Writes named tensors; the old file stays until the new one is whole. Raises RunError."""
    # A copy of each: safetensors refuses tensors that share memory or aren't contiguous.
    copies = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in state.items()}
    write_atomic(path, safetensors.torch.save(copies, metadata))


def load(path: Path) -> dict[str, Tensor]:
    """The named tensors of a file, on the CPU. Raises RunError where it is missing or damaged."""
    with _reading(path):
        return safetensors.torch.load_file(path)


def metadata(path: Path) -> dict[str, str]:
    """What a file says beside its tensors, maybe nothing. Raises RunError as `load` does."""
    with _reading(path), safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {})


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise RunError(f"there are no weights at {path}", "train first") from error
    except (OSError, SafetensorError) as error:
        raise RunError(
            f"{path} is not a whole safetensors file: {error}", "train again, or restore the file"
        ) from error
