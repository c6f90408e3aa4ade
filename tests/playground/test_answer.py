"""The answers that the page shows."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from netdsl.api.loading import load
from netdsl.base.source import Source
from netdsl.compiler import STYLES
from netdsl.playground.answer import View, answer, answer_in_browser, examples
from tests.support.programs import run_program

NETWORK = """\
network small
input 3x8x8
classes 2
stem { conv(4, 3), relu }
head { global_avgpool, flatten, linear(classes) }
"""
# What the compiler must not need: none of it is in the archive for the browser.
ABSENT = ("torch", "torchvision", "numpy", "matplotlib", "PIL", "rich", "filelock", "safetensors", "pygls")


def asked(text: str, view: View = "picture") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(answer(Source("small.net", text), view, {})))
    return found


def test_a_network_is_shown_in_each_view() -> None:
    assert asked(NETWORK)["shown"]["svg"].startswith("<svg ")
    shapes = asked(NETWORK, "shapes")["shown"]
    assert shapes["rows"][-1][:4] == ["total", "2", "122", "6,920"]
    assert asked(NETWORK)["heading"] == "small: 3x8x8 -> 2, 122 parameters, 6,920 MACs, depth 2"
    for style in STYLES:
        code = asked(NETWORK, style)["shown"]
        compile(code["code"], style, "exec")
        assert sum(length for length, _ in code["tokens"]) == len(code["code"])


def test_a_style_that_the_network_has_not_is_a_message() -> None:
    shown = asked(load("unet").typed.network.span.source.text, "sequential")["shown"]
    assert "the network is no `nn.Sequential`" in shown["message"]


def test_errors_have_fixes_as_edits() -> None:
    found = asked(NETWORK.replace("relu", "rleu"))
    assert (found["heading"], found["shown"]) == ("", {})
    (problem,) = found["diagnostics"]
    (fix,) = problem["fixes"]
    (edit,) = fix["edits"]
    text = NETWORK.replace("relu", "rleu")
    assert text[: edit["start"]] + edit["text"] + text[edit["end"] :] == NETWORK


def test_places_are_counted_as_javascript_counts_them() -> None:
    text = f"# 𝄞𝄞\n{NETWORK.replace('relu', 'rleu')}"
    found = asked(text)
    (problem,) = found["diagnostics"]
    in_javascript = text.encode("utf-16-le")
    assert in_javascript[2 * problem["start"] : 2 * problem["end"]].decode("utf-16-le") == "rleu"
    assert sum(length for length, _ in found["tokens"]) == len(in_javascript) // 2


def test_examples_compile_beside_the_shipped_networks() -> None:
    texts = json.loads(examples())
    assert "use " in texts["densenet"]
    assert json.loads(answer_in_browser(texts["densenet"], ""))["diagnostics"] == []


@pytest.mark.parametrize("view", ["picture", *STYLES])
def test_the_compiler_needs_neither_torch_nor_numpy(view: View, tmp_path: Path) -> None:
    """Nor anything else that a browser's Python hasn't."""
    program = tmp_path / "program.py"
    program.write_text(
        f"import sys\nsys.modules |= dict.fromkeys({ABSENT}, None)\n"
        "from netdsl.playground.answer import answer_in_browser\n"
        f"print(answer_in_browser({NETWORK!r}, {view!r}))\n"
        f"answer_in_browser({NETWORK.replace('relu', 'rleu')!r}, {view!r})\n"
        f"used = {{name.split('.')[1] for name in sys.modules if name.startswith('netdsl.')}}\n"
        "from docs.site.playground import WITHOUT\nassert not used & {*WITHOUT}, used\n"
    )
    done = run_program([sys.executable, program], check=True)
    assert json.loads(done.stdout.splitlines()[0])["shown"]
