"""Properties of the compiler that hold for any text: valid networks agree, wrong ones give diagnostics."""

from __future__ import annotations

import os
import random
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netdsl.base.source import Source
from netdsl.compiler import compile_network, generate
from netdsl.diagnostics.render_text import render
from netdsl.syntax.net_files import shipped
from tests.support import strategies
from tests.support.building import build, codes
from tests.support.equality import assert_counts_are_torchs, assert_styles_agree

MODEST = settings(
    deadline=None, derandomize=True, max_examples=25, suppress_health_check=[HealthCheck.too_slow]
)
MANY = settings(MODEST, max_examples=150)

# --- random valid networks -----------------------------------------------------------------------

# How many networks of the whole language are tried: 2,000 were once (docs/results/README.md).
EXAMPLES = settings(MODEST, max_examples=int(os.environ.get("NETDSL_EXAMPLES", "30")))


@EXAMPLES
@given(strategies.networks())
def test_random_networks_over_the_whole_language(text: str) -> None:
    """Styles agree in outputs, gradients and statistics; shapes and counts are those of torch."""
    network = build(text)
    assert_counts_are_torchs(network)
    assert_styles_agree(network)


# --- wrong texts ---------------------------------------------------------------------------------

TEXTS = [path.read_text(encoding="utf-8") for path in shipped().values()]
PIECES = [
    "{", "}", "(", ")", "[", "]", ",", "\n", " ", "=", "==", "+", "-", "*", "/", "//", "|", ":", '"',
    "#", ".", ";", "skip", "shortcut", "if", "then", "else", "when", "repeat", "as", "save", "from", "each",
    "add", "concat", "layers", "stem", "head", "stages", "stage", "block", "network", "order", "init",
    "train", "let", "in", "yes", "no", "not", "and", "or", "conv", "relu", "bn", "linear", "flatten",
    "residual", "out", "0", "1", "3x3", "1e999", "-1", "0.5", "9" * 30, "é", "\t", "\r", "\x00",
    "\ufeff", "“", "unit(8, 3)", "n", "classes", "use", "same", "if same",
]  # fmt: skip


def check(text: str) -> None:
    """Every text gives a network, or diagnostics that can be shown."""
    compiled = compile_network(Source("mutated.net", text))
    for diagnostic in compiled.diagnostics:
        shown = render(diagnostic)
        assert shown.startswith(f"{diagnostic.severity}[{diagnostic.code}]: ")
        assert "\x00" not in shown
    if compiled.network is not None:
        assert not compiled.errors
        for style in compiled.styles:
            assert generate(compiled, style)


def mutated(text: str, chance: random.Random) -> str:
    parts = re.findall(r"\w+|\s+|[^\w\s]", text)
    for _ in range(chance.choice([1, 1, 2, 4])):
        place = chance.randrange(len(parts))
        match chance.randrange(5):
            case 0:
                del parts[place]
            case 1:
                parts.insert(place, chance.choice(PIECES))
            case 2:
                other = chance.randrange(len(parts))
                parts[place], parts[other] = parts[other], parts[place]
            case 3:
                parts[place] = chance.choice(PIECES)
            case _:
                del parts[place : place + chance.randrange(1, 20)]
        parts = parts or [" "]
    return "".join(parts)


@MANY
@given(st.sampled_from(TEXTS), st.integers(0, 10**9))
def test_mutated_networks_give_diagnostics_or_code(text: str, seed: int) -> None:
    check(mutated(text, random.Random(seed)))


@MANY
@given(st.lists(st.sampled_from(PIECES), max_size=30), st.sampled_from([" ", "", "\n"]))
def test_any_pieces_give_diagnostics(pieces: list[str], between: str) -> None:
    check(between.join(pieces))


@MANY
@given(st.text(max_size=60))
def test_any_text_gives_diagnostics(text: str) -> None:
    check(text)


@MANY
@given(st.sampled_from(TEXTS), st.integers(0, 2000))
def test_texts_that_end_early(text: str, end: int) -> None:
    check(text[: end % (len(text) + 1)])


# --- texts that would cost much ------------------------------------------------------------------

START = "network n\ninput 3x8x8\n"
LARGE = {
    "brackets": "let n = " + "(" * 5000 + "1" + ")" * 5000,
    "braces": "stem { " + "skip { " * 3000 + "}" * 3000 + " }",
    "minus": "let n = " + "-" * 5000 + "1",
    "not": "let n = " + "not " * 5000 + "yes",
    "sum": "let n = " + " + ".join(["1"] * 20000),
    "power of a sum": "let n = " + " * ".join(["1000"] * 5000),
    "if": "let n = " + "if yes then 1 else " * 5000 + "1",
    "or": "let n = " + " or ".join(["no"] * 20000),
    "comparison": "let n = " + " < ".join(["1"] * 5000),
    "list": "let n = [" + ", ".join(["1"] * 20000) + "]",
    "digits": "let n = " + "9" * 100_000,
    "exponent": "let n = 1e" + "9" * 1000,
    "small exponent": "let n = 1e-999999999",
    "product": "".join(f"let a{i} = a{i + 1} * a{i + 1}\n" for i in range(100)) + "let a100 = 10",
    "fraction": "".join(f"let a{i} = a{i + 1} / 7\n" for i in range(100)) + "let a100 = 1",
    "size": "stem { conv(3, 3, padding=" + "9" * 1000 + "x3) }",
    "channels": "stem { conv(999999999999999999, 999999999999999999, padding=999999999999999999) }",
    "line": "stem { " + "relu, " * 1000 + "relu }",
    "name": "let " + "n" * 100_000 + " = m",
    "comment": "# " + "c" * 900_000,
    "lines": "\n" * 900_000,
    "newlines in a body": "stem {" + "\n" * 100_000 + "}",
    "too long": "#" * 1_000_001,
    "rows": "stages plain {\n  out\n" + "  3\n" * 500 + "}",
    "columns": "stages plain {\n  " + "out " * 30_000 + "\n}",
    "repeat": "stage plain(3, repeat=1e18)",
    "largest repeat": "stage plain(3, repeat=100k)",
    "growing": "block grow() { conv(in + 1, 1) }\nstage grow(repeat=100k)",
    "lets": "".join(f"let a{i} = a{i + 1}\n" for i in range(3000)) + "let a3000 = 1",
    "blocks within blocks": "block b0(n) { conv(min(n, 4), 1) }\n"
    + "".join(f"block b{i + 1}(n) {{ b{i}(n + n) }}\n" for i in range(40))
    + "stage b40(1)\nstage b40(2)",
    "instances": "block b0(n) { conv(min(n, 4), 1) }\n"
    + "".join(f"block b{i + 1}(n) {{ b{i}(2 * n), b{i}(2 * n + 1) }}\n" for i in range(40))
    + "stage b40(1)",
    "calls": "block b0() { relu }\n"
    + "".join(f"block b{i + 1}() {{ b{i}, b{i} }}\n" for i in range(50))
    + "stage b50()",
    "deep calls": "block b0() { relu }\n"
    + "".join(f"block b{i + 1}() {{ b{i} }}\n" for i in range(2000))
    + "stage b2000()",
    "defaults": "block b(a0=1, "
    + ", ".join(f"a{i + 1}=a{i} + a{i} - a{i}" for i in range(60))
    + ") { conv(a60, 1) }\nblock c(n) { b(n) }\nstage c(1)\nstage c(2)",
}


@pytest.mark.parametrize("name", LARGE)
def test_large_texts_stay_bounded(name: str) -> None:
    check(START + LARGE[name] + "\n")
    check(LARGE[name])


@pytest.mark.parametrize("number", ["1e999", "1e-999", "9" * 30, "0." + "1" * 50, "1e99999999999999999999"])
def test_numbers_that_are_too_large(number: str) -> None:
    assert codes(START + f"stem {{ conv({number}, 3) }}\n") == ["NET103"]
