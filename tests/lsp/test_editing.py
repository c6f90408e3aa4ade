"""The server while a text is written: broken, with letters of all lengths, and in any encoding."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lsprotocol import types

from netdsl.lsp.requests import STALE
from tests.support.editor import Editor, position, text_in

NETWORK = """\
network draft(width=8)
input 3x32x32
classes 10

stem { conv(width, 3), relu }
stage part(16, stride=2)
head { global_avgpool, flatten, linear(classes) }

block part(out, stride=1) {
  let hidden = out * 2
  conv(hidden, 3, stride), relu
  conv(out, 1)
}
"""


@pytest.fixture
def draft(editor: Editor) -> Iterator[Editor]:
    assert editor.open("draft.net", NETWORK) == []
    yield editor
    editor.close("draft.net")


# diagnostics


def test_an_error_has_its_place_its_help_and_its_code(draft: Editor) -> None:
    draft.replace("draft.net", "relu\n  conv(out, 1)", "rellu\n  conv(out, 1)")
    (found,) = draft.settle("draft.net")
    assert found.message.startswith("there is no operation or block `rellu`")
    assert "help: did you mean `relu`?" in found.message
    assert (found.code, found.source) == ("NET201", "netdsl")
    assert found.severity is types.DiagnosticSeverity.Error
    assert text_in(NETWORK.replace("relu\n  conv", "rellu\n  conv"), found.range) == "rellu"
    assert found.code_description and found.code_description.href.endswith("NET201.md")


def test_the_other_side_of_a_conflict_is_related_information(draft: Editor) -> None:
    draft.replace("draft.net", "classes 10\n", "classes 10\nclasses 11\n")
    (found,) = draft.settle("draft.net")
    assert found.range.start.line == 3
    assert found.related_information is not None
    (other,) = found.related_information
    assert (other.location.uri, other.location.range.start.line) == (draft.uri("draft.net"), 2)


def test_errors_of_a_used_file_are_shown_where_it_is_used(draft: Editor, folder: Path) -> None:
    (folder / "wrong.net").write_text("block wrong { conv(16, nothing) }\n", encoding="utf-8")
    draft.replace("draft.net", "classes 10\n", 'classes 10\nuse "wrong.net"\n')
    (found,) = draft.settle("draft.net")
    assert found.message.startswith("wrong.net: the name `nothing` is not defined here")
    assert found.range.start.line == 3
    assert found.related_information is not None
    assert found.related_information[0].location.uri == draft.uri("wrong.net")


def test_errors_go_when_the_text_is_mended_and_when_it_is_closed(editor: Editor) -> None:
    assert editor.open("other.net", NETWORK.replace("classes 10", "classes")) != []
    editor.replace("other.net", "classes\n", "classes 10\n")
    assert editor.settle("other.net") == []
    editor.close("other.net")


# broken texts


def test_hover_speaks_of_the_last_good_version(draft: Editor) -> None:
    draft.replace("draft.net", "stem { conv(width, 3)", "stem { conv(width 3)")
    hover = draft.hover("draft.net", "  conv(hidden")
    assert "stage 1, block 1  = 32" in hover
    assert "stage 1, block 1  8x32x32 → 32x16x16" in hover
    assert STALE in hover


def test_completion_knows_names_that_stand_in_broken_parts(draft: Editor) -> None:
    draft.replace("draft.net", "  conv(out, 1)\n}", "  conv(out, 1)\n  let half = hidden / 2\n  conv(hal")
    found = draft.complete("draft.net", "  conv(hal")
    assert {"half", "hidden", "out", "stride", "width"} <= found.keys()
    assert "part" in draft.complete("draft.net", "stage p")


def test_completion_knows_the_parameters_in_a_variant(draft: Editor) -> None:
    draft.replace("draft.net", "input ", "variant wide(wid)\ninput ")
    assert {"width", "input"} <= draft.complete("draft.net", "variant wide(wid").keys()


def test_definition_and_outline_go_on_where_the_text_is_whole(draft: Editor) -> None:
    draft.replace("draft.net", "stem { conv", "stem { ( conv")
    assert draft.definition("draft.net", "stage par") == ("draft.net", "part")
    params = types.DocumentSymbolParams(types.TextDocumentIdentifier(draft.uri("draft.net")))
    symbols = draft.ask(draft.client.text_document_document_symbol_async(params))
    assert symbols is not None
    assert [symbol.name for symbol in symbols] == ["draft", "stem", "stage 1", "head", "part"]


def test_an_answer_follows_an_edit_before_diagnostics_do(draft: Editor) -> None:
    """The delay depends on the load of the machine."""
    draft.replace("draft.net", "part(16", "part(24", settle=False)
    deadline = time.monotonic() + 60
    while "8x32x32 → 24x16x16" not in draft.hover("draft.net", "\nstage par"):
        assert time.monotonic() < deadline


@pytest.mark.parametrize(
    "text", ["", "\n", "(", "}", '"', "network", "stages x {\n", "block b(", "#", "é\0\x0c"]
)
def test_no_text_upsets_the_server(editor: Editor, text: str) -> None:
    editor.open("odd.net", text)
    editor.hover("odd.net", text)
    editor.complete("odd.net", text)
    assert editor.definition("odd.net", text) is None
    editor.close("odd.net")


def test_a_text_that_is_too_long_is_refused_at_once(editor: Editor) -> None:
    (found,) = editor.open("long.net", "stem { relu }\n" * 700_000 + "end")
    assert "is longer than 100,000 characters" in found.message
    assert editor.hover("long.net", "}\nen") == ""
    editor.close("long.net")


def test_a_place_outside_of_the_text_is_its_end(draft: Editor) -> None:
    document = types.TextDocumentIdentifier(draft.uri("draft.net"))
    params = types.HoverParams(document, types.Position(999, 999))
    assert draft.ask(draft.client.text_document_hover_async(params)) is None


def test_a_text_that_is_not_open_has_no_answers(editor: Editor) -> None:
    document = types.TextDocumentIdentifier(editor.uri("never.net"))
    params = types.HoverParams(document, types.Position(0, 0))
    assert editor.ask(editor.client.text_document_hover_async(params)) is None


# letters, lines and encodings


def test_places_behind_long_letters_tabs_and_windows_newlines(editor: Editor) -> None:
    text = NETWORK.replace(
        "stem { conv(width, 3), relu }", "# 😀é\tü\nstem {\tconv(width, 3), relu } # 😀"
    ).replace("\n", "\r\n")
    assert editor.open("letters.net", text) == []
    assert editor.definition("letters.net", "conv(wid") == ("letters.net", "width")
    assert "3x32x32 → 8x32x32" in editor.hover("letters.net", "\tcon")
    editor.replace("letters.net", "# 😀\r", "# 😀😀\r", settle=False)
    editor.replace("letters.net", "# 😀😀\r", "\r\nlet 😀 = 2\r")
    (found,) = editor.settle("letters.net")
    assert found.range.start == types.Position(6, 4)
    editor.close("letters.net")


def test_form_feeds_and_line_separators_are_no_newlines(editor: Editor) -> None:
    assert editor.open("feeds.net", "# a\x0cb\u2028c\x85d\n" + NETWORK) == []
    editor.replace("feeds.net", "linear(classes)", "linear(clases)")
    (found,) = editor.settle("feeds.net")
    assert "`clases`" in found.message and found.range.start.line == 7
    editor.close("feeds.net")


def test_another_encoding_of_places(tmp_path: Path) -> None:
    editor = Editor(tmp_path)
    result = editor.start(types.PositionEncodingKind.Utf8)
    assert result.capabilities.position_encoding == types.PositionEncodingKind.Utf8
    (found,) = editor.open("wide.net", NETWORK.replace("conv(out, 1)", 'conv("é😀", out)'))
    assert (found.range.start.character, found.range.end.character) == (7, 15)
    assert editor.stop() == 0


# layout


def test_the_place_of_an_offset_in_utf_16() -> None:
    assert position("a😀b", 2) == types.Position(0, 3)


def test_formatting_changes_only_what_differs(editor: Editor) -> None:
    untidy = NETWORK.replace("stem { conv(width, 3), relu }", "stem {conv( width,3 ),relu}").replace(
        "\n", "\r\n"
    )
    editor.open("untidy.net", untidy)
    document = types.TextDocumentIdentifier(editor.uri("untidy.net"))
    params = types.DocumentFormattingParams(document, types.FormattingOptions(2, True))
    edits = editor.ask(editor.client.text_document_formatting_async(params))
    assert edits is not None
    (edit,) = edits
    assert edit.range.start.line == edit.range.end.line == 4
    assert untidy.replace(text_in(untidy, edit.range), edit.new_text) == NETWORK.replace("\n", "\r\n")
    editor.replace("untidy.net", "classes 10", "classes (")
    assert editor.ask(editor.client.text_document_formatting_async(params)) is None
    editor.close("untidy.net")
