"""An error in the middle of a network points at the step of the `.net` file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netdsl.api.network import Network
from netdsl.compiler import STYLES, Style
from netdsl.runtime.errors import RunError
from netdsl.trained.failure import TRACEBACK, StepFailed, failures_located, under_way
from netdsl.trained.open_run import create_model
from tests.support.building import build
from tests.support.commands import netdsl

CPU = torch.device("cpu")
TEXT = """\
network failing(act=relu)
input 3x8x8
classes 2
order bn, relu, conv
block inner(out) { gate: conv(out, 1), sigmoid }
block own(out, act=relu, deep=no, stride=1) {
  skip {
    when deep { unit(2 * out, 3), conv(out, 3, stride) } else { conv(out, 3, stride) }
    repeat 2 { bn, act }
    mul { | identity | global_avgpool, inner(out), dropout(0.1) }
  }
  shortcut { conv(out, 1, stride) }
}
stem { conv(4, 3) }
stages own {
  out  act   deep  stride  repeat
   4   relu  no      1       2
   8   silu  yes     2       3
}
head { global_avgpool, flatten, linear(classes) }
"""
# The possible beginnings of a step that makes a module.
WORDS: dict[str, tuple[str, ...]] = {
    "Conv2d": ("conv", "unit", "gate: conv"), "BatchNorm2d": ("bn", "unit"), "ReLU": ("act", "unit"),
    "SiLU": ("act",), "Sigmoid": ("sigmoid",), "Linear": ("linear",), "Flatten": ("flatten",),
    "Dropout": ("dropout",), "AdaptiveAvgPool2d": ("global_avgpool",),
}  # fmt: skip


def lines(network: Network, style: Style, error: Exception) -> list[tuple[int, str]]:
    """Line and text of the steps under way, the outermost first."""
    found = under_way(error, network, style)
    return [(own.step.source.position(own.step.start)[0], own.step.text) for own in found]


def failure(network: Network, style: Style, model: Any) -> Exception:
    with pytest.raises(RuntimeError, match="broken") as caught:
        model(torch.zeros(2, 3, 8, 8), training=True)
    return caught.value


@pytest.mark.parametrize("style", ["module", "sequential"])
def test_every_module_is_traced_to_the_step_that_made_it(style: Style) -> None:
    network = build(TEXT)
    model = create_model(network, style, 0, CPU)
    modules = [(p, own) for p, own in model.module().named_modules() if type(own).__name__ in WORDS]
    assert len(modules) > 40
    for path, module in modules[:: 4 if style == "module" else 9]:

        def broken(x: Tensor) -> Tensor:
            raise RuntimeError("broken")

        module.forward = broken
        error = failure(network, style, model)
        del module.forward
        *_, last = under_way(error, network, style)
        assert last.step.text.startswith(WORDS[type(module).__name__]), path
        assert last.module == path
        found = lines(network, style, error)
        if path.startswith("stage"):
            assert found[0][0] == int(path[5]) + 16
        if "inner" in path:
            assert [line for line, _ in found[-2:]] == [10, 5]


def test_functions_are_traced_to_their_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    network = build(TEXT)
    first = (17, "4   relu  no      1       2")
    second = (18, "8   silu  yes     2       3")
    deep = [(8, "unit(2 * out, 3)"), (8, "conv(out, 3, stride)"), (10, "inner(out)")]
    expected = [[(14, "conv(4, 3)")]]
    for _ in range(2):
        expected += [
            [first, (8, "conv(out, 3, stride)")],
            [first, (10, "inner(out)"), (5, "gate: conv(out, 1)")],
        ]
    for number in range(3):
        own = [[second, step] for step in deep]
        own[-1].append((5, "gate: conv(out, 1)"))
        expected += own + ([[second, (12, "conv(out, 1, stride)")]] if number == 0 else [])
    original = F.conv2d
    for number, steps in enumerate(expected):
        calls = count()

        def failing(*arguments: Any, at: int = number, calls: Iterator[int] = calls, **named: Any) -> Tensor:
            if next(calls) == at:
                raise RuntimeError("broken")
            return original(*arguments, **named)

        monkeypatch.setattr(F, "conv2d", failing)
        error = failure(network, "functional", create_model(network, "functional", 0, CPU))
        monkeypatch.undo()
        assert lines(network, "functional", error) == steps


@pytest.mark.parametrize("style", STYLES)
def test_what_fails_in_a_join_is_traced_to_the_join(style: Style, monkeypatch: pytest.MonkeyPatch) -> None:
    network = build(
        "network n\ninput 3x8x8\nclasses 2\nblock b() {\n  concat {\n    | identity\n    | relu\n  }\n}\n"
        "stem { conv(4, 3) }\nstage b()\nhead { global_avgpool, flatten, linear(classes) }\n"
    )
    model = create_model(network, style, 0, CPU)

    def broken(*arguments: Any) -> Tensor:
        raise RuntimeError("broken")

    monkeypatch.setattr(torch, "cat", broken)
    assert [line for line, _ in lines(network, style, failure(network, style, model))] == [11, 5]


def test_it_is_shown_with_the_place_and_the_way_there(tmp_path: Path) -> None:
    network = build(TEXT)
    model = create_model(network, "module", 0, CPU)
    modules = model.module().named_modules()
    inner = next(path for path, own in modules if path.startswith("stage2.1") and isinstance(own, nn.Conv2d))
    model.module().get_submodule(inner).double()
    with pytest.raises(StepFailed) as caught, failures_located(network, "module", tmp_path):
        model(torch.zeros(2, 3, 8, 8), training=True)
    shown = str(caught.value)
    assert shown.startswith("error[NET502]: `unit(2 * out, 3)` failed while the network ran: ")
    assert f"module `{inner}`" in shown and "in `stage2.1`" in shown
    assert "test.net:8:17" in shown and "\n18 | " in shown
    written = (tmp_path / TRACEBACK).read_text()
    assert (
        written.startswith("Traceback") and "self.stage2(x)" in written and written.rstrip().endswith("same")
    )


def test_errors_from_elsewhere_pass(tmp_path: Path) -> None:
    network = build(TEXT)
    for error in (KeyError("k"), RunError("full")):
        with pytest.raises(type(error)) as caught, failures_located(network, "module", tmp_path):
            raise error
        assert caught.value is error
    assert not list(tmp_path.iterdir())


def test_a_position_without_ranges_gives_the_steps_of_its_line() -> None:
    network = build(TEXT)
    error = RuntimeError(f'from user code:\n  File "{network.file("module")}", line 2, in forward')
    assert list(under_way(error, network, "module")) == []
    code = network.source("module").splitlines()
    line = next(number for number, text in enumerate(code, 1) if "self.stage2(x)" in text)
    error = RuntimeError(f'from user code:\n  File "{network.file("module")}", line {line}, in forward')
    assert [line for line, _ in lines(network, "module", error)] == [18]


VECTOR = """\
network vector
input 1x8x8
classes 10
layers { conv(4, 3), relu, flatten, bn, linear(classes) }
train {
  data digits
  images 100
  epochs 1
  batch 1
}
"""


@pytest.mark.parametrize("style", STYLES)
def test_training_shows_the_line(style: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETDSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    Path("vector.net").write_text(VECTOR)
    result = netdsl("train", "vector.net", "--device", "cpu", "--compile", "off", "--style", style)
    assert result.exit_code == 1
    assert "`bn` failed while the network ran: a batch norm can't compute the statistics" in result.output
    assert "use a larger `--batch`" in result.output and "vector.net:4:37" in result.output
    (folder,) = Path("runs").iterdir()
    assert "more than 1 value per channel" in (folder / TRACEBACK).read_text()
