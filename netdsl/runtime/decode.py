"""Decoding of image files into one tensor, once: the result is kept in the cache."""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from rich.console import Console
from rich.progress import Progress
from safetensors import SafetensorError, safe_open
from torch import Tensor

from netdsl.runtime.errors import RunError
from netdsl.runtime.storage import cache_folder, write_atomic

# How many images a thread decodes at a time.
_PART = 100


def decode(
    root: Path, files: list[Path], input_shape: tuple[int, ...], console: Console
) -> tuple[Tensor, Tensor]:
    """All files as uint8 images (N, C, H, W), and which of them are whole, (N,) bool.

    A broken image is black, and named on `console`. Decoded images are kept in the cache, one file
    a folder and shape, until the name, size or time of any of the files changes.
    """
    shape = "x".join(map(str, input_shape))
    place = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]
    cache = cache_folder() / "images" / f"{place}-{shape}.safetensors"
    fingerprint = _fingerprint(root, files)
    decoded = _cached(cache, fingerprint, (len(files), *input_shape))
    if decoded is None:
        decoded = _decode_all(files, input_shape, console)
        tensors = {"images": decoded[0], "whole": decoded[1]}
        content = safetensors.torch.save(tensors, {"fingerprint": fingerprint})
        try:
            write_atomic(cache, content)
        except RunError as error:  # A full or read-only disk costs time, not the run.
            console.print(f"decoded images aren't kept: {error}", markup=False, highlight=False)
    for i in (~decoded[1]).nonzero().flatten().tolist():
        message = f"left out, not an image: {files[i]}"
        console.print(message, markup=False, highlight=False, soft_wrap=True)
    return decoded


def _fingerprint(root: Path, files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        try:
            status = file.stat()
            facts = (str(file.relative_to(root)), status.st_size, status.st_mtime_ns)
        except OSError:  # A dangling link: no image, and none the next time.
            facts = (str(file.relative_to(root)), -1, -1)
        digest.update(repr(facts).encode())
    return digest.hexdigest()


def _cached(path: Path, fingerprint: str, shape: tuple[int, ...]) -> tuple[Tensor, Tensor] | None:
    """What the cache holds, or None where it is missing, damaged, or of other files."""
    try:
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("fingerprint") != fingerprint:
                return None
            images, whole = file.get_tensor("images"), file.get_tensor("whole")
    except (OSError, SafetensorError):
        return None
    fits = images.shape == shape and images.dtype == torch.uint8 and whole.shape == shape[:1]
    return (images, whole) if fits and whole.dtype == torch.bool else None


def _decode_all(files: list[Path], input_shape: tuple[int, ...], console: Console) -> tuple[Tensor, Tensor]:
    channels, height, width = input_shape
    images = np.zeros((len(files), height, width, channels), np.uint8)
    whole = np.zeros(len(files), np.bool_)

    def decode_part(part: range) -> int:
        for i in part:
            image = decode_one(files[i], input_shape)
            if image is not None:
                images[i], whole[i] = image, True
        return len(part)

    parts = [range(i, min(i + _PART, len(files))) for i in range(0, len(files), _PART)]
    bar = Progress(console=console, transient=True, disable=not console.is_terminal)
    with bar as progress:
        task = progress.add_task(f"decoding {len(files):,} images", total=len(files))
        started = time.perf_counter()
        progress.advance(task, decode_part(parts[0]))
        # Threads help with large images alone: decoding a small one is mostly Python, which runs in
        # one thread at a time, and handing it over costs more than it gains.
        large = time.perf_counter() - started > _PART * 1e-3
        with ThreadPoolExecutor(None if large else 1) as pool:
            for count in pool.map(decode_part, parts[1:]):
                progress.advance(task, count)
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(whole)


def decode_one(file: Path, input_shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """One image fitted to a shape (C, H, W), as (H, W, C), or None where the file isn't one."""
    channels, height, width = input_shape
    try:
        with Image.open(file) as opened:
            image: Image.Image = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I"):  # 16 bits: PIL would clip where others scale.
                image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            image = image.convert("L" if channels == 1 else "RGB")
            if image.size != (width, height):
                image = image.resize((width, height), Image.Resampling.BILINEAR)
            return np.asarray(image).reshape(height, width, channels)
    except Exception:  # noqa: BLE001 - PIL's decoders raise many kinds on broken files.
        return None
