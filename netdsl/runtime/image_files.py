"""Images that stay in their files and are decoded for each batch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from netdsl.runtime.errors import RunError
from netdsl.runtime.open_image import Undecodable, decode_one
from netdsl.runtime.silence import clear_frames_silently


@dataclass(frozen=True, slots=True)
class Files:
    """Image files in place of a uint8 tensor (N, C, H, W), with its shape and indexing."""

    paths: list[Path]
    input_shape: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.paths), *self.input_shape)

    def __getitem__(self, index: Tensor) -> Files:
        return Files([self.paths[i] for i in index.tolist()], self.input_shape)

    def batches(self, indices: list[Tensor], workers: int, pin: bool) -> Iterator[Tensor]:
        """The images of each index, (n, C, H, W) uint8 on the CPU, decoded in advance by `workers` processes.

        `pin`: in pinned memory. Raises RunError if a file can't be read any more, or the
        processes can't go on.
        """
        loader = DataLoader(
            _Decoded(self),
            batch_sampler=[index.tolist() for index in indices],
            collate_fn=_stack,
            num_workers=workers,
            pin_memory=pin,
            worker_init_fn=_without_stderr,
        )
        try:
            for images in loader:
                if isinstance(images, str):
                    raise RunError(f"the image {images}", "restore it, then `--resume` the run")
                yield images
        except (OSError, RuntimeError) as error:  # Such as a full /dev/shm, or a process that was killed.
            clear_frames_silently(error)
            raise RunError(
                f"the processes that decode images failed: {str(error).strip().splitlines()[-1]}",
                "free memory and /dev/shm, or use no such processes, `--workers 0`; then `--resume` the run",
            ) from error


class _Decoded(TorchDataset["Tensor | str"]):
    """The images of files one by one; an error's text instead of an image that can't be read.

    An exception in a worker would arrive as the text of its traceback.
    """

    def __init__(self, files: Files) -> None:
        self._files = files

    def __len__(self) -> int:
        return len(self._files.paths)

    def __getitem__(self, i: int) -> Tensor | str:
        try:
            pixels, _ = decode_one(self._files.paths[i], self._files.input_shape)
        except Undecodable as error:
            return f"{self._files.paths[i]} can't be read any more: {error}"
        return torch.tensor(pixels).permute(2, 0, 1)


def _without_stderr(worker: int) -> None:
    """Silences a worker: its only messages are tracebacks of errors that reach the main process too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _stack(images: list[Tensor | str]) -> Tensor | str:
    return next((image for image in images if isinstance(image, str)), None) or torch.stack(images)  # type: ignore[arg-type]


def free_cores() -> int:
    """The number of processes that may decode while this one trains."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, count - 1)
