"""Device, precision and memory layout of a run: they change its speed, not what it computes."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from netdsl.base.typed_json import Range
from netdsl.runtime.errors import RunError
from netdsl.runtime.layout import Convolution, choose_layout, laid_out


@dataclass(frozen=True, slots=True)
class SpeedRequest:
    """The user's options; `auto` leaves the choice to `choose`, and to `compiling.decide`.

    `netdsl.runtime.speed_choices` has their values. `batch_norm` is for several processes: "local" (also
    `auto`) or "sync".
    """

    device: str = "auto"
    precision: str = "auto"
    compile: str = "auto"
    layout: str = "auto"
    fused: str = "auto"
    batch_norm: str = "auto"
    loader: str = "auto"
    workers: Annotated[int, Range(0, 1024)] | None = None
    # The largest batch that fits, in place of the recipe's.
    largest_batch: bool | None = None
    # The reason for options that are not `auto`: as asked, or as before for a resumed run.
    why: str = "as asked"


@dataclass(frozen=True, slots=True)
class Speed:
    """The chosen options, and the `reasons` that are shown to the user."""

    device: torch.device
    precision: str
    layout: torch.memory_format
    fused: bool
    reasons: tuple[str, ...] = ()
    # The reason for options that were not `auto`.
    why: str = "as asked"

    def autocast(self) -> AbstractContextManager[object]:
        """The precision of the forward pass: weights stay float32 (Micikevicius et al. 2018)."""
        half = torch.float16 if self.precision == "fp16" else torch.bfloat16
        return torch.autocast(self.device.type, half, enabled=self.precision in ("bf16", "fp16"))

    def gradient_scaler(self) -> torch.GradScaler | None:
        """A new scaler of losses for `fp16`, whose small gradients would be 0 (Micikevicius et al. 2018,
        section 3.2); None for other precisions.
        """
        return torch.GradScaler(self.device.type) if self.precision == "fp16" else None

    def laid_out(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) in the layout of the weights."""
        return laid_out(images, self.layout)

    def facts(self) -> dict[str, object]:
        """The record for `how.json`, with the values of `SpeedRequest`."""
        layout = "channels_last" if self.layout is torch.channels_last else "contiguous"
        return {
            "device": self.device.type,
            "precision": self.precision,
            "layout": layout,
            "fused": "on" if self.fused else "off",
            "threads": torch.get_num_threads(),
        }

    def prepare(self) -> None:
        """Sets torch's global options for this process."""
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
            tf32 = self.precision == "tf32"
            torch.backends.cudnn.allow_tf32 = tf32
            torch.backends.cuda.matmul.allow_tf32 = tf32
            # Benchmarks the algorithms of each convolution once, since shapes do not change.
            torch.backends.cudnn.benchmark = True

    def wait(self) -> None:
        """Synchronises the device, to measure time."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()


# The compute capability from which on NVIDIA's GPUs have units for fp16 (Volta).
_TENSOR_CORES = (7, 0)


def choose(request: SpeedRequest, convolutions: Iterable[Convolution], local_rank: int = 0) -> Speed:
    """Resolves `auto` for this machine and a network with these convolutions.

    Raises RunError if an option is not possible.
    """
    device = choose_device(request.device, local_rank)
    precision, why = _precision(request, device)
    layout, layout_reason = choose_layout(convolutions, device, request.layout, precision)
    fused = request.fused != "off"
    reasons = (
        f"{precision} ({why})",
        layout_reason,
        f"{'fused' if fused else 'plain'} optimizer",
    )
    return Speed(device, precision, layout, fused, reasons, request.why)


def choose_device(name: str, local_rank: int = 0) -> torch.device:
    """The device for "auto", "cpu", "cuda" or "mps". Raises RunError for a GPU that is not there.

    "auto" is never "mps": it is not tested by this project, and torch lacks some operations there.
    """
    present = torch.cuda.is_available()
    if name == "mps":
        if not torch.backends.mps.is_available():
            raise RunError("torch finds no GPU of Apple (MPS)", "use `--device cpu`, or `auto`")
        return torch.device("mps")
    if name == "cuda" and not present:
        raise RunError("torch finds no CUDA device", "use `--device cpu`, or `auto`")
    if not present or name == "cpu":
        return torch.device("cpu")
    if local_rank >= torch.cuda.device_count():
        raise RunError(
            f"process {local_rank} of this machine has no GPU: there are {torch.cuda.device_count()}",
            "start one process for each GPU: `torchrun --nproc-per-node gpu`",
        )
    return torch.device("cuda", local_rank)


def _precision(request: SpeedRequest, device: torch.device) -> tuple[str, str]:
    requested = request.precision
    if requested == "tf32" and device.type != "cuda":
        raise RunError("tf32 needs a GPU of NVIDIA", "use `--precision fp32` or `bf16`")
    if requested != "auto":
        return requested, request.why
    kind = "CPU" if device.type == "cpu" else "GPU"
    if has_bf16(device):
        return "bf16", f"this {kind} computes it natively"
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= _TENSOR_CORES:
        return "fp16", f"this {kind} has no native bf16"
    return "fp32", f"this {kind} has no native bf16"


def has_bf16(device: torch.device) -> bool:
    """True if the hardware supports bfloat16 natively."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    # Torch has no public function for the CPU (2.11 to 2.15); if these are missing, the answer is no.
    cpu = torch.cpu
    return any(
        bool(getattr(cpu, name, bool)()) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )
