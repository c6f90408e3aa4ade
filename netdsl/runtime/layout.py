"""Memory layout of images and weights: channels last where that is safe, else contiguous.

On a CPU, oneDNN copies the image of a strided 1x1 convolution into a workspace before it computes the
gradient of the weights. Where images are channels last and have fewer channels than a vector of the CPU has
numbers, it writes behind the end of that workspace (oneDNN issue 6035): memory is destroyed, gradients are
wrong, or the computation does not end. Contiguous images take another path. `docs/results/conv_memory.md` has
the releases of torch that were measured: none is free of the fault. This module is the one place that knows
of it. Once a release is, `overruns` should answer no from that release on.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from netdsl.runtime.errors import RunError


class Convolution(NamedTuple):
    """The facts of a 2-D convolution that its layout depends on; `kernel` is (height, width)."""

    channels: int
    kernel: tuple[int, int]
    stride: int
    groups: int


def overruns(convolution: Convolution, device: torch.device, precision: str = "fp32") -> bool:
    """True if training this convolution in channels-last layout writes outside of its memory on `device`."""
    return (
        device.type == "cpu"
        and torch.backends.mkldnn.is_available()
        and not (precision == "bf16" and _has_amx())
        and convolution.kernel == (1, 1)
        and convolution.stride > 1
        and convolution.groups == 1
        and convolution.channels < _vector_size()
    )


def choose_layout(
    convolutions: Iterable[Convolution],
    device: torch.device,
    requested: str = "auto",
    precision: str = "fp32",
) -> tuple[torch.memory_format, str]:
    """The layout of a network with these convolutions, and its description for the user.

    Raises RunError where channels last is requested and not safe.
    """
    if requested == "contiguous":
        return torch.contiguous_format, "contiguous"
    unsafe = next((c for c in convolutions if overruns(c, device, precision)), None)
    if unsafe is None:
        # Weights have the layout of the images, so that no convolution has to rearrange them.
        return torch.channels_last, "channels last"
    convolution = f"1x1 convolution with stride {unsafe.stride} on {unsafe.channels} channels"
    if requested == "channels_last":
        raise RunError(
            f"channels last is not safe for a {convolution}: on this CPU its gradient is written outside of "
            "its memory",
            "use `--layout auto`",
        )
    return torch.contiguous_format, f"contiguous (channels last is not safe for a {convolution})"


def laid_out(images: Tensor, layout: torch.memory_format) -> Tensor:
    """Images (N, C, H, W) in a layout.

    Images of one channel have the same memory in both, and strides of either. Convolutions go by the strides,
    so contiguous images get those of that layout.
    """
    images = images.contiguous(memory_format=layout)
    return images.view(-1).view(images.shape) if layout is torch.contiguous_format else images


def _has_amx() -> bool:
    """True if the CPU multiplies tiles of bf16, with another implementation of the convolutions."""
    restricted = "ONEDNN_MAX_CPU_ISA" in os.environ or "DNNL_MAX_CPU_ISA" in os.environ
    return bool(getattr(torch.cpu, "_is_amx_tile_supported", bool)()) and not restricted


def _vector_size() -> int:
    """The number of float32 numbers in a vector of this CPU: oneDNN's block of channels."""
    # torch has no public question for it (2.11 to 2.14); without an answer it is the larger one.
    has_avx512 = getattr(torch.cpu, "_is_avx512_supported", lambda: True)
    return 16 if has_avx512() else 8
