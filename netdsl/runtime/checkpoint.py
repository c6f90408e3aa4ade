"""Weights and checkpoints in safetensors files, which hold tensors and text, and nothing that can run."""

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
from netdsl.runtime.errors import RunError

FORMAT = "netdsl checkpoint 1"


def save(path: Path, state: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Writes named tensors; the old file stays until the new one is whole. Raises RunError."""
    # A copy of each: safetensors refuses tensors that share memory or aren't contiguous.
    copies = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in state.items()}
    try:
        with atomic.replacing(path) as temporary:
            safetensors.torch.save_file(copies, temporary, metadata)
    except (OSError, SafetensorError) as error:  # the latter for what its writer meets, a full disk too
        raise RunError(
            f"cannot write {path}: {getattr(error, 'strerror', None) or error}",
            "make room or choose another folder; what was saved before is whole",
        ) from error


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
        raise _damaged(path, str(error)) from error


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All that a run needs to go on: named tensors, and facts that JSON can say."""

    tensors: dict[str, Tensor]
    facts: dict[str, object]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin with `prefix` and a dot, without it."""
        start = prefix + "."
        return {n.removeprefix(start): tensor for n, tensor in self.tensors.items() if n.startswith(start)}

    def write(self, path: Path) -> None:
        """Raises RunError; the old checkpoint stays until this one is whole."""
        facts = json.dumps(self.facts, allow_nan=False)
        save(
            path, self.tensors, {"format": FORMAT, "facts": facts, "checksum": _checksum(self.tensors, facts)}
        )

    @staticmethod
    def require(path: Path) -> None:
        """Raises RunError where there is no such file."""
        if not path.exists():
            raise RunError(
                f"there is no checkpoint {path}",
                "name the folder of a run, as runs/resnet32; one that was stopped before its first step "
                "has nothing to resume",
            )

    @staticmethod
    def read(path: Path) -> Checkpoint:
        """Raises RunError where the file is missing, damaged or no checkpoint of netdsl."""
        Checkpoint.require(path)
        texts, tensors = metadata(path), load(path)
        if texts.get("format") != FORMAT:
            raise RunError(
                f"{path} is no checkpoint of this version of netdsl (expected `{FORMAT}`)",
                "resume with the version that wrote it",
            )
        if texts.get("checksum") != _checksum(tensors, texts.get("facts", "")):
            raise _damaged(path, "it differs from what was written")
        try:
            facts = json.loads(texts["facts"])
        except (KeyError, ValueError) as error:
            raise _damaged(path, str(error)) from error
        if not isinstance(facts, dict):
            raise _damaged(path, "its facts are no table")
        return Checkpoint(tensors, facts)


def _checksum(tensors: Mapping[str, Tensor], facts: str) -> str:
    """Of all that is in the file: the format itself notices only what is missing."""
    checksum = zlib.crc32(facts.encode())
    for name in sorted(tensors):
        flat = tensors[name].detach().cpu().contiguous().flatten()
        # As bytes, since numpy has no bfloat16.
        checksum = zlib.crc32(flat.view(torch.uint8).numpy().data if flat.numel() else b"", checksum)
    return f"{checksum:08x}"


def _damaged(path: Path, reason: str) -> RunError:
    return RunError(f"{path} is damaged: {reason}", "restore the file from a copy, or train again")
