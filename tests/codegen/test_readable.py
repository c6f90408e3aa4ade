"""Generated code has what someone who writes it by hand would."""

from __future__ import annotations

import torch

import netdsl
from netdsl.codegen.wrap import WIDTH
from tests.support.building import build

NET = "network n(width=8)\ninput 3x8x8\nclasses 4\n{}\nhead {{ global_avgpool, flatten, linear(classes) }}\n"


def test_a_loop_fits_other_numbers_of_channels() -> None:
    """Though all calls in this network have the same number."""
    head = netdsl.load("cells").imported("module").SharedHead(32)
    assert head.layers(torch.randn(1, 32, 8, 8)).shape == (1, 48, 8, 8)


def test_rates_of_blocks_are_formulas() -> None:
    text = NET.format(
        "stages b(drop=0.2 * block_index / block_count) {\n out repeat\n 8 1\n 16 2\n}\n"
        "block b(out, drop) { conv(out, 3), dropout(drop) }"
    )
    code = build(text).source()
    assert "B(3, 8, 0.0)" in code
    assert "B(8, 16, 0.2 * 1 / 3)" in code and "B(16, 16, 0.2 * 2 / 3)" in code


def test_many_arguments_have_their_names() -> None:
    three = "layers { b(8, 3, 2), b(16, 5, 1) }\nblock b(out, k, step) { conv(out, k, stride=step) }"
    assert "B(8, out=16, k=5, step=1)" in build(NET.format(three)).source()
    two = "layers { b(8, 3), b(16, 5) }\nblock b(out, kernel) { conv(out, kernel) }"
    assert "B(8, 16, 5)" in build(NET.format(two)).source()


def test_conditions_compare_the_parameter() -> None:
    text = NET.format(
        "layers { b(1), b(2) }\n"
        "block b(stride) {\n skip if same { conv(8, 3) }\n"
        " when stride == 1 { add { | conv(8, 3) | conv(8, 1) } }\n"
        " else { conv(8, 3, stride) } }"
    )
    code = build(text).source()
    assert "self.stride = stride\n" in code and "if self.stride == 1:" in code
    assert "self.use_residual = " not in code and "if self.in_channels == 8 else" in code
    assert "condition" not in code


def test_a_condition_of_two_parameters_has_a_name() -> None:
    text = NET.format("layers { b(8), b(8) }\nblock b(out) { skip if same { conv(out, 3) } }")
    code = build(text).source()
    assert "self.use_residual = in_channels == out\n" in code and "condition" not in code


def test_rounding_that_changes_nothing_is_left_out() -> None:
    text = "layers {{ b({}), b(16) }}\nblock b(out) {{ conv(round_to(out * width / 8, 8), 3) }}"
    assert "round_to" not in build(NET.format(text.format(8))).source()
    assert "round_to" in build(NET.format(text.format(9))).source()


def test_docstrings_of_classes_are_wrapped() -> None:
    comment = "# " + "long words of a comment " * 8 + "\n"
    code = build(comment + NET.format("layers { b }\n" + comment + "block b { conv(8, 3) }")).source()
    assert all(len(line) <= WIDTH for line in code.splitlines())
    assert "long words of a comment" in code and code.count("words") == 16
