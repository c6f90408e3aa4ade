"""Decorations of an editor: colours of names, shapes behind steps, and folds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lsprotocol import types

from netdsl.base.source import Source
from netdsl.lsp.decorations import coloured_names, folds, shape_hints
from netdsl.lsp.reading import Reading, read
from netdsl.syntax.net_files import read_text
from tests.support.editor import Editor, offset

NETWORK = """\
network drawn(width=8)
input 3x32x32
classes 10

# Two lines
# of a comment.
stem {
  first: conv(width, 3), relu
  skip { unit(8, 3) }  # allow NET703
}
stage part(16, repeat=2, stride=2)
head { global_avgpool, flatten, linear(classes) }  # allow NET705

block part(out, stride=1) {
  let hidden = out * 2
  conv(hidden, 3, stride), relu, save kept
  add { | from kept | conv(hidden, 1) }
  conv(out, 1)
}
"""


@pytest.fixture
def drawn(editor: Editor) -> Iterator[Editor]:
    assert editor.open("drawn.net", NETWORK) == []
    yield editor
    editor.close("drawn.net")


def reading(text: str) -> Reading:
    return read("drawn.net", text, read_text)


def shown(text: str) -> str:
    """The text with its hints."""
    for hint in reversed(shape_hints(reading(text))):
        text = f"{text[: hint.offset]}<{hint.text}>{text[hint.offset :]}"
    return text


def test_the_shape_stands_behind_each_step() -> None:
    lines = shown(NETWORK).splitlines()
    assert lines[7] == "  first: conv(width, 3)<8x32x32>, relu<8x32x32>"
    assert lines[8] == "  skip { unit(8, 3)<8x32x32> }<8x32x32>  # allow NET703"
    assert lines[10] == "stage part(16, repeat=2, stride=2)<16x16x16>"
    assert lines[11] == "head { global_avgpool<16x1x1>, flatten<16>, linear(classes)<10> }  # allow NET705"


def test_shapes_of_a_block_are_those_of_its_runs() -> None:
    text = NETWORK.replace("head", "stage part(24)\nstage part(4, stride=2)\nhead")
    assert "  conv(out, 1)<16x16x16, 24x16x16, …>" in shown(text)


def test_an_error_hides_the_shapes_that_depend_on_it_alone() -> None:
    lines = shown(NETWORK.replace("conv(out, 1)", "conv(out, kernl=1)")).splitlines()
    assert lines[7] == "  first: conv(width, 3)<8x32x32>, relu<8x32x32>"
    assert "  conv(hidden, 3, stride)<32x16x16>, relu<32x16x16>, save kept<32x16x16>" in lines
    assert lines[11] == "head { global_avgpool, flatten, linear(classes) }  # allow NET705"
    assert lines[-2] == "  conv(out, kernl=1)"


def test_names_have_the_colours_of_what_they_mean() -> None:
    found = {(name.span.text, name.type, name.modifiers) for name in coloured_names(reading(NETWORK))}
    assert found >= {
        ("drawn", "namespace", ("declaration",)),
        ("width", "parameter", ("declaration", "readonly")),
        ("width", "parameter", ("readonly",)),
        ("part", "class", ("declaration",)),
        ("part", "class", ()),
        ("stride", "parameter", ()),
        ("hidden", "variable", ()),
        ("kept", "variable", ("declaration",)),
        ("first", "property", ("declaration",)),
        ("conv", "function", ("defaultLibrary",)),
        ("classes", "variable", ("readonly",)),
    }
    standard = NETWORK.replace("stage part", "stage residual")
    assert ("residual", "class", ("defaultLibrary",)) in {
        (name.span.text, name.type, name.modifiers) for name in coloured_names(reading(standard))
    }


def test_brackets_and_comments_fold() -> None:
    offsets = folds(Source("", NETWORK))
    found = [(NETWORK.count("\n", 0, a), NETWORK.count("\n", 0, b), c) for a, b, c in offsets]
    assert [fold for fold in found if fold[0] < fold[1]] == [(4, 5, True), (6, 9, False), (13, 18, False)]
    assert list(folds(Source("", "stem { conv(3\n}\n} # a\n# b"))) == []


# as an editor asks


def test_tokens_are_relative_to_each_other(drawn: Editor) -> None:
    document = types.TextDocumentIdentifier(drawn.uri("drawn.net"))
    params = types.SemanticTokensParams(document)
    found = drawn.ask(drawn.client.text_document_semantic_tokens_full_async(params))
    assert found is not None
    line, column, words = 0, 0, []
    for index in range(0, len(found.data), 5):
        down, right, length = found.data[index : index + 3]
        line, column = line + down, right if down else column + right
        start = offset(NETWORK, types.Position(line, column))
        words.append(NETWORK[start : start + length])
    assert words[:4] == ["drawn", "width", "classes", "first"]
    assert words[-2:] == ["conv", "out"]


def hints(editor: Editor, name: str) -> list[str] | None:
    document = types.TextDocumentIdentifier(editor.uri(name))
    whole = types.Range(types.Position(6, 0), types.Position(7, 99))
    params = types.InlayHintParams(document, whole)
    found = editor.ask(editor.client.text_document_inlay_hint_async(params))
    return None if found is None else [str(hint.label) for hint in found]


def test_shapes_are_shown_in_the_range_that_is_asked_for(drawn: Editor) -> None:
    assert hints(drawn, "drawn.net") == ["8x32x32", "8x32x32"]
    drawn.replace("drawn.net", "width=8", "width=16")
    assert hints(drawn, "drawn.net") == ["16x32x32", "16x32x32"]


def test_an_option_turns_the_shapes_off(tmp_path: Path) -> None:
    editor = Editor(tmp_path)
    editor.start(options={"inlayHints": False})
    editor.open("drawn.net", NETWORK)
    assert hints(editor, "drawn.net") is None
    assert editor.stop() == 0


def test_folds_leave_the_closing_bracket_in_sight(drawn: Editor) -> None:
    params = types.FoldingRangeParams(types.TextDocumentIdentifier(drawn.uri("drawn.net")))
    found = drawn.ask(drawn.client.text_document_folding_range_async(params))
    assert found is not None
    assert [(fold.start_line, fold.end_line, fold.kind) for fold in found] == [
        (4, 5, types.FoldingRangeKind.Comment),
        (6, 8, None),
        (13, 17, None),
    ]


def test_shapes_are_shown_beside_an_error(drawn: Editor) -> None:
    drawn.replace("drawn.net", "  conv(out, 1)", "  conv(outt, 1)")
    hover = drawn.hover("drawn.net", "first: con")
    assert "stem  3x32x32 → 8x32x32" in hover and "last version" not in hover
