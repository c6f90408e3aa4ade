"""What may be asked of how a training is computed; apart from the runtime, since options need no torch."""

from __future__ import annotations

# The fields of `netdsl.runtime.speed.SpeedRequest` that are words.
SPEED_CHOICES = {
    "device": ("auto", "cpu", "cuda"),
    "precision": ("auto", "fp32", "tf32", "bf16"),
    "compile": ("auto", "on", "off"),
    "layout": ("auto", "channels_last", "contiguous"),
    "fused": ("auto", "on", "off"),
    "batch_norm": ("auto", "local", "sync"),
    "loader": ("auto", "memory", "stream"),
}
