"""Renaming: everywhere and nowhere else, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from tests.support.editor import Editor

LIBRARY = """\
block inner(out, act=relu) { last: conv(out, 3), act }
block outer(out) { inner(out, act=silu), inner(out=out) }
"""

NETWORK = """\
network main(width=8)
variant wide(width=16)
use "lib.net"
input 3x16x16
classes 10
let n = width * 2
stem { conv(width, 3), save a, conv(n, 3), add { | identity | from a, conv(n, 1) } }
stages inner(act=relu) {
  out  repeat
  n      2
}
layers {
  outer(n)
  let n = in  # allow NET702
  repeat 2 as i { conv(n + i, 1) }
}
head { global_avgpool, flatten, last: linear(classes) }
init pytorch { last normal(std=0.01) }
"""


@pytest.fixture(scope="module", autouse=True)
def opened(editor: Editor) -> Iterator[None]:
    (editor.folder / "lib.net").write_text(LIBRARY, encoding="utf-8")
    assert editor.open("main.net", NETWORK) == []
    yield


@pytest.mark.parametrize(
    "where, new, changed",
    [
        (
            "main(wid",
            "channels",
            {
                "(width=8)": "(channels=8)",
                "(width=16)": "(channels=16)",
                "width * 2": "channels * 2",
                "conv(width": "conv(channels",
            },
        ),
        (
            "let ",
            "m",
            {
                "let n = width": "let m = width",
                "conv(n, 3)": "conv(m, 3)",
                "conv(n, 1)": "conv(m, 1)",
                "  n      2": "  m      2",
                "outer(n)": "outer(m)",
            },
        ),
        ("  let n", "m", {"let n = in": "let m = in", "conv(n + i": "conv(m + i"}),
        ("as ", "k", {"as i": "as k", "n + i": "n + k"}),
        ("from ", "early", {"save a": "save early", "from a": "from early"}),
        ("network ", "other", {"network main": "network other"}),
    ],
)
def test_names_of_one_file(editor: Editor, where: str, new: str, changed: dict[str, str]) -> None:
    expected = NETWORK
    for old, replacement in changed.items():
        assert old in expected
        expected = expected.replace(old, replacement, 1)
    assert editor.rename("main.net", where, new) == {"main.net": expected}


def test_a_block_of_a_library_and_its_users(editor: Editor) -> None:
    assert editor.rename("main.net", "stages inn", "part") == {
        "main.net": NETWORK.replace("stages inner", "stages part"),
        "lib.net": LIBRARY.replace("inner", "part"),
    }


def test_from_the_library_the_files_that_use_it_follow(editor: Editor) -> None:
    editor.open("lib.net", LIBRARY)
    try:
        assert editor.rename("lib.net", "block inner(ou", "size") == {
            "main.net": NETWORK.replace("  out  repeat", "  size  repeat"),
            "lib.net": LIBRARY.replace("inner(out, act=relu)", "inner(size, act=relu)")
            .replace("conv(out", "conv(size")
            .replace("out=out", "size=out"),
        }
    finally:
        editor.close("lib.net")


def test_labels_that_one_rule_names_go_together(editor: Editor) -> None:
    changed = editor.rename("main.net", ", las", "final")
    assert changed == {
        "main.net": NETWORK.replace("last", "final"),
        "lib.net": LIBRARY.replace("last", "final"),
    }


@pytest.mark.parametrize(
    "where, new, message",
    [
        ("stem { con", "filter", "only names that a file defines"),
        ("linear(clas", "labels", "a word of the language"),
        ("main(wid", "relu", "`relu` is an operation"),
        ("main(wid", "stem", "a word of the language"),
        ("main(wid", "a b", "is not a valid name"),
        ("main(wid", "2x", "is not a valid name"),
        ("main(wid", "class", "is a Python keyword"),
        ("main(wid", "n", "defined twice"),
        ("  let n", "i", "defined twice"),
        ("let ", "in", "a word of the language"),
        ("stages inn", "outer", "defined twice"),
        (", las", "forward", "is reserved in Python, torch or generated code"),
    ],
)
def test_what_is_refused(editor: Editor, where: str, new: str, message: str) -> None:
    with pytest.raises(JsonRpcException, match=message):
        editor.rename("main.net", where, new)


def test_no_other_name_is_caught(editor: Editor) -> None:
    text = NETWORK.replace("let n = in", "let m = in").replace("conv(n + i", "conv(m + n + i")
    assert editor.open("caught.net", text) == []
    with pytest.raises(JsonRpcException, match="`n` means something else where `m` is used"):
        editor.rename("caught.net", "  let m", "n")
    editor.close("caught.net")


def test_standard_blocks_are_refused(editor: Editor) -> None:
    assert editor.open("standard.net", NETWORK.replace("outer(n)", "residual(n)")) == []
    with pytest.raises(JsonRpcException, match="standard block"):
        editor.rename("standard.net", "  resid", "mine")
    editor.close("standard.net")


def test_a_broken_text_is_refused(editor: Editor, folder: Path) -> None:
    editor.open("broken.net", NETWORK.replace("classes 10", "classes ("))
    with pytest.raises(JsonRpcException, match="fix them first"):
        editor.rename("broken.net", "main(wid", "channels")
    editor.close("broken.net")


def test_the_place_is_asked_first(editor: Editor) -> None:
    params = types.PrepareRenameParams(*editor.at("main.net", "main(wid"))
    found = editor.ask(editor.client.text_document_prepare_rename_async(params))
    assert isinstance(found, types.Range)
    assert (found.start.character, found.end.character) == (13, 18)
    with pytest.raises(JsonRpcException, match="only names that a file defines"):
        refused = types.PrepareRenameParams(*editor.at("main.net", "stem { con"))
        editor.ask(editor.client.text_document_prepare_rename_async(refused))
