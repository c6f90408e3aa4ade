"""The values of the speed options. This module does not import torch, since the command line uses it."""

from __future__ import annotations

# The fields of `netdsl.runtime.speed.SpeedRequest` with a fixed set of values.
SPEED_CHOICES = {
    "device": ("auto", "cpu", "cuda", "mps"),
    "precision": ("auto", "fp32", "tf32", "bf16", "fp16"),
    "compile": ("auto", "on", "off"),
    "layout": ("auto", "channels_last", "contiguous"),
    "fused": ("auto", "on", "off"),
    "batch_norm": ("auto", "local", "sync"),
    "loader": ("auto", "memory", "stream"),
}
