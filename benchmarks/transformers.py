"""Speed of generated transformers beside torchvision's: training steps, forward and backward, in turns.

    python benchmarks/transformers.py [NAME...]

Prints a row for each network: the median seconds of the processor for one step of each, and the median of the
ratios of neighbouring steps. One thread, float32, one batch of random images; stochastic depth is off.
"""

from __future__ import annotations

import sys
import time
from statistics import median

import torch
import torch.nn.functional as F
import torchvision.models
from torch import Tensor, nn

import netdsl

NETWORKS = ("vit_b_16", "swin_t", "convnext_tiny")
BATCH, STEPS = 2, 9


def main() -> None:
    torch.set_num_threads(1)
    print("| network | netdsl (s) | torchvision (s) | ratio |")
    print("| --- | ---: | ---: | ---: |")
    for name in sys.argv[1:] or NETWORKS:
        network = netdsl.load(name)
        x, y = torch.randn(BATCH, *network.input_shape), torch.randint(1000, (BATCH,))
        pair = (prepared(network.module()), prepared(torchvision.models.get_model(name, weights=None)))
        times: list[tuple[float, float]] = []
        for index in range(STEPS + 1):
            order = (0, 1) if index % 2 else (1, 0)
            taken = {number: seconds(pair[number], x, y) for number in order}
            times.append((taken[0], taken[1]))
        warm = times[1:]
        ours, theirs = (median(own) for own in zip(*warm, strict=True))
        ratio = median(a / b for a, b in warm)
        print(f"| {name} | {ours:.3f} | {theirs:.3f} | {ratio:.3f} |", flush=True)


def prepared(module: nn.Module) -> nn.Module:
    for inner in module.modules():
        if type(inner).__name__ in ("DropPath", "StochasticDepth"):
            inner.p = 0.0  # type: ignore[assignment]
    return module.train()


def seconds(module: nn.Module, x: Tensor, y: Tensor) -> float:
    """Of the processor, for one step without the optimizer."""
    module.zero_grad()
    start = time.process_time()
    F.cross_entropy(module(x), y).backward()
    return time.process_time() - start


if __name__ == "__main__":
    main()
