"""Networks to draw, and what their figures consist of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from netdsl.base.source import Source
from netdsl.compiler import compile_network
from netdsl.graph.figure_nodes import BranchesNode, Chain, Figure, LoopNode, SkipNode
from netdsl.ir.typed import TypedNetwork
from netdsl.syntax.net_files import shipped
from tests.support.building import VARIED

ROOT = Path(__file__).resolve().parents[2]
FILES = [
    *(shipped()[name] for name in VARIED),
    *(ROOT / "networks/lessons").glob("*.net"),
]
# Everything at once: branches of all kinds, nested skips, saved tensors, loops, held operations, labels.
HARD = """\
# A hard one.
network hard(wide=yes)

input 3x32x32
classes 10

stem {
  conv1: conv(if wide then 32 else 16, 3, stride=2)
  save early
  bn, relu
  concat { | identity | from early, avgpool(3, stride=1, padding=1) }
}
stages mobile {
  expand  out  stride     act
    1      16    1       relu6
    6      24    2     hardswish
    6      24    1       relu6
}
layers { dense(3), mixed(2), first: mixed(4), conv(64, 1x7) }
stage dropped(repeat=5, drop=0.2 * block_index / (block_count - 1))
head { global_avgpool, flatten, linear(classes) }

block mobile(expand, out, stride=1, act=relu6) {
  let hidden = in * expand
  skip if same (drop_path=0.1) {
    when expand != 1 { conv(hidden, 1), bn, act }
    depthwise(3, stride), bn, act
    conv(out, 1), bn
  }
}
block dense(layers, growth=12) {
  repeat layers as i { concat { | identity | bn, relu, conv(growth + i, 3) } }
}
block mixed(n) {
  repeat n { conv(in, 3), relu }
  skip {
    skip { conv(in, 3), bn }
    add { | identity | conv(in, 1) | conv(in, 3), mul { | identity | sigmoid } }
  }
  relu
}
block dropped(drop) { skip(drop_path=drop) { conv(in, 3), bn, relu } }
"""


def typed(text: str, name: str = "test.net", **parameters: str) -> TypedNetwork:
    network = compile_network(Source(name, text), parameters).network
    assert network is not None
    return network


def typed_file(path: Path, **parameters: str) -> TypedNetwork:
    return typed(path.read_text(encoding="utf-8"), str(path), **parameters)


NETWORKS = [pytest.param(typed_file(path), id=path.stem) for path in FILES] + [
    pytest.param(typed(HARD), id="hard"),
    pytest.param(typed_file(shipped()["resnet50"], depth="152"), id="resnet152"),
]


def nodes(chains: Iterable[Chain]) -> Iterator[object]:
    for chain in chains:
        for node in chain:
            yield node
            match node:
                case SkipNode(body=body, shortcut=shortcut):
                    yield from nodes((body, shortcut))
                case BranchesNode(branches=branches):
                    yield from nodes(branches)
                case LoopNode(body=body):
                    yield from nodes((body,))


def chains(shown: Figure) -> list[Chain]:
    return [card.chain for card in shown.cards] + [panel.chain for panel in shown.panels]
