"""What names mean: from their place, in unused parts and beside errors too."""

from __future__ import annotations

import pytest

from netdsl.base.source import Source
from netdsl.compiler import compile_network
from netdsl.resolve.bindings import Bindings, Occurrence

TEXT = """\
network n(width=8)
input 3x8x8
classes 10
let wide = width * 2
let unused = wide + 1
stem { let wide = 4, conv(wide, 3), save kept, skip { conv(wide, 3), from kept } }
layers { conv(wide, 3), repeat 2 as i { conv(in + i - i, 3) } }
head { global_avgpool, flatten, linear(classes) }
block idle(out, deep=out) { let half = out // 2, conv(half, 3), helper(size=half), missing(out) }
block helper(size) { conv(size, 3) }
"""


def bindings(text: str) -> Bindings:
    return compile_network(Source("n.net", text)).bindings


def at(found: Bindings, text: str, before: str) -> Occurrence:
    """The occurrence of the name directly before the end of a text."""
    occurrence = found.at("n.net", text.index(before) + len(before))
    assert occurrence is not None, before
    return occurrence


def place_of(found: Occurrence) -> tuple[str, int]:
    span = found.symbol.span
    return found.symbol.kind, span.source.position(span.start)[0]


MEANINGS = [
    ("let wide = width", ("parameter", 1)),
    ("let unused = wide", ("constant", 4)),
    ("stem { let wide = 4, conv(wide", ("local", 6)),
    ("skip { conv(wide", ("local", 6)),
    ("from kept", ("tensor", 6)),
    ("layers { conv(wide", ("constant", 4)),
    ("conv(in + i", ("index", 7)),
    ("linear(classes", ("constant", 3)),
    ("deep=out", ("parameter", 9)),
    ("conv(half", ("local", 9)),
    ("helper(size", ("parameter", 10)),
    ("size=half), missing(out", ("parameter", 9)),
    ("conv(half, 3), helper", ("block", 10)),
]


@pytest.mark.parametrize("before, meaning", MEANINGS)
def test_a_name_means_what_its_place_knows(before: str, meaning: tuple[str, int]) -> None:
    assert place_of(at(bindings(TEXT), TEXT, before)) == meaning


@pytest.mark.parametrize(
    "old, new",
    [
        ("conv(in + i - i, 3)", "conv(in + , 3)"),
        ("classes 10", "classes 1o"),
        ("block helper(size)", "block helper(size size)"),
        ("let unused = wide + 1", "let unused = nothing + wide"),
        ("input 3x8x8", "input 3x8x8\nuse \"absent.net\""),
    ],
)  # fmt: skip
def test_errors_change_no_other_meaning(old: str, new: str) -> None:
    text = TEXT.replace(old, new)
    found = bindings(text)
    lines = new.count("\n")
    for before, (kind, line) in MEANINGS[2:6]:
        assert place_of(at(found, text, before)) == (kind, line + lines)
    assert found.main.blocks["idle"].parameters.keys() == {"out", "deep"}


def test_a_definition_is_known_from_its_own_line_on() -> None:
    names = bindings(TEXT).main
    (let,) = [symbol for symbol in names.own.symbols if symbol.kind == "local" and symbol.name == "wide"]
    assert names.find("wide", let.span) is names.constants["wide"]
    end = let.known
    last = type(end)(end.source, end.end, end.end)
    assert names.find("wide", last) is let


def test_arguments_by_name_are_occurrences_of_parameters() -> None:
    found = bindings(TEXT)
    size = found.main.blocks["helper"].parameters["size"]
    assert [(use.role, use.span.text) for use in found.occurrences if use.symbol is size] == [
        ("definition", "size"),
        ("argument", "size"),
        ("use", "size"),
    ]
