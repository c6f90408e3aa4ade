"""Data with the labels of another kind of network, in the file and on the command line."""

from __future__ import annotations

import pytest

from netdsl.base.source import Source
from netdsl.compiler import compile_network
from netdsl.diagnostics import Fix

NETWORKS = {
    "classes": "layers { flatten, linear(classes) }",
    "masks": "layers { conv(classes, 1), save scores }\noutput scores",
    "boxes": "detect yolo(anchors=[16x16])\nlayers { conv(5 * anchors + classes, 1) }",
}
DATA = {
    "classes": ("digits", "cifar10", 'folder("images")'),
    "masks": ("scenes(masks=yes)", 'masks("images")'),
    "boxes": ("scenes", "scenes(count=100)", 'boxes("images")'),
}
PAIRS = [(labels, kind, data) for labels in NETWORKS for kind, every in DATA.items() for data in every]


@pytest.mark.parametrize(("labels", "kind", "data"), PAIRS)
@pytest.mark.parametrize("option", [False, True])
def test_data_for_a_network(labels: str, kind: str, data: str, option: bool) -> None:
    classes = 11 if data == "scenes(masks=yes)" else 10
    text = f"network n\ninput 3x32x32\nclasses {classes}\n{NETWORKS[labels]}\ntrain {{ LINE\n epochs 1 }}\n"
    source = Source("n.net", text.replace("LINE", "" if option else f"data {data}"))
    compiled = compile_network(source, {}, {"data": data} if option else {})
    if labels == kind:
        assert not compiled.diagnostics
        return
    (error,) = compiled.errors
    assert error.code == "NET501" and error.message.startswith(f"the images of `{data}` have ")
    assert error.labels[0].span.text == (data if option else f"data {data}")
    assert isinstance(error.help, tuple)
    fix, change = error.help
    assert isinstance(fix, Fix) and isinstance(change, str)
    (edit,) = fix.edits
    if option:
        fixed = compile_network(source, {}, {"data": edit.new_text})
    else:
        text = source.text[: edit.span.start] + edit.new_text + source.text[edit.span.end :]
        fixed = compile_network(Source("n.net", text))
    assert not fixed.errors


@pytest.mark.parametrize(("data", "count"), [("scenes", 10), ("scenes(count=100, masks=yes)", 11)])
def test_classes_of_scenes(data: str, count: int) -> None:
    network = NETWORKS["masks" if "masks" in data else "boxes"]
    text = f"network n\ninput 3x32x32\nclasses 7\n{network}\ntrain {{ data {data} }}\n"
    (warning,) = compile_network(Source("n.net", text)).diagnostics
    assert warning.message == f"`{data}` has {count} classes, but the network has 7"
