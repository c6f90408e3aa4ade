"""Pictures: everything of a network is in them, at its place, and nothing of it breaks out of them."""

from __future__ import annotations

import re
import struct
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from netdsl.cli import main
from netdsl.graph.draw import draw
from netdsl.graph.drawing import Text
from netdsl.graph.figure import figure
from netdsl.graph.figure_nodes import BlockNode, LoopNode, MarkNode, OperationNode, SkipNode
from netdsl.graph.labels import place, shape_text, source_text
from netdsl.graph.page import page
from netdsl.graph.render_picture import render_picture
from netdsl.graph.svg import svg
from netdsl.ir.typed import (
    TypedBody,
    TypedBranches,
    TypedEach,
    TypedNetwork,
    TypedOperation,
    TypedParameterCall,
    TypedRepeat,
    TypedSection,
    TypedSkip,
    TypedStep,
    TypedWhen,
)
from netdsl.syntax.net_files import shipped
from tests.support.graphs import HARD, NETWORKS, ROOT, chains, nodes, typed, typed_file
from tests.support.programs import run_program

PICTURES = {
    "resnet32": "resnet32",
    "resnet50": "resnet50",
    "googlenet": "googlenet",
    "densenet121": "densenet",
}

# The content.


def operations(bodies: Iterable[TypedBody]) -> Iterator[TypedOperation]:
    """The operations of bodies, less those of the blocks that they call."""
    for body in bodies:
        for step in body.steps:
            yield from operations_of(step)


def operations_of(step: TypedStep) -> Iterator[TypedOperation]:
    match step:
        case TypedOperation() | TypedParameterCall(call=TypedOperation()):
            yield step if isinstance(step, TypedOperation) else step.call  # type: ignore[misc]
        case TypedSkip(body=body, shortcut=shortcut, drop_path=drop_path):
            yield from operations((body, shortcut) if shortcut else (body,))
            yield from (drop_path,) if drop_path else ()
        case TypedBranches(branches=branches):
            yield from operations(branches)
        case TypedRepeat(runs=runs):
            yield from operations(body for body, _ in runs)
        case TypedEach(instances=instances):  # drawn once, with the size of the first
            yield from operations([instances[0].body])
        case TypedWhen(body=body):
            yield from operations((body,))


@pytest.mark.parametrize("network", NETWORKS)
def test_every_operation_of_the_network_is_shown(network: TypedNetwork) -> None:
    bodies = [part.body for part in network.parts if isinstance(part, TypedSection)]
    found = [*operations(bodies), *operations(instance.body for instance in network.instances)]
    expected = {
        (source_text(op.step.span), place(op.step.span)) for op in found if op.operation.name != "identity"
    }
    facts = [node.facts for node in nodes(chains(figure(network))) if isinstance(node, OperationNode)]
    assert {tuple(fact[0].rsplit(", ", 1)) for fact in facts} == expected
    measured = {f"{shape_text(op.input)} → {shape_text(op.output)}" for op in found}
    assert {line.partition(":")[0] for fact in facts for line in fact if " → " in line} <= measured


@pytest.mark.parametrize("network", NETWORKS)
def test_every_block_has_a_panel_of_its_letter(network: TypedNetwork) -> None:
    shown = figure(network)
    blocks = [node for node in nodes(chains(shown)) if isinstance(node, BlockNode)]
    called = {(node.letter, node.name.rpartition(": ")[2]) for node in blocks}
    assert called == {(panel.letter, panel.name) for panel in shown.panels}
    # The block that the compiler makes of a repeated or shared part is not in the file.
    made = ("repeat", "each")
    written = {each.block.name for each in network.instances if each.block.span.text not in made}
    assert {name for _, name in called} == written


@pytest.mark.parametrize("network", NETWORKS)
def test_shapes_on_the_edges_are_those_of_the_network(network: TypedNetwork) -> None:
    shown = figure(network)
    shape = network.network.input
    for card, part in zip(shown.cards, network.parts, strict=True):
        assert card.input == shape
        shape = part.body.output if isinstance(part, TypedSection) else part.runs[-1][0].output
        assert card.output == shape
    assert shape == network.output or not shown.has_end
    texts = Counter(item.text for item in draw(shown).items if isinstance(item, Text))
    for wanted, count in Counter(shape_text(card.input) for card in shown.cards).items():
        assert texts[wanted] >= count
    assert texts[shape_text(network.output)] or not shown.has_end


def test_copies_are_folded_and_the_first_is_apart() -> None:
    shown = figure(typed_file(shipped()["resnet32"]))
    assert [card.title for card in shown.cards] == ["stem", "stage1", "stage2", "stage3", "head"]
    stages = [[node[:4] for node in card.chain] for card in shown.cards[1:4]]
    assert stages == [
        [("a", "residual", ("out=8",), "× 5")],
        [("b", "residual", ("out=16", "stride=2"), ""), ("a", "residual", ("out=16",), "× 4")],
        [("b", "residual", ("out=32", "stride=2"), ""), ("a", "residual", ("out=32",), "× 4")],
    ]
    same, changed = shown.panels
    (skip,) = changed.chain
    assert isinstance(skip, SkipNode)
    body = [node.text for node in skip.body if isinstance(node, OperationNode)]
    assert body == ["bn", "relu", "conv1: conv 3×3, out, /2", "bn", "relu", "conv2: conv 3×3, out"]
    assert [node.text for node in skip.shortcut if isinstance(node, OperationNode)] == ["conv 1×1, out, /2"]
    assert isinstance(same.chain[0], SkipNode) and not same.chain[0].shortcut


def test_dense_layers_are_one_panel_and_one_stack_for_each_stage() -> None:
    shown = figure(typed_file(shipped()["densenet"]))
    times = [node.times for node in nodes(chains(shown)) if isinstance(node, BlockNode) and node.times]
    assert times == ["× 6", "× 12", "× 24", "× 16"]
    layer, _ = shown.panels
    assert isinstance(layer.chain[0], SkipNode) and layer.chain[0].join == "concat"


def test_equal_stages_in_a_row_are_one() -> None:
    stages = "stage residual(8)\n" * 2000
    shown = figure(typed(f"network n\ninput 3x8x8\nstage plain(8)\n{stages}stage plain(8)\nstage plain(8)\n"))
    assert [card.title for card in shown.cards] == ["stage1", "stage2–stage2001", "stage2002", "stage2003"]
    assert [panel.name for panel in shown.panels] == ["plain", "residual"]


def loops(text: str) -> list[str]:
    shown = figure(typed(f"network n\ninput 3x8x8\n{text}"))
    return [node.times for node in nodes(chains(shown)) if isinstance(node, LoopNode)]


def test_iterations_that_differ_say_which_they_are() -> None:
    body = "when i == 1 { relu } else when i > 1 { gelu } else { silu }"
    assert loops(f"layers {{ repeat 5 as i {{ {body} }} }}") == ["i = 0", "i = 1", "i = 2–4"]
    assert loops("layers { repeat 3 as i { conv(8 + i, 3) } }") == ["× 3"]
    assert loops("layers { repeat 3 { relu } }") == ["× 3"]


def test_what_differs_is_shown_by_its_name_and_what_doesnt_by_its_value() -> None:
    shown = figure(typed(HARD))
    texts = [node.text for node in nodes(chains(shown)) if isinstance(node, OperationNode)]
    for text in ("conv1: conv 3×3, 32, /2", "conv 3×3, growth + i", "conv 1×7, 64", "drop_path drop"):
        assert text in texts
    loops = [node.times for node in nodes(chains(shown)) if isinstance(node, LoopNode)]
    assert loops == ["× 3", "× n"]
    blocks = [node for node in nodes(chains(shown)) if isinstance(node, BlockNode)]
    assert ("drop=0.0857 … 0.2",) in [block.arguments for block in blocks]
    assert "first: mixed" in [block.name for block in blocks]


def test_a_parameter_that_holds_several_operations_is_shown_by_its_name() -> None:
    shown = figure(typed("""network held
        input 3x8x8
        block layer(act) { conv(8, 3), act }
        layers { layer(relu), layer(gelu) }"""))
    (panel,) = shown.panels
    held = panel.chain[1]
    assert isinstance(held, OperationNode) and held.text == "act" and held.family == "activation"
    assert "act: relu, gelu" in held.facts


def test_what_comes_from_elsewhere_joins_from_the_side() -> None:
    shown = figure(typed(HARD))
    (skip,) = [node for node in shown.cards[0].chain if isinstance(node, SkipNode)]
    assert skip.join == "concat" and not skip.body
    assert isinstance(skip.shortcut[0], MarkNode) and skip.shortcut[0].text == "from early"


# The painting.


NASTY = (
    "</title><script>alert(1)</script>]]>--><b onload='x'>&amp;\"$x$ \\frac \x07\x1b[31m \u202e 日本 {{7*7}}"
)
HOSTILE = f"""\
# {NASTY}
network hostile
input 3x8x8
# {NASTY}
block mean(out) {{ conv(out, # {NASTY}
  3), relu }}
layers {{ mean(8), mean( # {NASTY}
  4) }}
"""


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attributes]


def facts_of(root: ElementTree.Element) -> list[str]:
    return [title.text or "" for title in root.iter("{http://www.w3.org/2000/svg}title")]


@pytest.mark.parametrize("network", NETWORKS)
def test_svg_is_well_formed_and_says_the_facts(network: TypedNetwork) -> None:
    shown = figure(network)
    root = ElementTree.fromstring(svg(draw(shown)))
    assert {element.tag.rpartition("}")[2] for element in root.iter()} <= {
        "svg",
        "rect",
        "text",
        "path",
        "title",
    }
    assert Counter(facts_of(root)) >= Counter(
        "\n".join(node.facts) for node in nodes(chains(shown)) if isinstance(node, OperationNode)
    )


def test_comments_dont_break_out_of_a_picture() -> None:
    drawing = draw(figure(typed(HOSTILE)))
    root = ElementTree.fromstring(svg(drawing))
    assert not root.findall(".//{*}script") and not root.findall(".//{*}b")
    # Characters that can't be printed have become blanks.
    printable = " ".join("".join(char if char.isprintable() else " " for char in NASTY).split())
    assert sum(printable in fact for fact in facts_of(root)) >= 2
    parser = Tags()
    parser.feed(page(drawing))
    assert Counter(parser.tags)["script"] == 1 and "b" not in parser.tags
    assert not any(name.startswith("on") for name in parser.attributes)
    assert svg(drawing) in page(drawing)


def test_a_page_needs_nothing_from_elsewhere() -> None:
    text = page(draw(figure(typed(HARD))))
    assert set(re.findall(r"\w+://[\w./]+", text)) == {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in text
    assert not re.search(r"\b(src|href)=|@import|url\(", text)


def test_png() -> None:
    network = typed(HOSTILE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        content = render_picture(network, ".png")
    drawing = draw(figure(network))
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    assert width / height == pytest.approx(drawing.width / drawing.height, rel=0.01)
    assert width > 2 * drawing.width
    assert content == render_picture(network, ".png")


def test_the_same_picture_whatever_the_hash_seed(tmp_path: Path) -> None:
    pictures = []
    for seed in ("1", "2"):
        picture = tmp_path / f"{seed}.html"
        command = [sys.executable, "-m", "netdsl", "graph", "mobilenet_v3_small", "-o", str(picture)]
        run_program(command, {"PYTHONHASHSEED": seed}, check=True)
        pictures.append(picture.read_bytes())
    assert pictures[0] == pictures[1]


# The command.


def graph(*arguments: object) -> Result:
    result = CliRunner().invoke(main, ["graph", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_the_ending_chooses_the_format(tmp_path: Path) -> None:
    for name, start in (("a.svg", b"<svg"), ("b.HTML", b"<!DOCTYPE html>"), ("c.png", b"\x89PNG")):
        result = graph("two_layer_fc", "-o", tmp_path / name)
        assert result.exit_code == 0 and result.output == f"wrote {tmp_path / name}\n"
        assert (tmp_path / name).read_bytes().startswith(start)


@pytest.mark.parametrize("name", ["net.pdf", "net"])
def test_other_endings_are_refused(tmp_path: Path, name: str) -> None:
    result = graph("resnet32", "-o", tmp_path / name)
    assert result.exit_code == 2
    assert f"{name}` must end in .svg, .png or .html" in result.output
    assert not list(tmp_path.iterdir())


def test_too_large_a_picture_is_refused(tmp_path: Path) -> None:
    stages = "stage residual(8)\nstage plain(8)\n" * 400
    (tmp_path / "n.net").write_text(f"network n\ninput 3x8x8\nlayers {{ conv(8, 3) }}\n{stages}")
    result = graph(tmp_path / "n.net", "-o", tmp_path / "n.svg")
    assert result.exit_code == 1 and not (tmp_path / "n.svg").exists()
    assert "the picture would have 1,6" in result.output and "the limit of 1,000" in result.output


def test_parameters_and_the_input_can_be_set(tmp_path: Path) -> None:
    result = graph("resnet50", "-o", tmp_path / "net.svg", "--set", "depth=101", "--input", "3x64x64")
    assert result.exit_code == 0
    text = (tmp_path / "net.svg").read_text(encoding="utf-8")
    assert "× 22" in text and "3×64×64" in text and "depth=101" in text


def test_nothing_is_written_where_there_are_errors(tmp_path: Path) -> None:
    (tmp_path / "bad.net").write_text("network bad\ninput 3x8x8\nlayers { rleu }\n")
    for file in (tmp_path / "bad.net", "std"):
        result = graph(file, "-o", tmp_path / "net.svg")
        assert result.exit_code == 1
        assert "NET201" in result.output or "library of blocks" in result.output
    assert not (tmp_path / "net.svg").exists()
    (tmp_path / "file").write_text("")
    result = graph("resnet32", "-o", tmp_path / "file" / "net.svg")
    assert result.exit_code == 1 and "cannot write" in result.output


@pytest.mark.parametrize("name", PICTURES)
def test_the_pictures_of_the_docs_are_current(name: str) -> None:
    path = ROOT / "docs/pictures" / f"{name}.svg"
    network = typed_file(shipped()[PICTURES[name]])
    assert path.read_bytes() == render_picture(
        network, ".svg"
    ), f"run `netdsl graph {PICTURES[name]} -o {path}`"
    assert f"pictures/{name}.svg" in (ROOT / "docs/tools.md").read_text(encoding="utf-8")
