"""Writes docs/zoo.md: the networks that come with netdsl beside the implementations that others use.

    python -m docs.zoo [NAME…]

compares the named networks with their references, whole and number by number, and those whose files have
changed since the last comparison. The figures are in docs/results/zoo.json. What placements.net gives is
taken from docs/results/placements.md, the output of benchmarks/placements.py.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypedDict

import torch
from torch import nn

import netdsl
from netdsl.base import atomic
from netdsl.base.source import Source
from netdsl.syntax.net_files import shipped
from netdsl.syntax.tokens import tokens
from tests.support.equality import on_meta
from tests.zoo.compare import compare, flops, shapes
from tests.zoo.entries import (
    CIFAR,
    COLLECTION,
    COURSE,
    ENTRIES,
    MAPS,
    MIXERS,
    TORCHVISION,
    Entry,
    same_names,
    setting,
)

DOCS = Path(__file__).parent
PAGE, FIGURES, PLACEMENTS = DOCS / "zoo.md", DOCS / "results" / "zoo.json", DOCS / "results" / "placements.md"

# With more parameters, weights and gradients of both sides in float64 don't fit into common memories.
LARGEST = 200_000_000

INTRODUCTION = """\
# The zoo

Written by `python -m docs.zoo`. Each network of [`networks/`](../networks) stands beside its reference:
torchvision's implementation, or plain PyTorch written from the papers
([`tests/zoo/cifar.py`](../tests/zoo/cifar.py), [`tests/zoo/collection.py`](../tests/zoo/collection.py))
or from the course's pages ([`tests/zoo/course.py`](../tests/zoo/course.py)). Random weights, norms and
running statistics go from the reference into the generated module with `netdsl.transplant`, in float64;
then both see the same images. Of `convnet` the course gives channels and pools only: batch norms, biases,
head and initialisation are our own.

The columns at the right are the largest differences, relative to the largest number where that is above
1: of the outputs in evaluation mode, and in training mode (without dropout) of the outputs, of the
gradients of all parameters, and of the updated running statistics. A dash means that the network is too
large for that, and only its sizes are compared. MACs are for one image of the network's own size, and are
torch's count too. The lines of Python are those of the reference's own classes, without blank ones; the
lines of `.net` are those of the whole file, which has all variants of the network.

The tests compare a small network of each file in all three styles. The figures of this page are those of
the whole ones; they are computed again when a file changes.
"""

SECTIONS = {
    TORCHVISION: (
        "ImageNet",
        "torchvision's classification networks. Where its weights load by name,\n"
        "`load_state_dict(torchvision_model.state_dict())` of the styles `module` and `sequential` takes\n"
        "them as they are: every name and every shape is the same. The others take them with\n"
        "`netdsl import-weights`, or `netdsl.transplant`.",
    ),
    COLLECTION: (
        "A collection for CIFAR",
        "All networks of kuangliu's collection, under its names for them. The references are written from\n"
        "the papers, in the collection's sizes. Its EfficientNetB0 has a layer that is never used, which is\n"
        "left out.",
    ),
    CIFAR: ("Of papers, for CIFAR", "The references are written from the papers."),
    MIXERS: (
        "Transformers and mixers, for CIFAR",
        "The references are written from the papers; the small Swin's has torchvision's blocks.",
    ),
    MAPS: (
        "Other tasks",
        "Networks that end in maps, with references written from their papers, or torchvision's.",
    ),
    COURSE: ("Of the course", "The networks that the course's pages show."),
}
TABLE = """\
| network | name | lines of `.net` | of Python | parameters | MACs | weights load by name | evaluation \
| training | gradients | statistics |
| --- | --- | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: |
"""


class Figures(TypedDict):
    """The largest differences of a network from its reference: in evaluation, in training, of gradients and
    of statistics; None if the network is too large, so that only its sizes are compared.

    `python` are the lines of the reference, `loads` is true if its weights load by name, `text` is the digest
    of the network's files.
    """

    differences: list[float] | None
    python: int
    loads: bool
    text: str


def main() -> None:
    figures = read_figures()
    for entry in ENTRIES:
        known = figures.get(entry.name)
        if entry.name in sys.argv[1:] or known is None or known["text"] != text_digest(entry):
            print(entry.name, flush=True)
            figures[entry.name] = compared(entry)
            write_figures(figures)
    write_figures(figures)
    atomic.write(PAGE, page(figures).encode())


def compared(entry: Entry) -> Figures:
    """Compares a whole network with its reference."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network, reference = entry.load(), entry.reference()
    whole = on_meta(network.module)
    assert shapes(whole) == shapes(reference, entry.moves)
    assert 2 * network.macs == flops(network, whole)
    loads = entry.is_torchvision and on_meta(lambda: same_names(network, reference))
    differences = None
    if network.parameters_count <= LARGEST:
        ours, theirs = entry.at_its_size()
        found = compare(ours.module(), theirs, entry.size, entry.moves)
        assert found.response > 1e-3, "the outputs must depend on the images"
        assert not [spread for spread in found.spreads if not spread.agrees]
        assert max(found.differences) <= 1e-10
        differences = [*found.differences]
    return Figures(
        differences=differences,
        python=lines_of(reference),
        loads=loads,
        text=text_digest(entry),
    )


def read_figures() -> dict[str, Figures]:
    found: dict[str, Figures] = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    return found


def write_figures(figures: Mapping[str, Figures]) -> None:
    kept = {entry.name: figures[entry.name] for entry in ENTRIES if entry.name in figures}
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(found)}" for name, found in kept.items())
    atomic.write(FIGURES, f"{{\n{lines}\n}}\n".encode())


def text_digest(entry: Entry) -> str:
    """Of the tokens of a network's files, and of its settings; comments don't count."""
    files = [shipped()[entry.file]]
    texts = [path.read_text(encoding="utf-8") for path in files]
    for used in sorted(DOCS.parent.glob("networks/blocks/*.net")):
        if f'"blocks/{used.name}"' in texts[0]:
            texts.append(used.read_text(encoding="utf-8"))
    words = [t.text for text in texts for t in tokens(Source("", text)) if t.kind not in ("COMMENT", "_NL")]
    return hashlib.blake2b(" ".join([*words, entry.name]).encode(), digest_size=6).hexdigest()


def page(figures: Mapping[str, Figures]) -> str:
    parts = [INTRODUCTION]
    for source, (title, text) in SECTIONS.items():
        entries = [entry for entry in ENTRIES if entry.source == source]
        rows = [row(entry, entry.load(), figures[entry.name]) for entry in entries]
        parts += [f"\n## {title}\n\n{len(rows)} networks. {text}\n\n", TABLE, *rows]
    if PLACEMENTS.exists():
        parts.append("\n## Placements\n\n" + PLACEMENTS.read_text(encoding="utf-8"))
    return "".join(parts)


def row(entry: Entry, network: netdsl.Network, figures: Figures) -> str:
    """A line of the table."""
    settings = ", ".join(f"{name}={setting(value)}" for name, value in entry.settings.items())
    differences = figures["differences"] or ()
    cells = [
        entry.name,
        f"`{entry.network}`" + (f" ({settings})" if settings else ""),
        str(len(shipped()[entry.file].read_text(encoding="utf-8").splitlines())),
        str(figures["python"]),
        f"{network.parameters_count:,}",
        f"{network.macs:,}",
        ("yes" if figures["loads"] else "no") if entry.is_torchvision else "",
        *((f"{value:.0e}" if value else "0") for value in differences),
        *("–" * (4 - len(differences))),
    ]
    return f"| {' | '.join(cells)} |\n"


def lines_of(reference: nn.Module) -> int:
    """The lines of the reference's own classes, without blank lines."""
    return sum(
        sum(bool(line.strip()) for line in inspect.getsource(kind).splitlines())
        for kind in _own_classes(reference)
    )


def _own_classes(reference: nn.Module) -> Iterator[type]:
    kinds = {base for module in reference.modules() for base in type(module).__mro__}
    return (kind for kind in kinds if not kind.__module__.startswith(("torch.", "builtins")))


if __name__ == "__main__":
    main()
