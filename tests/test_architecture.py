"""`netdsl build --emit`, and docs/architecture.md, which shows its output."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from docs import architecture
from netdsl.base.source import Source
from netdsl.cli import main
from netdsl.compiler import FORMS, Compiled, Form, compile_network, emit
from netdsl.syntax.net_files import shipped
from tests.test_layers import LOOSE, ORDER

EVERY_STEP = """
network all(act=relu, depth=2)
input 3x8x8
classes 10
block gate(out, act=relu) { let half = out // 2, conv(half, 3), act, conv(out, 1) }
stem { first: conv(4, 3) }
layers {
  save start
  skip(drop_path=0.1) { conv(4, 3) }
  when depth > 1 { gate(4, act=act) } else { relu }
  repeat depth as i { conv(4 + i, 3) }
  add { | conv(4, 1) | from start }
}
stage gate(8, repeat=2)
head { global_avgpool, flatten, linear(classes) }
expect output == 10
"""


def compiled(text: str) -> Compiled:
    return compile_network(Source("test.net", text))


def test_the_page_is_current() -> None:
    assert (
        architecture.PAGE.read_text(encoding="utf-8") == architecture.page()
    ), "run `python -m docs.architecture`"


def test_the_page_lists_all_packages_in_order() -> None:
    assert architecture.ROOMS.split() == [room for room in ORDER.split() if room not in LOOSE]


@pytest.mark.parametrize("form", FORMS)
def test_every_node_is_printed_and_the_same_each_time(form: Form) -> None:
    text = emit(compiled(EVERY_STEP), form)
    assert text == emit(compiled(EVERY_STEP), form)
    assert " at 0x" not in text and "object" not in text
    for word in ("skip", "gate", "conv", "start", "half", "drop_path"):
        assert word in text.lower(), word


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_shipped_network_is_printed(name: str) -> None:
    network = compiled(shipped()[name].read_text(encoding="utf-8"))
    for form in FORMS if network.network else FORMS[:1]:
        assert emit(network, form).count("\n") > 5


def test_the_command_prints_one_form() -> None:
    result = CliRunner().invoke(main, ["build", "resnet32", "--emit", "typed"])
    assert result.exit_code == 0
    assert result.output.startswith("TypedNetwork\n  network=ResolvedNetwork resnet32 @2:9\n")
    wrong = CliRunner().invoke(main, ["build", "resnet32", "--emit", "typed", "--check"])
    assert wrong.exit_code == 2
    assert "--emit can't be combined" in wrong.output
