"""Writes docs/zoo.md: the networks that come with netdsl beside the implementations that others use.

    python -m docs.zoo

What placements.net gives is taken from docs/results/placements.md, the output of benchmarks/placements.py.
"""

from __future__ import annotations

from pathlib import Path

import netdsl
from netdsl.base import atomic
from netdsl.syntax.net_files import shipped
from tests.zoo.compare import Comparison, compare
from tests.zoo.entries import ENTRIES, TORCHVISION, Entry, loads, setting

DOCS = Path(__file__).parent
PAGE, PLACEMENTS = DOCS / "zoo.md", DOCS / "results" / "placements.md"

INTRODUCTION = """\
# The zoo

Written by `python -m docs.zoo`. Each network of [`networks/`](../networks) stands beside its reference:
torchvision's implementation, or plain PyTorch written from the paper
([`tests/zoo/cifar.py`](../tests/zoo/cifar.py), [`tests/zoo/unet.py`](../tests/zoo/unet.py)) or from the
course's pages ([`tests/zoo/course.py`](../tests/zoo/course.py)). Random weights, norms and running
statistics go from the reference into the generated module with `netdsl.transplant`, in float64; then both
see the same images. Of
`convnet` the course gives channels and pools only: batch norms, biases, head and initialisation are our own.

The columns at the right are the largest differences, relative to the largest number where that is above 1: of
the outputs in evaluation mode, and in training mode (without dropout) of the outputs, of the gradients of all
parameters, and of the updated running statistics. MACs are for one image of the network's own size, and are
torch's count too. Class and code are the module style's.

Where torchvision's weights load, `load_state_dict(torchvision_model.state_dict())` of the styles `module` and
`sequential` takes them as they are: every name and every shape is the same. The others take them with
`netdsl.transplant`, or `netdsl import-weights`: torchvision has all layers of the mobile nets and of DenseNet
but the classifier in one `nn.Sequential`, across the file's stem, stages and head, and SqueezeNet's
classifier in another.

| network | file | class | lines of `.net` | lines of code | parameters | MACs | reference | \
its weights load | evaluation | training | gradients | statistics |
| --- | --- | --- | ---: | ---: | ---: | ---: | --- | --- | ---: | ---: | ---: | ---: |
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
        f"`{network.entry('module')}`",
        str(len(shipped()[entry.file].read_text(encoding="utf-8").splitlines())),
        str(len(network.source().splitlines())),
        f"{network.parameters_count:,}",
        f"{network.macs:,}",
        entry.source,
        ("yes" if loads(entry, network) else "no") if entry.source == TORCHVISION else "",
    ]


def row(entry: Entry, found: Comparison) -> list[str]:
    differences = (found.evaluation, found.training, found.gradients, found.running)
    return facts(entry, found.network) + [f"{value:.0e}" if value else "0" for value in differences]


if __name__ == "__main__":
    main()
