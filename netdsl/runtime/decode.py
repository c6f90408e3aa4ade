"""Decoding of many image files, to a tensor or to their statistics; results are cached."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor

from netdsl.base.paths import real
from netdsl.base.typed_json import parse, typed
from netdsl.runtime import checkpoint
from netdsl.runtime.console import progress, say
from netdsl.runtime.errors import RunError
from netdsl.runtime.image_files import Files
from netdsl.runtime.images import memory_of, moments, require_memory
from netdsl.runtime.open_image import Undecodable, decode_one, pillow_heard
from netdsl.runtime.storage import cache_folder

# Images that a thread decodes at a time.
_PART = 100
# The most remarks on files that are shown.
_SHOWN = 50
# Changes when files are decoded in another way.
_VERSION = 4


@dataclass(frozen=True, slots=True)
class Decoded:
    """N image files: `values` are their pixels or their `moments`, `whole`, (N,) bool, which are valid,
    `sizes`, (N, 3) int32, their channels, heights and widths when upright, and `remarks` what is wrong with
    some.
    """

    values: Tensor
    whole: Tensor
    sizes: Tensor
    remarks: dict[int, str]


def load(
    root: Path,
    files: list[Path],
    input_shape: tuple[int, ...],
    console: Console,
    stream: bool | None,
    room: int | None,
) -> tuple[Tensor | Files, Tensor, Decoded]:
    """The images of files, fitted to (C, H, W), their `moments`, and what was found.

    They are in memory, or with `stream` in their files; None means in memory if they take at most `room`
    bytes. Raises RunError if they are to be in memory and don't fit.
    """
    if stream is None:
        stream = room is not None and memory_of(len(files), input_shape) > room
    if stream:
        found = survey(root, files, input_shape, console)
        return Files(files, input_shape), found.values, found
    require_memory(len(files), input_shape)
    found = decode(root, files, input_shape, console)
    return found.values, moments(found.values), found


def decode(root: Path, files: list[Path], input_shape: tuple[int, ...], console: Console) -> Decoded:
    """All files as uint8 images (N, C, H, W).

    A broken image is black, and reported on `console`. Decoded images are cached, in a file for each folder
    and shape, until the name, size or time of any of the image files changes.
    """

    def read() -> Decoded:
        channels, height, width = input_shape
        images = np.zeros((len(files), height, width, channels), np.uint8)

        def keep(i: int, pixels: NDArray[np.uint8]) -> None:
            images[i] = pixels

        return _visit(
            files,
            input_shape,
            keep,
            lambda: torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(),
            "decoding",
            console,
        )

    return _kept("images", root, files, input_shape, (torch.uint8, input_shape), read, console)


def survey(root: Path, files: list[Path], input_shape: tuple[int, ...], console: Console) -> Decoded:
    """The `moments` of all files, (N, C, 2).

    For images that do not fit into memory: each is decoded once and not kept. Cached like `decode`.
    """

    def read() -> Decoded:
        sums = np.zeros((len(files), input_shape[0], 2), np.int64)

        def add_up(i: int, pixels: NDArray[np.uint8]) -> None:
            wide = pixels.astype(np.int64)
            sums[i] = np.stack((wide.sum((0, 1)), (wide * wide).sum((0, 1))), 1)

        return _visit(files, input_shape, add_up, lambda: torch.from_numpy(sums), "reading", console)

    return _kept("surveys", root, files, input_shape, (torch.int64, (input_shape[0], 2)), read, console)


def _kept(
    kind: str,
    root: Path,
    files: list[Path],
    input_shape: tuple[int, ...],
    value: tuple[torch.dtype, tuple[int, ...]],
    read: Callable[[], Decoded],
    console: Console,
) -> Decoded:
    """The cached result for these files, else that of `read`; remarks are reported.

    `value` is the type and the shape of one file's value.
    """
    shape = "x".join(map(str, input_shape))
    place = hashlib.sha256(str(real(root)).encode(errors="surrogateescape")).hexdigest()[:16]
    cache = cache_folder() / kind / f"{place}-{shape}.safetensors"
    fingerprint = _fingerprint(root, files)
    found = _cached(cache, fingerprint, len(files), value)
    if found is None:
        found = read()
        tensors = {"values": found.values, "whole": found.whole, "sizes": found.sizes}
        facts = {"fingerprint": fingerprint, "remarks": json.dumps(found.remarks)}
        try:
            checkpoint.save(cache, tensors, facts)
        except RunError as error:  # A full or read-only disk does not stop the run.
            say(console, f"decoded images are not cached: {error}")
    for i, remark in list(found.remarks.items())[:_SHOWN]:
        say(console, f"{'damaged' if found.whole[i] else 'left out'}, {remark}: {files[i]}")
    if (more := len(found.remarks) - _SHOWN) > 0:
        say(console, f"… and {more:,} more, {int((~found.whole).sum()):,} left out in all")
    return found


def _fingerprint(root: Path, files: list[Path]) -> str:
    digest = hashlib.sha256(str(_VERSION).encode())
    for file in files:
        try:
            status = file.stat()
            # Archives and `cp -p` restore the time of the last change, and files without compression have the
            # same size: the time of the last change of any kind can't be set.
            facts = (str(file.relative_to(root)), status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        except OSError:  # A dangling link, which is not an image.
            facts = (str(file.relative_to(root)), -1, -1, -1)
        digest.update(repr(facts).encode())
    return digest.hexdigest()


def _cached(
    path: Path, fingerprint: str, count: int, value: tuple[torch.dtype, tuple[int, ...]]
) -> Decoded | None:
    """The cached result, or None if it is missing, damaged, or of other files."""
    kind, shape = value
    kinds = {
        "values": (kind, (count, *shape)),
        "whole": (torch.bool, (count,)),
        "sizes": (torch.int32, (count, 3)),
    }
    try:
        tensors, facts = checkpoint.read(path)
        found = typed(dict[str, str], parse(facts.get("remarks", "")))
        remarks = {int(i): remark for i, remark in found.items()}
    except (RunError, ValueError):
        return None
    fits = {name: (tensor.dtype, tensor.shape) for name, tensor in tensors.items()} == kinds
    valid = fits and facts.get("fingerprint") == fingerprint and remarks.keys() <= set(range(count))
    return Decoded(**tensors, remarks=remarks) if valid else None


def _visit(
    files: list[Path],
    input_shape: tuple[int, ...],
    visit: Callable[[int, NDArray[np.uint8]], None],
    values: Callable[[], Tensor],
    what: str,
    console: Console,
) -> Decoded:
    """Decodes each file and passes it to `visit` with its number; afterwards `values` has the result."""
    whole = np.zeros(len(files), np.bool_)
    sizes = np.zeros((len(files), 3), np.int32)
    remarks: dict[int, str] = {}

    def visit_part(part: range) -> int:
        for i in part:
            try:
                pixels, opened = decode_one(files[i], input_shape)
            except Undecodable as error:
                remarks[i] = str(error)
                continue
            visit(i, pixels)
            whole[i], sizes[i] = True, opened.size
            if opened.remark:
                remarks[i] = opened.remark
        return len(part)

    parts = [range(i, min(i + _PART, len(files))) for i in range(0, len(files), _PART)]
    with progress(f"{what} {len(files):,} images", len(files), console) as advance, pillow_heard():
        started = time.perf_counter()
        advance(visit_part(parts[0]))
        # Threads only help with large images: decoding a small one is mostly Python, which runs in one
        # thread at a time.
        large = time.perf_counter() - started > _PART * 1e-3
        with ThreadPoolExecutor(None if large else 1) as pool:
            for count in pool.map(visit_part, parts[1:]):
                advance(count)
    return Decoded(values(), torch.from_numpy(whole), torch.from_numpy(sizes), dict(sorted(remarks.items())))
