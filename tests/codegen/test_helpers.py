"""The helpers of generated code, for what torch lacks."""

from __future__ import annotations

import ast

import pytest
import torch
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from netdsl.base.resources import TEMPLATES
from netdsl.codegen.helpers import HELPERS, _definition, carried
from netdsl.language.expressions import Const, Operator, Ref
from netdsl.language.expressions import round_to as exact
from netdsl.lower.python_arithmetic import in_python
from templates.helpers.drop_path import drop_path
from templates.helpers.dropout import dropout
from templates.helpers.DropPath import DropPath
from templates.helpers.layer_norm_2d import layer_norm_2d
from templates.helpers.LayerNorm2d import LayerNorm2d
from templates.helpers.round_to import round_to

X = torch.randn(8, 6, 5, 4, generator=torch.Generator().manual_seed(0))


# All arguments of attention.
ARGUMENTS = frozenset({"window", "shift", "grid", "scale"})


@pytest.mark.parametrize("name", HELPERS)
def test_a_file_defines_what_it_is_called(name: str) -> None:
    path = TEMPLATES / "helpers" / f"{name}.py"
    text = path.read_text() if path.exists() else _definition(name, ARGUMENTS)
    *imports, definition = ast.parse(text).body
    assert isinstance(definition, (ast.FunctionDef, ast.ClassDef))
    assert definition.name == name and ast.get_docstring(definition)
    assert all(isinstance(node, (ast.Import, ast.ImportFrom)) for node in imports)


def test_carried_with_what_they_use_functions_first() -> None:
    found = carried("y = RelativeAttention(64, 4)(LayerScale(3)(DropPath(0.5)(Slice(1)(x))))").definitions
    starts = [text.split("(")[0] for text in found]
    functions = ["def join_windows", "def relative_index", "def split_windows"]
    assert starts == [
        *functions,
        "class DropPath",
        "class LayerScale",
        "class RelativeAttention",
        "class Slice",
    ]
    assert not any("import" in text for text in found)


def test_attention_has_what_its_calls_need() -> None:
    found = carried("x = Attention(64, 4)(x)").definitions
    assert len(found) == 1 and "window" not in found[0] and "mask" not in found[0]
    starts = [text.split("(")[0] for text in carried("x = RelativeAttention(64, 4, window=7)(x)").definitions]
    assert starts == [
        "def join_windows",
        "def relative_index",
        "def split_windows",
        "class RelativeAttention",
    ]
    shifted = carried("x = RelativeAttention(64, 4, window=7, shift=3)(x)").definitions
    assert [text.split("(")[0] for text in shifted][2] == "def shift_mask"
    assert "grid" not in "".join(shifted) and "grid" in "".join(
        carried("window_attention(x, grid=True)").definitions
    )


def seeded(function: nn.Module) -> Tensor:
    torch.manual_seed(3)
    result: Tensor = function(X)
    return result


@pytest.mark.parametrize("p", [0.0, 0.25, 0.9])
def test_drop_path_is_stochastic_depth(p: float) -> None:
    assert torch.equal(seeded(DropPath(p)), seeded(StochasticDepth(p, "row")))
    assert torch.equal(DropPath(p).eval()(X), X)


@pytest.mark.parametrize("p", [0.0, 0.25, 0.9])
def test_a_generator_gives_the_numbers_of_the_same_seed(p: float) -> None:
    for function, module in ((dropout, nn.Dropout(p)), (drop_path, DropPath(p))):
        own = function(X, p, True, torch.Generator().manual_seed(3))
        torch.testing.assert_close(own, seeded(module), rtol=0, atol=0)
        state = torch.get_rng_state()
        function(X, p, True, torch.Generator())
        assert torch.equal(torch.get_rng_state(), state)


def test_layer_norm_is_over_channels() -> None:
    norm = LayerNorm2d(6, eps=1e-3)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    mean, variance = X.mean(1, keepdim=True), X.var(1, correction=0, keepdim=True)
    scale, shift = norm.weight[:, None, None], norm.bias[:, None, None]
    expected = (X - mean) / (variance + 1e-3).sqrt() * scale + shift
    torch.testing.assert_close(norm(X), expected)
    torch.testing.assert_close(layer_norm_2d(X, norm.weight, norm.bias, eps=1e-3), expected)


@pytest.mark.parametrize("divisor", [1, 4, 8, 10])
def test_round_to_is_the_language_own(divisor: int) -> None:
    """The helper, what the compiler expects of it, and the language's exact function: of whole numbers."""
    value = Operator("round_to", (Ref("x"), Const(divisor)))
    for x in range(1, 200):
        assert round_to(x, divisor) == in_python(value, {"x": x}) == exact(x, divisor)
