"""Weights and checkpoints in safetensors files, which hold tensors and text but no code."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from netdsl.base import atomic
from netdsl.runtime.errors import RunError, damaged

FORMAT = "netdsl checkpoint 1"


def save(path: Path, state: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Writes named tensors; the old file stays until the new one is complete. Raises RunError."""
    # safetensors refuses tensors that share memory or are not contiguous: one contiguous copy of each.
    copies = {name: torch.empty(t.shape, dtype=t.dtype).copy_(t.detach()) for name, t in state.items()}
    try:
        with atomic.replacing(path) as temporary:
            safetensors.torch.save_file(copies, temporary, metadata)
    except (OSError, SafetensorError) as error:  # a full disk is a SafetensorError
        raise RunError(
            f"cannot write {path}: {getattr(error, 'strerror', None) or error}",
            "free disk space or choose another folder; the files saved before are intact",
        ) from error


def load(path: Path) -> dict[str, Tensor]:
    """The named tensors of a file, on the CPU. Raises RunError if it is missing or damaged."""
    with _reading(path):
        return safetensors.torch.load_file(path)


def metadata(path: Path) -> dict[str, str]:
    """The metadata of a file, may be empty. Raises RunError as `load` does."""
    with _reading(path), safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {})


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise RunError(f"there are no weights at {path}", "train first") from error
    except (OSError, SafetensorError) as error:
        raise damaged(path, str(error)) from error


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything that a run needs to be resumed: named tensors, and facts that JSON can represent."""

    tensors: dict[str, Tensor]
    facts: dict[str, object]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin with `prefix` and a dot, without it."""
        start = prefix + "."
        return {n.removeprefix(start): tensor for n, tensor in self.tensors.items() if n.startswith(start)}

    def write(self, path: Path) -> None:
        """Raises RunError; the old checkpoint stays until this one is complete."""
        facts = json.dumps(self.facts, allow_nan=False)
        save(
            path, self.tensors, {"format": FORMAT, "facts": facts, "checksum": _checksum(self.tensors, facts)}
        )

    @staticmethod
    def require(path: Path) -> None:
        """Raises RunError if there is no such file."""
        if not path.exists():
            raise RunError(
                f"there is no checkpoint {path}",
                "name the folder of a run, such as runs/resnet32; a run that was stopped before its first "
                "step has nothing to resume",
            )

    @staticmethod
    def read(path: Path) -> Checkpoint:
        """Raises RunError if the file is missing, damaged or not a checkpoint of netdsl."""
        Checkpoint.require(path)
        texts, tensors = metadata(path), load(path)
        if texts.get("format") != FORMAT:
            raise RunError(
                f"{path} is not a checkpoint of this version of netdsl (expected `{FORMAT}`)",
                "resume with the version that wrote it",
            )
        if texts.get("checksum") != _checksum(tensors, texts.get("facts", "")):
            raise damaged(path, "its checksum differs")
        try:
            facts = json.loads(texts["facts"])
        except (KeyError, ValueError) as error:
            raise damaged(path, str(error)) from error
        if not isinstance(facts, dict):
            raise damaged(path, "its facts are not an object")
        return Checkpoint(tensors, facts)


def _checksum(tensors: Mapping[str, Tensor], facts: str) -> str:
    """The checksum of all content; the format itself only detects missing bytes."""
    checksum = zlib.crc32(facts.encode())
    for name in sorted(tensors):
        flat = tensors[name].detach().cpu().contiguous().flatten()
        # As bytes, since numpy has no bfloat16.
        checksum = zlib.crc32(flat.view(torch.uint8).numpy().data if flat.numel() else b"", checksum)
    return f"{checksum:08x}"
