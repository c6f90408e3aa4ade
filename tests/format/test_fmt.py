"""The one layout of `.net` files, and `netdsl fmt`."""

from __future__ import annotations

import re
import stat
import sys
from pathlib import Path
from random import Random

import pytest
from click.testing import Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netdsl.base.resources import NETWORKS, START
from netdsl.base.source import Source
from netdsl.diagnostics import Diagnostics
from netdsl.diagnostics.render_text import render
from netdsl.format import LayoutError, formatted
from netdsl.format import layout as layout_module
from netdsl.format.layout_lines import Line
from netdsl.format.token_groups import comments
from netdsl.syntax.parser import parse
from tests.support.commands import netdsl
from tests.support.strategies import networks
from tests.test_docs import LIBRARIES, blocks

SHIPPED = [START, *sorted(NETWORKS.rglob("*.net"))]
CASES = sorted((Path(__file__).parents[1] / "cases" / "fmt").glob("*.txt"))


def fmt(text: str) -> str:
    diagnostics = Diagnostics()
    result = formatted(Source("a.net", text), diagnostics)
    assert result is not None, [render(found) for found in diagnostics]
    return result


# --- the layout ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_networks_are_formatted(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert fmt(text) == text


@pytest.mark.parametrize("text", [*(text for _, text in blocks("net")), *LIBRARIES.values()])
def test_networks_of_the_pages_are_formatted(text: str) -> None:
    assert fmt(text) == text


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_cases_are_formatted_once_and_for_all(path: Path) -> None:
    result = path.read_text(encoding="utf-8").partition("=== output\n")[2]
    assert fmt(result) == result


def loosened(text: str, random: Random) -> str:
    """The text with other blanks and line breaks and with comments, wherever they may stand."""

    def comment() -> str:
        return f"#{random.choice(['', ' ', '# '])}c{random.randrange(1000)} {{ | , ( \" else  "

    def blanks(match: re.Match[str]) -> str:
        if match["kept"]:
            return match["kept"]
        if random.random() < 0.8:
            return match[0]
        if match["newline"]:
            return random.choice([f"  {comment()}\n", "\n\n\n", f"\n\t {comment()}\n", "\r\n   ", "\n\n"])
        if match["inside"]:
            breaks = ["\n", f"  {comment()}\n  ", "   ", f"\n\n{comment()}\n\n", "\n"]
            return match["inside"] + random.choice(breaks)
        return random.choice(["   ", "\t", " \t "])

    pattern = r'(?P<kept>"[^"\n]*"|#[^\n]*)|(?P<newline>\n)|(?P<inside>[(\[{|,])[ ]?|[ ]+'
    return re.sub(pattern, blanks, text)


def assert_sound(text: str) -> None:
    """Formatted once, the text stays as it is, and holds all comments; `formatted` itself compares trees."""
    once = fmt(text)
    assert fmt(once) == once
    assert comments(Source("n", once)) == comments(Source("n", text))
    assert not re.search(r"[ \t]$|\n\n\n|\t|\n\n\Z|\A\n", re.sub("#.*", "#", once), re.MULTILINE)


def parses(text: str) -> bool:
    diagnostics = Diagnostics()
    parse(Source("a.net", text), diagnostics)
    return not list(diagnostics)


@pytest.mark.parametrize("path", [*SHIPPED, *CASES], ids=lambda path: path.stem)
def test_loosened_networks_keep_meaning_and_comments(path: Path) -> None:
    text = path.read_text(encoding="utf-8").partition("=== output\n")[0]
    random = Random(path.stem)
    tried = [found for found in (loosened(text, random) for _ in range(6)) if parses(found)]
    for found in tried:
        assert_sound(found)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(networks(), st.randoms(use_true_random=False))
def test_random_networks_keep_meaning_and_comments(text: str, random: Random) -> None:
    assert_sound(text)
    if parses(other := loosened(text, random)):
        assert_sound(other)


def test_the_same_steps_have_one_layout() -> None:
    """The result does not depend on blanks that are not the author's choice."""
    loose = "stem{conv( 3 ,kernel = 3),bn}\nstages b( x=1 ){\nout    n\n  8 -1\n}\nlet a=-1+2*( 3-x )\n"
    tight = (
        "stem { conv(3, kernel=3), bn }\nstages b(x=1) {\n  out   n\n   8   -1\n}\nlet a = -1 + 2 * (3 - x)\n"
    )
    assert fmt(loose) == fmt(tight) == tight


LONG = "long" * 30


@pytest.mark.parametrize(
    "text",
    [
        "let a = " + "(" * 60 + "1" + ")" * 60,
        "stem { " + f"when {LONG} + f(1, 2) {{ " * 60 + "bn" + " }" * 61,
        "stem { " + f"conv({LONG}, " * 60 + "1" + ")" * 60 + " }",
        "stem { " + "add { | " * 60 + "bn" + " }" * 61,
        "let a = " + " + ".join(["f(1)"] * 1000),
        "stem { " + ", ".join(["conv(8, 3)"] * 800) + " }",
    ],
    ids=["brackets", "conditions", "arguments", "branches", "sum", "steps"],
)
def test_deep_and_long_files_are_formatted(text: str) -> None:
    """A choice that is made anew at each depth would never end here."""
    assert_sound(text + "\n")


def test_a_text_with_syntax_errors_is_not_formatted() -> None:
    diagnostics = Diagnostics()
    assert formatted(Source("a.net", "stem { conv(3 }\n"), diagnostics) is None
    assert [found.code for found in diagnostics] == ["NET102"]


def test_a_layout_that_changes_the_meaning_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in (Line(0, "classes 11", "# all"), Line(0, "classes 10")):
        monkeypatch.setattr("netdsl.format.lines", lambda items, wrong=wrong: [wrong])
        with pytest.raises(LayoutError):
            formatted(Source("a.net", "classes 10 # all\n"), Diagnostics())


def test_lines_are_as_long_as_may_be() -> None:
    step = "conv(16, 3)"
    for count in range(1, 30):
        lines = fmt("stem { " + ", ".join([step] * count) + " }\n").splitlines()
        assert max(map(len, lines)) <= layout_module.WIDTH
        assert sum(line.count(step) for line in lines) == count


# --- the command ---------------------------------------------------------------------------------

LOOSE = "network   a\ninput 3x8x8\nclasses 10\n\n\n\nlayers{flatten,linear( classes )}   # all\n"
TIDY = "network a\ninput 3x8x8\nclasses 10\n\nlayers { flatten, linear(classes) }    # all\n"


def run(*arguments: object, input: str | bytes | None = None) -> Result:
    return netdsl("fmt", *arguments, input=input)


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_files_and_folders_are_written_once() -> None:
    Path("nets").mkdir()
    for name in ("a.net", "nets/b.net", "nets/c.txt"):
        Path(name).write_text(LOOSE)
    result = run("a.net", "nets")
    assert (result.exit_code, result.output) == (0, f"wrote a.net\nwrote {Path('nets/b.net')}\n")
    assert Path("a.net").read_text() == Path("nets/b.net").read_text() == TIDY
    assert Path("nets/c.txt").read_text() == LOOSE
    assert run("a.net", "nets").output == "2 files are formatted\n"


def test_check_and_diff_write_nothing() -> None:
    Path("a.net").write_text(LOOSE)
    checked = run("a.net", "--check")
    assert checked.exit_code == 1
    assert "a.net is not formatted" in checked.output
    shown = run("a.net", "--diff")
    assert shown.exit_code == 0
    assert "-network   a\n+network a\n" in shown.output
    assert run("a.net", "--diff", "--check").exit_code == 1
    assert Path("a.net").read_text() == LOOSE
    Path("a.net").write_text(TIDY)
    assert run("a.net", "--check").exit_code == 0
    assert run("a.net", "--diff", "--check").output == "1 file is formatted\n"


def test_a_difference_shows_no_escape_sequences() -> None:
    Path("a.net").write_text("classes   10 # \x1b[31m\n")
    assert "\x1b" not in run("a.net", "--diff").output


def test_nothing_is_written_where_a_file_is_wrong() -> None:
    Path("a.net").write_text(LOOSE)
    Path("b.net").write_text("stem { conv(3 }\n")
    result = run("a.net", "b.net")
    assert result.exit_code == 1
    assert "error[NET102]" in result.output
    assert Path("a.net").read_text() == LOOSE
    assert run("missing.net").exit_code == 1


def test_names_may_be_wrong() -> None:
    Path("a.net").write_text("stem { cnov( 3 ) }\n")
    assert run("a.net").exit_code == 0
    assert Path("a.net").read_text() == "stem { cnov(3) }\n"


def test_standard_input_goes_to_standard_output() -> None:
    assert run("-", input=LOOSE).output == TIDY
    assert run("-", input=LOOSE.replace("\n", "\r\n")).output == TIDY
    assert (run("-", "--check", input=LOOSE).exit_code, run("-", "--check", input=TIDY).exit_code) == (1, 0)
    wrong = run("-", input="stem {\n")
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert "not UTF-8" in run("-", input=b"\xff").output
    assert run("-", "a.net").exit_code == 2


def test_line_ends_become_newlines() -> None:
    Path("a.net").write_bytes(b"\xef\xbb\xbf" + TIDY.replace("\n", "\r\n").encode())
    assert run("a.net", "--check").exit_code == 1
    assert "line endings" in run("a.net", "--diff").output
    run("a.net")
    assert Path("a.net").read_bytes() == TIDY.encode()


@pytest.mark.skipif(sys.platform == "win32", reason="file modes and links are those of POSIX")
def test_modes_and_links_stay() -> None:
    Path("a.net").write_text(LOOSE)
    Path("a.net").chmod(0o640)
    Path("b.net").symlink_to("a.net")
    run("b.net")
    assert Path("b.net").is_symlink()
    assert Path("a.net").read_text() == TIDY
    assert stat.S_IMODE(Path("a.net").stat().st_mode) == 0o640


def test_networks_that_come_with_netdsl_are_not_changed_by_name() -> None:
    result = run("resnet32")
    assert result.exit_code == 1
    assert "netdsl new my_resnet32 --from resnet32" in result.output


def test_a_mistake_in_the_layout_leaves_the_file_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.net").write_text(LOOSE)
    monkeypatch.setattr("netdsl.format.lines", lambda items: [])
    result = run("a.net")
    assert result.exit_code == 1
    assert "nothing was written" in result.output
    assert Path("a.net").read_text() == LOOSE


def test_a_result_beyond_the_limits_of_a_file_is_not_a_mistake_of_netdsl(tmp_path: Path) -> None:
    """Indentation makes a text longer: 100,000 characters become more."""
    deep = "\n".join("skip {" for _ in range(20)) + "\n" + "relu\n" * 15_000 + "}\n" * 20
    text = f"network n\ninput 3x8x8\nlayers {{\n{deep}}}\n"
    assert len(text) < 100_000
    file = tmp_path / "n.net"
    file.write_text(text)
    result = netdsl("fmt", file)
    assert result.exit_code == 1
    assert "formatted, " in result.output and "is longer than 100,000 characters" in result.output
    assert "bug" not in result.output and file.read_text() == text
