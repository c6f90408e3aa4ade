"""Decoding of image files, to a tensor or to their statistics; results are cached."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from rich.console import Console
from safetensors import SafetensorError, safe_open
from torch import Tensor

from netdsl.runtime.console import progress, say
from netdsl.runtime.errors import RunError
from netdsl.runtime.storage import cache_folder, write_atomic

# Images that a thread decodes at a time.
_PART = 100


def decode(
    root: Path, files: list[Path], input_shape: tuple[int, ...], console: Console
) -> tuple[Tensor, Tensor]:
    """All files as uint8 images (N, C, H, W), and which of them are valid, (N,) bool.

    A broken image is black, and reported on `console`. Decoded images are cached, in a file for each folder
    and shape, until the name, size or time of any of the image files changes.
    """

    def read() -> dict[str, Tensor]:
        channels, height, width = input_shape
        images = np.zeros((len(files), height, width, channels), np.uint8)

        def keep(i: int, pixels: NDArray[np.uint8]) -> None:
            images[i] = pixels

        whole = _visit(files, input_shape, keep, "decoding", console)
        return {"images": torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), "whole": whole}

    kinds = {"images": (torch.uint8, (len(files), *input_shape)), "whole": (torch.bool, (len(files),))}
    kept = _kept("images", root, files, input_shape, kinds, read, console)
    return kept["images"], kept["whole"]


def survey(
    root: Path, files: list[Path], input_shape: tuple[int, ...], console: Console
) -> tuple[Tensor, Tensor]:
    """The `moments` of all files (N, C, 2), and which of them are valid, (N,) bool.

    For images that do not fit into memory: each is decoded once and not kept. Cached like `decode`.
    """

    def read() -> dict[str, Tensor]:
        sums = np.zeros((len(files), input_shape[0], 2), np.int64)

        def add_up(i: int, pixels: NDArray[np.uint8]) -> None:
            wide = pixels.astype(np.int64)
            sums[i] = np.stack((wide.sum((0, 1)), (wide * wide).sum((0, 1))), 1)

        whole = _visit(files, input_shape, add_up, "reading", console)
        return {"moments": torch.from_numpy(sums), "whole": whole}

    kinds = {"moments": (torch.int64, (len(files), input_shape[0], 2)), "whole": (torch.bool, (len(files),))}
    kept = _kept("surveys", root, files, input_shape, kinds, read, console)
    return kept["moments"], kept["whole"]


def _kept(
    kind: str,
    root: Path,
    files: list[Path],
    input_shape: tuple[int, ...],
    kinds: dict[str, tuple[torch.dtype, tuple[int, ...]]],
    read: Callable[[], dict[str, Tensor]],
    console: Console,
) -> dict[str, Tensor]:
    """The cached tensors of these files, else the result of `read`; broken images are reported."""
    shape = "x".join(map(str, input_shape))
    place = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]
    cache = cache_folder() / kind / f"{place}-{shape}.safetensors"
    fingerprint = _fingerprint(root, files)
    tensors = _cached(cache, fingerprint, kinds)
    if tensors is None:
        tensors = read()
        try:
            write_atomic(cache, safetensors.torch.save(tensors, {"fingerprint": fingerprint}))
        except RunError as error:  # A full or read-only disk does not stop the run.
            say(console, f"decoded images are not cached: {error}")
    for i in (~tensors["whole"]).nonzero().flatten().tolist():
        say(console, f"left out, not an image: {files[i]}")
    return tensors


def _fingerprint(root: Path, files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        try:
            status = file.stat()
            facts = (str(file.relative_to(root)), status.st_size, status.st_mtime_ns)
        except OSError:  # A dangling link, which is not an image.
            facts = (str(file.relative_to(root)), -1, -1)
        digest.update(repr(facts).encode())
    return digest.hexdigest()


def _cached(
    path: Path, fingerprint: str, kinds: dict[str, tuple[torch.dtype, tuple[int, ...]]]
) -> dict[str, Tensor] | None:
    """The cached tensors, or None if they are missing, damaged, or of other files."""
    try:
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("fingerprint") != fingerprint:
                return None
            tensors = {name: file.get_tensor(name) for name in kinds}
    except (OSError, SafetensorError):
        return None
    fits = all((tensors[name].dtype, tensors[name].shape) == kind for name, kind in kinds.items())
    return tensors if fits else None


def _visit(
    files: list[Path],
    input_shape: tuple[int, ...],
    visit: Callable[[int, NDArray[np.uint8]], None],
    what: str,
    console: Console,
) -> Tensor:
    """Decodes each file and passes it to `visit` with its number; returns which are valid, (N,) bool."""
    whole = np.zeros(len(files), np.bool_)

    def visit_part(part: range) -> int:
        for i in part:
            pixels = decode_one(files[i], input_shape)
            if pixels is not None:
                visit(i, pixels)
                whole[i] = True
        return len(part)

    parts = [range(i, min(i + _PART, len(files))) for i in range(0, len(files), _PART)]
    with progress(f"{what} {len(files):,} images", len(files), console) as advance:
        started = time.perf_counter()
        advance(visit_part(parts[0]))
        # Threads only help with large images: decoding a small one is mostly Python, which runs in one
        # thread at a time.
        large = time.perf_counter() - started > _PART * 1e-3
        with ThreadPoolExecutor(None if large else 1) as pool:
            for count in pool.map(visit_part, parts[1:]):
                advance(count)
    return torch.from_numpy(whole)


def decode_one(file: Path, input_shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """One image fitted to a shape (C, H, W), as (H, W, C), or None if the file is not an image."""
    channels, height, width = input_shape
    image = open_image(file, channels)
    if image is None:
        return None
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(height, width, channels)


def open_image(file: Path, channels: int) -> Image.Image | None:
    """An image at its own size, upright, gray for one channel; None if the file is not an image."""
    if not file.is_file():  # opening a pipe would block
        return None
    try:
        with Image.open(file) as opened:
            image: Image.Image = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I"):  # 16 bits: PIL would clip instead of scaling.
                image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            return image.convert({1: "L", 3: "RGB"}[channels])
    except Exception:  # noqa: BLE001 - PIL's decoders raise any exception on broken files.
        return None
