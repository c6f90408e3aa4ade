"""Each expression of generated code that stands for a step is traced back to exactly that step."""

from __future__ import annotations

import ast
import json
import traceback
from pathlib import Path

import pytest

from netdsl import load
from netdsl.base.source import Source, Span
from netdsl.base.tree import steps
from netdsl.cli import main
from netdsl.codegen.operation_parameters import bodies
from netdsl.compiler import STYLES, Compiled, Style, compile_network, generate, trace
from netdsl.ir.lowered import Layer
from netdsl.syntax.net_files import shipped
from tests.support.building import VARIED

GENERATED = Path(__file__).parents[2] / "generated"
NAMES = VARIED

TEXT = """\
network traced(deep=yes)
input 3x8x8
classes 2
block own(out, act=relu, wide=no) {
  skip {
    when wide { conv(2 * out, 1) } else { conv(out, 1) }
    act
    first: conv(out, 3)
  }
  shortcut { conv(out, 1) }
  concat { | identity | maxpool(3, 1, padding=1) }
}
stem { conv(4, 3), repeat 3 { conv(4, 3), relu } }
stages own {
  out  act   wide
   6   silu  no
   8   relu  yes
}
head { global_avgpool, flatten, linear(classes) }
"""


def compiled(name: str) -> Compiled:
    path = shipped()[name]
    return compile_network(Source(str(path), path.read_text(encoding="utf-8")))


def calls(code: str) -> dict[tuple[int, int, int | None, int | None], str]:
    """The calls at each place of the code."""
    return {
        (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset): ast.unparse(node.func)
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call)
    }


def layers(network: Compiled) -> dict[Span, set[str]]:
    """The torch calls of the operations of each step."""
    found: dict[Span, set[str]] = {}
    for layer in (step for body in bodies(network.lowered) for step in steps(body)):
        if isinstance(layer, Layer):
            functions = {layer.function.target} if layer.function else set()
            found.setdefault(layer.span, set()).update({layer.module.target, *functions})
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("style", STYLES)
def test_what_makes_a_layer_is_traced_to_its_step(name: str, style: Style) -> None:
    network = compiled(name)
    if network.network is None or style not in network.styles:  # a library, or no `nn.Sequential`
        return
    suffix = "" if style == "module" else f"_{style}"
    code = (GENERATED / f"{name}{suffix}.py").read_text(encoding="utf-8")
    places, known = trace(network, style, code), layers(network)
    targets = set().union(*known.values())
    traced = {place[:4]: place.step for place in places}
    assert len(traced) == len(places)
    # No step is traced to the helpers, such as the classes of attention, which have no place.
    definitions = [node for node in ast.parse(code).body if isinstance(node, (ast.ClassDef, ast.FunctionDef))]
    lines = [range(node.lineno, (node.end_lineno or 0) + 1) for node in definitions]
    helpers = [own for own in lines if not any(place[0] in own for place in places)]
    for at, function in calls(code).items():
        if function not in targets or function.startswith("nn.Identity"):
            continue
        if any(at[0] in own for own in helpers):
            continue
        assert at in traced, f"line {at[0]}: {function}"
        step = traced[at]
        # Among layers that act on the channels at each position, in one module.
        on_maps = {f"nn.{own.removesuffix('2d')}" for own in known[step]}
        assert function in known[step] | on_maps, f"line {at[0]}: {function} is traced to {step.text}"
    if style == "module":
        assert set(known) <= {place.step for place in places} | {
            step for step, own in known.items() if "nn.Identity" in own
        }


@pytest.mark.parametrize("style", STYLES)
def test_lines_of_a_network_are_those_of_its_file(style: Style) -> None:
    """Told by the text alone: the operation's name stands on the line that its torch class is traced to."""
    network = compile_network(Source("traced.net", TEXT))
    assert not network.errors
    code, lines = generate(network, style), TEXT.splitlines()
    words = {"Conv2d": "conv", "conv2d": "conv", "Linear": "linear", "linear": "linear", "cat": "concat"}
    words |= {"MaxPool2d": "maxpool", "max_pool2d": "maxpool", "Own": "", "own": "", "own_params": ""}
    functions = calls(code)
    seen = set()
    for place in trace(network, style, code):
        line, _ = place.step.source.position(place.step.start)
        name = functions.get(place[:4], "").rpartition(".")[2]
        if name in words:
            assert words[name] in lines[line - 1]
            assert place.step.text.split(": ")[-1].startswith(words[name])
            seen.add(line)
    assert seen == {6, 8, 10, 11, 13, 16, 17, 19}


def test_the_map_is_written_beside_the_code(tmp_path: Path) -> None:
    arguments = ["build", "resnet32", "--style", "all", "-o", str(tmp_path), "--map"]
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 0
    assert len(list(tmp_path.glob("*.py.map"))) == 3
    content = json.loads((tmp_path / "resnet32.py.map").read_text())
    assert content["code"] == "resnet32.py"
    first = content["places"][0]
    line = (tmp_path / "resnet32.py").read_text().splitlines()[first["line"] - 1]
    assert line[first["column"] - 1 : first["end_column"] - 1] == "nn.BatchNorm2d(in_channels)"
    assert first["step"]["text"] == "conv1: unit(out, 3, stride)"
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--check"])
    assert end.value.code == 0


def test_tracebacks_show_lines_of_code_without_a_file() -> None:
    model = load("resnet32").module()
    with pytest.raises(TypeError) as caught:
        model("no tensor")
    shown = "".join(traceback.format_exception(caught.value))
    assert "<resnet32_module " in shown and "x = F.relu(self.conv1(x))" in shown


def test_networks_of_one_name_and_other_code_have_other_files() -> None:
    small, large = load("preresnet", depth=20), load("preresnet", depth=29)
    assert small.file("module") != large.file("module")
    assert small.file("module") == load("preresnet", depth=20).file("module")
