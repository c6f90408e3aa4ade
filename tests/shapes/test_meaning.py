"""Errors of meaning: shapes, budgets and warnings. What each code's text shows is what the compiler says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from netdsl.base.resources import ERRORS, NETWORKS
from netdsl.base.source import Source
from netdsl.compiler import Compiled, compile_network

CODES = sorted(path.stem for path in ERRORS.glob("NET[467]*.md"))


def compiled(text: str, **parameters: str) -> Compiled:
    return compile_network(Source("mine.net", text), parameters)


def codes(text: str) -> list[str]:
    return [found.code for found in compiled(text).diagnostics]


@pytest.mark.parametrize("code", CODES)
def test_text_of_a_code(code: str) -> None:
    text = (ERRORS / f"{code}.md").read_text(encoding="utf-8")
    wrong, right = re.findall(r"```net\n(.*?)```", text, re.DOTALL)
    assert codes(wrong) == [code]
    assert codes(right) == []


@pytest.mark.parametrize("path", sorted(NETWORKS.rglob("*.net")), ids=lambda path: path.stem)
def test_shipped_networks_have_no_warnings(path: Path) -> None:
    found = compile_network(Source(str(path), path.read_text(encoding="utf-8")))
    assert found.diagnostics == ()


FIXES = re.compile(r"write `([^`]+)` in place of `([^`]+)`")
CASES = Path(__file__).parents[1] / "cases" / "diagnostics"


def cases_with_a_fix() -> list[Path]:
    found = (path for path in sorted(CASES.rglob("*.txt")) if FIXES.search(path.read_text(encoding="utf-8")))
    return [path for path in found if not path.read_text(encoding="utf-8").startswith("===")]


@pytest.mark.parametrize("path", cases_with_a_fix(), ids=lambda path: path.stem)
def test_fix_applied_literally(path: Path) -> None:
    """The proposed text, in place of the wrong one, leaves no error there."""
    source = path.read_text(encoding="utf-8").partition("=== output\n")[0]
    for error in compiled(source).errors:
        if fix := FIXES.fullmatch(error.help_text):
            assert fix[2] in source
            left = compiled(source.replace(fix[2], fix[1])).errors
            assert (error.message, error.labels[0].text) not in {(e.message, e.labels[0].text) for e in left}


@pytest.mark.parametrize("stem", ["skip_adds_two_shapes", "skip_widens_in_stage", "skip_of_vectors"])
def test_shortcut_applied_literally(stem: str) -> None:
    source = next(CASES.rglob(f"{stem}.txt")).read_text(encoding="utf-8").partition("=== output\n")[0]
    (error,) = compiled(source).errors
    written = re.match(r"add `(shortcut \{ .+? \})`", error.help_text)
    assert written
    start = source.index("{", source.index("skip {"))
    depth = [1 if char == "{" else -1 if char == "}" else 0 for char in source[start:]]
    end = start + next(n for n in range(len(depth)) if sum(depth[: n + 1]) == 0) + 1
    assert compiled(source[:end] + " " + written[1] + source[end:]).errors == ()


NETWORK = "network mine\ninput 3x32x32\nclasses 10\n{}\nhead {{ global_avgpool, flatten, linear(classes) }}\n"


def test_an_unused_library_is_a_warning() -> None:
    library = "block lonely() { relu }\n"
    source = Source("mine.net", NETWORK.format('use "blocks.net"\nstem { conv(8, 3) }'))
    (warning,) = compile_network(source, read=lambda path: library).diagnostics
    assert (warning.code, warning.severity) == ("NET701", "warning")
    assert warning.labels[0].span.text == 'use "blocks.net"'


def test_warnings_leave_the_network() -> None:
    found = compiled(NETWORK.format("let unused = 3\nstem { conv(8, 3) }"))
    assert found.network is not None
    assert found.errors == () and len(found.diagnostics) == 1


def test_a_comment_allows_a_warning_of_its_line_alone() -> None:
    body = "stem {{ conv(8, 3, stride=4) }}  {}\nlayers {{ conv(8, 3, stride=4) }}"
    both = [1, 2]
    for comment, lines in (("", both), ("# allow NET703", both), ("# allow NET703, NET704", [2])):
        found = compiled(NETWORK.format(body.format(comment))).diagnostics
        places = [label.span.source.position(label.span.start)[0] - 3 for d in found for label in d.labels]
        assert places == lines


def test_a_block_that_may_be_chosen_is_used() -> None:
    blocks = "block a(out) { conv(out, 3) }\nblock b(out) { conv(out, 5) }\nstage kind(8)"
    text = NETWORK.format(blocks)
    assert compiled(text.replace("mine", "mine(kind=a)")).diagnostics == ()


def test_an_error_of_a_block_is_told_once_however_often_it_is_called() -> None:
    calls = "\n".join(f"stage b({out}, repeat=3)" for out in (8, 16, 32))
    text = NETWORK.format("block b(out) { conv(out, 3, groups=3), relu }\nstem { conv(8, 3) }\n" + calls)
    assert codes(text) == ["NET402"]


@pytest.mark.parametrize(
    "part",
    [
        "stem { repeat 100k as i { repeat 100k as j { conv(i + j + k, 1) } } }",
        "block b() { conv(in + 1, 1) }\n" + "stage b(repeat=100k)\n" * 50,
        "block b(n) { conv(n / 7, 1) }\nstage b(index, repeat=100k)\n" * 1,
    ],
)
def test_large_networks_with_errors_end(part: str) -> None:
    assert compiled(NETWORK.format(part)).errors
