"""Generated code has the layout that black gives it."""

from __future__ import annotations

import ast
from pathlib import Path

import black
import pytest
from hypothesis import given, settings

from netdsl.codegen.render import laid_out
from netdsl.codegen.wrap import WIDTH, wrapped
from netdsl.compiler import generate
from tests.codegen.test_generated import FILES
from tests.codegen.test_injection import VIEWS
from tests.support import strategies
from tests.support.building import build


def in_black(code: str) -> str:
    return black.format_str(code, mode=black.Mode(line_length=WIDTH))


@pytest.mark.parametrize("path", FILES[::4], ids=lambda path: path.stem)
def test_generated_files(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert in_black(text) == text


@settings(max_examples=10, derandomize=True, deadline=None)
@given(strategies.networks())
def test_random_networks(text: str) -> None:
    """750 files of 250 networks were tried once."""
    compiled = build(text).compiled
    for style in compiled.styles:
        code = generate(compiled, style)
        assert in_black(code) == code
        assert ast.dump(ast.parse(code)) == ast.dump(
            ast.parse(laid_out(VIEWS[style](compiled.lowered, "test.net")))
        )


NAME = "a_name_of_twenty_chars"


@pytest.mark.parametrize(
    "line",
    [
        f"x = {NAME} + {NAME} + {NAME} + {NAME}",
        f"x = {NAME}_with_a_very_long_end_that_goes_on_and_on_over_the_whole_width_of_the_line + 1",
        f"x = f({NAME}, {NAME}) if {NAME} else g({NAME}, {NAME})",
        f"x = f({NAME}, {NAME}).g({NAME}, {NAME}).h({NAME})",
        f"x = [{NAME}, {NAME}, f({NAME}), f({NAME})]",
        f"x = [f({NAME}, {NAME}, {NAME}, {NAME}, {NAME}), {NAME}]",
        f"{NAME}, {NAME}, {NAME}, {NAME} = f(x)",
        f"{NAME}, {NAME}, {NAME} = {NAME}_and_more(x)",
        f"x = f(*({NAME}(n, {NAME}, {NAME}, {NAME}) for n in range(2)))",
        f"x = f([{NAME}(x), {NAME}, {NAME}(x, 3, a=1)], 1)",
        f"x: {NAME} = f({NAME}, {NAME}, a={NAME}, b={NAME})",
        f"f({NAME}, {NAME}).g({NAME}, {NAME}, [{NAME}])",
        f"x = ({NAME} + {NAME}) * ({NAME} + {NAME} + 2)",
        f"x = {NAME} * f({NAME}, {NAME}, {NAME}, {NAME})",
        f"x += f({NAME}, '{NAME}')[{NAME}, {NAME}, {NAME}]".replace("'", '"'),
    ],
)
def test_lines(line: str) -> None:
    code = f"{line}\n"
    inside = f"def f(x):\n    return {line.partition('= ')[2] or line}\n"
    for text in (code, inside):
        assert wrapped(text) == in_black(text)
