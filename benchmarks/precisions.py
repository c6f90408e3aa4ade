"""The networks of the zoo, small, in bf16 and compiled, beside the same step in fp32.

    python -m benchmarks.precisions [--compile] [NAME…]    # all without names; bf16 without --compile

Prints a row for each network: how far the outputs and the gradients are from those of fp32, relative to their
norms, in evaluation mode: with the statistics of a few images in a batch norm, rounding errors grow without
bounds. In training mode all must be finite. Ends with status 1 if a number is not.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from netdsl.runtime.model import all_outputs
from tests.zoo.entries import SMALL, Small

BATCH = 8


def main() -> int:
    torch.set_num_threads(1)
    compiled = "--compile" in sys.argv
    names = [name for name in sys.argv[1:] if name != "--compile"]
    print("| network | outputs | gradients |" + " seconds |" * compiled)
    print("| --- | ---: | ---: |" + " ---: |" * compiled)
    finite = True
    for entry in SMALL:
        if not names or entry.file in names:
            finite &= compare(entry, compiled)
    return 0 if finite else 1


def compare(entry: Small, compiled: bool) -> bool:
    """Prints the row of a network; True if all its numbers are finite."""
    torch.manual_seed(0)
    network = entry.load()
    module = network.module()
    x = torch.rand(BATCH, *network.input_shape)
    trained = step(module.train(), module, x, bf16=not compiled)
    module.eval()
    exact = step(module, module, x, bf16=False)
    start = time.perf_counter()
    run = torch.compile(module) if compiled else module
    other = step(module, run, x, bf16=not compiled)
    settings = ", ".join(f"{name}={value}" for name, value in entry.settings.items())
    cells = [
        f"`{entry.file}({settings})`",
        *(f"{distance(a, b):.1e}" for a, b in zip(other, exact, strict=True)),
    ]
    if compiled:
        cells.append(f"{time.perf_counter() - start:.0f}")
    print(f"| {' | '.join(cells)} |", flush=True)
    return all(bool(tensor.isfinite().all()) for tensor in (*trained, *exact, *other))


def step(module: nn.Module, run: Callable[..., Any], x: Tensor, *, bf16: bool) -> tuple[Tensor, Tensor]:
    """The outputs and the gradients of all weights, each as one vector, of a fixed loss."""
    module.zero_grad()
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        outputs = torch.cat([output.float().flatten() for output in all_outputs(run(x))])
    (outputs * torch.linspace(-1, 1, len(outputs))).sum().backward()
    return outputs.detach(), torch.cat([w.grad.flatten() for w in module.parameters() if w.grad is not None])


def distance(found: Tensor, exact: Tensor) -> float:
    scale = exact.norm() or 1  # a new head may be zero
    return float((found - exact).norm() / scale)


if __name__ == "__main__":
    sys.exit(main())
