"""Weights in safetensors files, which hold tensors and nothing that can run."""

from __future__ import annotations

from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
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
    try:
        return safetensors.torch.load_file(path)
    except FileNotFoundError as error:
        raise RunError(f"there are no weights at {path}", "train first") from error
    except (OSError, SafetensorError) as error:
        raise RunError(
            f"{path} is not a whole safetensors file: {error}", "train again, or restore the file"
        ) from error
