"""The values of the options of speed. No torch is imported here, so that the command line can name them."""

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
