"""Weights and checkpoints in safetensors files, which hold tensors and text but no code.

A checksum in the metadata covers the whole file, its header included. The format itself only detects missing
bytes.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from netdsl.base import atomic
from netdsl.base.typed_json import parse, typed
from netdsl.runtime.errors import RunError, damaged
from netdsl.runtime.silence import first_line
from netdsl.runtime.storage import after_a_failed_write, read_bytes

FORMAT = "netdsl checkpoint 2"

# In the header of a checkpoint of netdsl 0.4 or before.
_OLD = b'"format":"netdsl checkpoint 1"'
# The key of the checksum as it is in a header, and the value in its place while the checksum is computed. In
# names and texts, quotes are escaped.
_FIELD, _BLANK = b'"checksum":"', b"00000000"
_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def save(path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Writes named tensors; the old file stays until the new one is complete. Raises RunError."""
    # The largest elements first: safetensors reads each tensor at a multiple of its element's size.
    tensors = sorted(state.items(), key=lambda item: (-item[1].element_size(), item[0]))
    header: dict[str, object] = {"__metadata__": {**(metadata or {}), "checksum": _BLANK.decode()}}
    end = 0
    for name, tensor in tensors:
        start, end = end, end + tensor.nbytes
        shape = list(tensor.shape)
        header[name] = {"dtype": _DTYPES[tensor.dtype], "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    head = len(text).to_bytes(8, "little") + text
    checksum = zlib.crc32(head)
    try:
        with atomic.replacing(path) as file:
            file.write(head)
            for _, tensor in tensors:
                content = _content(tensor)
                file.write(content)
                checksum = zlib.crc32(content, checksum)
            file.seek(head.index(_FIELD) + len(_FIELD))
            file.write(f"{checksum:08x}".encode())
    except OSError as error:
        help = f"{after_a_failed_write(error)}; the files saved before are intact"
        raise RunError(str(error), help) from error


def _content(tensor: Tensor) -> memoryview | bytes:
    flat = tensor.detach().cpu().contiguous().flatten()
    # As bytes, since numpy has no bfloat16.
    return flat.view(torch.uint8).numpy().data if flat.numel() else b""


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The named tensors of a file, on the CPU, and its metadata, which may be empty.

    Files of other programs have no checksum. Raises RunError if the file is missing or damaged.
    """
    content = read_bytes(path)
    if content is None:
        raise RunError(f"there are no weights at {path}", "train first")
    end = 8 + int.from_bytes(content[:8], "little")
    if _OLD in content[:end]:
        raise RunError(
            f"{path} was written by netdsl 0.4 or before, whose layers have other names",
            "resume the run with that version, or train again",
        )
    before, field, after = content[:end].partition(_FIELD)
    if field:
        head = before + field + _BLANK + after[len(_BLANK) :]
        checksum = zlib.crc32(memoryview(content)[end:], zlib.crc32(head))
        if after[: len(_BLANK)] != f"{checksum:08x}".encode():
            raise damaged(path, "its checksum differs")
    try:
        tensors: dict[str, Tensor] = safetensors.torch.load(content)
        metadata = typed(dict[str, str], parse(content[8:end]).get("__metadata__", {}))
    except Exception as error:  # The reader raises any exception.
        raise damaged(path, first_line(error)) from error
    metadata.pop("checksum", None)
    return tensors, metadata


def load(path: Path) -> dict[str, Tensor]:
    """The tensors of `read`."""
    return read(path)[0]


def metadata(path: Path) -> dict[str, str]:
    """The metadata of `read`."""
    return read(path)[1]


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
        save(path, self.tensors, {"format": FORMAT, "facts": json.dumps(self.facts, allow_nan=False)})

    @staticmethod
    def require(path: Path) -> None:
        """Raises RunError if there is no such file."""
        if not path.exists():
            raise RunError(
                f"there is no checkpoint {path}",
                "name the folder of a run, such as runs/resnet32; a run that was stopped before its first "
                "step has nothing to resume: start it again",
            )

    @staticmethod
    def read(path: Path) -> Checkpoint:
        """Raises RunError if the file is missing, damaged or not a checkpoint of netdsl."""
        Checkpoint.require(path)
        tensors, texts = read(path)
        if texts.get("format") != FORMAT:
            raise RunError(
                f"{path} is not a checkpoint of this version of netdsl (expected `{FORMAT}`)",
                "resume with the version that wrote it",
            )
        try:
            return Checkpoint(tensors, typed(dict[str, object], parse(texts.get("facts", ""))))
        except ValueError as error:
            raise damaged(path, f"its facts are invalid: {error}") from error
