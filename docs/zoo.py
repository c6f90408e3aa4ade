"""Writes docs/zoo.md: the networks that come with netdsl beside the implementations that others use.

    python -m docs.zoo

What placements.net gives is taken from docs/results/placements.md, the output of benchmarks/placements.py.
"""

from __future__ import annotations

from pathlib import Path

import netdsl
from netdsl import atomic
from netdsl.files import shipped
from netdsl.values import show
from tests.zoo.compare import Comparison, compare
from tests.zoo.entries import ENTRIES, Entry

DOCS = Path(__file__).parent
PAGE, PLACEMENTS = DOCS / "zoo.md", DOCS / "results" / "placements.md"

INTRODUCTION = """\
# The zoo

Written by `python -m docs.zoo`. Each network of [`networks/`](../networks) stands beside its reference:
torchvision's implementation, or plain PyTorch written from the paper
([`tests/zoo/cifar.py`](../tests/zoo/cifar.py)) or from the course's pages
([`tests/zoo/course.py`](../tests/zoo/course.py)). Random weights, norms and running statistics go from the
reference into the generated module with `netdsl.transplant`, in float64; then both see the same images. Of
`convnet` the course gives channels and pools only: batch norms, biases, head and start are our choice.

The columns at the right are the largest differences, relative to the largest number where that is above 1: of
the outputs in evaluation mode, and in training mode (without dropout) of the outputs, of the gradients of all
parameters, and of the updated running statistics. MACs are for one image of the network's own size, and are
torch's count too. Code is the module style's.

| network | file | lines of `.net` | lines of code | parameters | MACs | reference | evaluation | training | \
gradients | statistics |
| --- | --- | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: |
"""


def main() -> None:
    rows = [row(entry, compare(entry)) for entry in ENTRIES]
    page = INTRODUCTION + "".join(f"| {' | '.join(cells)} |\n" for cells in rows)
    if PLACEMENTS.exists():
        page += "\n## Placements\n\n" + PLACEMENTS.read_text(encoding="utf-8")
    atomic.write(PAGE, page.encode())


def facts(entry: Entry, network: netdsl.Network) -> list[str]:
    """The cells that don't depend on rounding."""
    settings = ", ".join(f"{name}={setting(value)}" for name, value in entry.settings.items())
    return [
        entry.name,
        f"`{entry.file}`" + (f" ({settings})" if settings else ""),
        str(len(shipped()[entry.file].read_text(encoding="utf-8").splitlines())),
        str(len(network.source().splitlines())),
        f"{network.parameters_count:,}",
        f"{network.macs:,}",
        entry.source,
    ]


def row(entry: Entry, found: Comparison) -> list[str]:
    differences = (found.evaluation, found.training, found.gradients, found.running)
    return facts(entry, found.network) + [f"{value:.0e}" if value else "0" for value in differences]


def setting(value: int | float | bool | str) -> str:
    """As `--set` takes it."""
    return show(value) if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    main()
