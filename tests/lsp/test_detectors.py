"""Detectors in an editor: the names of an `each` are those of saved tensors, its body runs once for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pygls.exceptions import JsonRpcException

from netdsl.base.source import Source
from netdsl.lsp.decorations import coloured_names, folds, shape_hints
from netdsl.lsp.reading import read
from netdsl.syntax.net_files import read_text
from tests.support.editor import Editor

NETWORK = """\
network heads(width=4)
input 3x16x16
classes 3
detect fcos

stem { conv(width, 3), save fine, conv(width, 3, stride=2), save coarse }
head {
  each fine, coarse {
    relu
    conv(classes + 5, 1)
  }
}
output fine, coarse
"""


@pytest.fixture(scope="module", autouse=True)
def opened(editor: Editor) -> Iterator[None]:
    assert editor.open("heads.net", NETWORK) == []
    yield


def test_hover_tells_of_each_tensor(editor: Editor) -> None:
    hover = editor.hover("heads.net", "\n  eac")
    assert "One body with the same weights on each saved tensor" in hover
    rows = ["head › fine    4x16x16 → 8x16x16", "head › coarse  4x8x8 → 8x8x8"]
    assert [line[: len(row)] for line, row in zip(hover.splitlines()[-3:-1], rows, strict=True)] == rows
    assert "head › coarse  4x8x8" in editor.hover("heads.net", "    rel")
    assert "save coarse" in editor.hover("heads.net", "each fine, coa")


def test_completion_offers_the_other_saved_tensors(editor: Editor) -> None:
    assert editor.complete("heads.net", "each ").keys() == {"fine", "coarse"}
    assert editor.complete("heads.net", "each fine, ").keys() == {"coarse"}
    assert {"relu", "each", "conv"} <= editor.complete("heads.net", "coarse {\n    ").keys()


def test_a_rename_reaches_the_names(editor: Editor) -> None:
    renamed = NETWORK.replace("coarse", "small")
    assert editor.rename("heads.net", "save coa", "small") == {"heads.net": renamed}


def test_anchors_are_a_word(editor: Editor) -> None:
    head = "detect yolo(anchors=[2x2])\nhead { conv(5 * anchors + classes, 3) }\n"
    editor.open("one.net", f"network one\ninput 3x8x8\nclasses 2\n{head}")
    assert "anchors=[2x2]" in editor.hover("one.net", "5 * anch")
    with pytest.raises(JsonRpcException, match="`anchors` is a word of the language"):
        editor.rename("one.net", "5 * anch", "shapes")


def test_decorations() -> None:
    found = read("heads.net", NETWORK, read_text)
    names = {(name.span.text, name.type) for name in coloured_names(found) if name.span.start > 120}
    assert {("fine", "variable"), ("coarse", "variable")} <= names
    shown = {hint.text for hint in shape_hints(found) if hint.offset == NETWORK.index("}\n}\noutput") + 1}
    assert shown == {"8x8x8"}
    lines = {NETWORK[:end].count("\n") for _, end, _ in folds(Source("heads.net", NETWORK))}
    assert NETWORK[: NETWORK.index("  }\n}")].count("\n") in lines
