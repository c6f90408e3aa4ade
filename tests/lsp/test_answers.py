"""Answers of the server about a text without errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lsprotocol import types

from tests.support.editor import Editor, text_in

GATES = """\
# A number between 0 and 1 for every channel.
block gated(reduction=8, gate=sigmoid) {
  mul {
    | identity
    | global_avgpool, conv(in // reduction, 1), relu, conv(in, 1), gate
  }
}
"""

NETWORK = """\
# A network for the tests.
network small(width=8)

use "gates.net"

input 3x32x32
classes 10
default conv(bias=no)

let deep = width * 4

stem {
  first: conv(width, 3), bn, relu
  save early
  gated
  add { | identity | from early }
}
stages wide {
  out   repeat  stride
  8       1       1
  deep    3       2
}
head { global_avgpool, flatten, last: linear(classes), save scores }
output scores
output early when training

# Twice as wide in the middle.
block wide(out, stride=1) {
  let hidden = in * 2
  skip { conv(hidden, 3, stride), bn, relu, conv(out, 3), bn }
  shortcut { conv(out, 1, stride) }
  repeat 2 as i { conv(out + i, 1), conv(out, 1), relu }
}

init pytorch { last zeros }

train {
  optimizer sgd(lr=0.1, momentum=0.9)
  augment flip, crop(4)
}
"""


@pytest.fixture(scope="module", autouse=True)
def opened(editor: Editor) -> Iterator[None]:
    (editor.folder / "gates.net").write_text(GATES, encoding="utf-8")
    assert editor.open("small.net", NETWORK) == []
    yield


def test_hover_on_an_operation_tells_its_signature_and_what_the_step_does(editor: Editor) -> None:
    assert editor.hover("small.net", "first: conv").splitlines() == [
        "```net",
        "conv(out, kernel, stride=1, padding=same, groups=1, dilation=1, bias=yes, freeze=no)",
        "```",
        "",
        "2-D convolution (LeCun et al. 1998, section II.A; `torch.nn.Conv2d`).",
        "",
        "```text",
        "stem  3x32x32 → 8x32x32  216 parameters  221,184 MACs",
        "```",
    ]


def test_hover_in_a_block_tells_its_instances_apart(editor: Editor) -> None:
    shortcut = editor.hover("small.net", "shortcut { conv").splitlines()
    assert shortcut[-2] == "stage 2, block 1  8x32x32 → 32x16x16  256 parameters  65,536 MACs"
    skip = editor.hover("small.net", "\n  skip")
    assert "stage 1, block 1     8x32x32 → 8x32x32    2,352 parameters" in skip
    assert "+ shortcut(x)" in skip and "+ x" in skip


def test_hover_on_a_row_of_a_table_tells_of_the_stage(editor: Editor) -> None:
    hover = editor.hover("small.net", "deep    ")
    assert hover.splitlines()[1].startswith("stage 2  8x32x32 → 32x16x16")
    assert hover.splitlines()[1].endswith("3 blocks")


@pytest.mark.parametrize(
    "where, shown",
    [
        ("conv(wid", "parameter width=8 of small\n```\n\nis `8`"),
        ("  dee", "let deep = width * 4\n```\n\nis `32`"),
        (
            "\n  let hid",
            "stage 1, block 1; stage 2, block 1  = 16\nstage 2, blocks 2–3                 = 64\n```",
        ),
        (
            "\n  ou",
            "stage 1, block 1                       = 8\nstage 2, block 1; stage 2, blocks 2–3  = 32\n```",
        ),
        ("hidden = in", "The number of input channels"),
        ("\n  gate", "A number between 0 and 1 for every channel."),
        ("conv(out + i", "index i of wide"),
        ("optimizer s", "sgd(lr=0.001, momentum=0"),
        ("\n  optimiz", "The optimizer, with its arguments."),
        ("moment", "a number of at least 0 and below 1"),
        ("last ze", "zeros"),
        ("from ear", "save early"),
        ("\nst", "The first section"),
        ("\n  repe", "Repeats the body"),
    ],
)
def test_hover_on_names_and_words(editor: Editor, where: str, shown: str) -> None:
    assert shown in editor.hover("small.net", where)


def test_nothing_is_said_of_comments(editor: Editor) -> None:
    assert editor.hover("small.net", "# A netw") == ""
    assert editor.complete("small.net", "# A netw") == {}


@pytest.mark.parametrize(
    "where, some, none",
    [
        ("first: ", {"conv", "gated", "wide", "residual", "unit"}, {"stem", "skip"}),
        ("first: conv(", {"out", "kernel", "width", "deep", "in"}, {"conv", "hidden"}),
        ("conv(hidden, 3, ", {"stride", "padding", "hidden", "out"}, {"kernel", "i"}),
        ("use \"", {"gates.net"}, {"small.net", "conv"}),
        ("\n  optimizer ", {"sgd", "adam", "adamw", "muon"}, {"step", "flip"}),
        ("sgd(", {"lr", "nesterov", "decay_norms"}, {"conv"}),
        ("augment flip, ", {"crop", "cutout"}, {"seed"}),
        ("\ntrain {\n  ", {"epochs", "seed", "average"}, {"conv"}),
        ("init ", {"kaiming", "pytorch"}, {"conv"}),
        ("init pytorch { ", {"conv", "bias", "last_bn", "last", "first"}, {"relu", "dropout"}),
        ("init pytorch { last ", {"kaiming_normal", "zeros"}, {"conv"}),
        ("stages ", {"wide", "residual", "gated"}, {"conv"}),
        ("\n  out   ", {"repeat", "stride"}, {"out", "conv"}),
        ("from ", {"early"}, {"conv"}),
        ("\noutput ", {"early", "scores"}, {"conv", "when"}),
        ("\noutput early ", {"when"}, {"conv"}),
        ("when ", {"training", "width", "deep"}, {"conv"}),
        ("\ninput 3x32x32\n", {"network", "stem", "train"}, {"conv"}),
        ("repeat 2 as i { conv(", {"i", "hidden", "in", "out"}, {"width2"}),
    ],
)  # fmt: skip
def test_completion(editor: Editor, where: str, some: set[str], none: set[str]) -> None:
    found = editor.complete("small.net", where)
    assert some <= found.keys()
    assert not none & found.keys()


def test_a_completion_tells_its_signature_and_replaces_the_word(editor: Editor) -> None:
    item = editor.complete("small.net", "stem {\n  first: con")["conv"]
    assert item.detail == (
        "conv(out, kernel, stride=1, padding=same, groups=1, dilation=1, bias=yes, freeze=no)"
    )
    assert item.documentation == "2-D convolution (LeCun et al. 1998, section II.A; `torch.nn.Conv2d`)."
    assert isinstance(item.text_edit, types.TextEdit)
    assert text_in(NETWORK, item.text_edit.range) == "con"
    stride = editor.complete("small.net", "conv(hidden, 3, ")["stride"]
    assert stride.detail == "stride=1" and stride.documentation == "a whole number of at least 1"
    assert isinstance(stride.text_edit, types.TextEdit) and stride.text_edit.new_text == "stride="


def test_signature_help_follows_the_arguments(editor: Editor) -> None:
    def help(where: str) -> tuple[str, int | None]:
        document, place = editor.at("small.net", where)
        params = types.SignatureHelpParams(document, place)
        found = editor.ask(editor.client.text_document_signature_help_async(params))
        assert found is not None
        return found.signatures[0].label.partition("(")[0], found.active_parameter

    assert help("conv(hidden, 3, ") == ("conv", 2)
    assert help("sgd(lr=0.1, momentum=") == ("sgd", 1)
    assert help("crop(") == ("crop", 0)


@pytest.mark.parametrize(
    "where, target",
    [
        ("\n  gate", ("gates.net", "gated")),
        ("stages wi", ("small.net", "wide")),
        ("conv(wid", ("small.net", "width")),
        ("\n  de", ("small.net", "deep")),
        ("conv(hid", ("small.net", "hidden")),
        ("from ear", ("small.net", "early")),
        ("init pytorch { la", ("small.net", "last")),
        ("linear(clas", ("small.net", "classes")),
        ("\n  out   rep", None),
        ("\n  ou", ("small.net", "out")),
        ("conv(out + i", ("small.net", "i")),
        ("use \"gat", ("gates.net", "")),
        ("first: con", None),
    ],
)  # fmt: skip
def test_definition(editor: Editor, where: str, target: tuple[str, str] | None) -> None:
    assert editor.definition("small.net", where) == target


def test_the_definition_of_a_standard_block_is_in_its_file(editor: Editor) -> None:
    editor.open("std_user.net", NETWORK.replace("stages wide", "stages residual"))
    assert editor.definition("std_user.net", "stages resid") == ("std.net", "residual")


def test_references_are_all_occurrences(editor: Editor) -> None:
    document, place = editor.at("small.net", "network small(wid")
    context = types.ReferenceContext(include_declaration=True)
    params = types.ReferenceParams(context, document, place)
    found = editor.ask(editor.client.text_document_references_async(params))
    assert found is not None
    assert sorted(one.range.start.line for one in found) == [1, 9, 12]


def test_the_outline_is_nested(editor: Editor) -> None:
    document = types.TextDocumentIdentifier(editor.uri("small.net"))
    params = types.DocumentSymbolParams(document)
    found = editor.ask(editor.client.text_document_document_symbol_async(params))
    assert found is not None
    shown = {}
    for symbol in found:
        assert isinstance(symbol, types.DocumentSymbol)
        shown[symbol.name] = [child.name for child in symbol.children or ()]
    assert shown == {
        "small": ["width"],
        "deep": [],
        "stem": ["first"],
        "stages wide": ["stage 1", "stage 2"],
        "head": ["last"],
        "wide": ["out", "stride", "hidden"],
        "init pytorch": [],
        "train": [],
    }


def test_a_library_tells_how_an_open_network_uses_it(editor: Editor) -> None:
    editor.open("gates.net", GATES)
    try:
        step = editor.hover("gates.net", "conv(in // reduction")
        assert "= 8" in step
        assert "stem › gated  8x1x1 → 1x1x1  9 parameters  8 MACs\n```\n\n*As small.net uses it.*" in step
    finally:
        editor.close("gates.net")


def test_unsaved_texts_of_used_files_are_read_before_the_disk(editor: Editor, folder: Path) -> None:
    editor.open("gates.net", GATES)
    try:
        editor.replace("gates.net", "reduction=8", "reduction=4")
        editor.replace("small.net", "# A network", "# The network")
        assert "stem  8x32x32 → 8x32x32  42 parameters" in editor.hover("small.net", "\n  gated")
        editor.replace("gates.net", "block gated", "block gate_of")
        editor.replace("small.net", "# The network", "# A network")
        assert any("gated" in found.message for found in editor.settle("small.net"))
    finally:
        editor.close("gates.net")
    editor.replace("small.net", "# A network", "# A  network")
    assert editor.settle("small.net") == []
    editor.replace("small.net", "# A  network", "# A network")
