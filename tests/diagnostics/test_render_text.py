"""Rendering of diagnostics: carets below their text, for any text and terminal."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from netdsl.base.source import Source, Span
from netdsl.diagnostics import Diagnostic, Label
from netdsl.diagnostics.render_text import Role, render


def label(source: Source, marked: str, text: str = "") -> Label:
    start = source.text.index(marked)
    return Label(Span(source, start, start + len(marked)), text)


def shown(text: str, *marks: tuple[str, str], width: int | None = None) -> str:
    """The excerpt for labels on these pieces of a text."""
    source = Source("a.net", text)
    diagnostic = Diagnostic("NET201", "wrong", tuple(label(source, *mark) for mark in marks))
    return "\n".join(render(diagnostic, width).splitlines()[3:])


@pytest.mark.parametrize(
    "text",
    [
        "let x = 你好 + bad",
        "let x = ｗｉｄｅ, é, ﬀ bad",
        "let é = bad  # combining",
        "let x = '👍 🇩🇪 ❤️' bad 世界",
        "\tlet\tx = bad\t# tabs",
        "let \x1b[31m\x07\u202e\u200b\u00a0 bad",
    ],
)
def test_carets_stand_below_their_text(text: str) -> None:
    line, carets = shown(text, ("bad", "")).splitlines()
    before = line[: line.index("bad")]
    assert cell_len(before) == cell_len(carets[: carets.index("^")])
    assert carets.endswith(" ^^^")


def test_wide_characters_have_wide_carets() -> None:
    assert shown("a 你好 b", ("你好", "here")) == "1 | a 你好 b\n  |   ^^^^ here"


def test_nothing_that_a_terminal_obeys_is_shown() -> None:
    source = Source("a\x1b.net", "x\x1b[2J\u202e y")
    diagnostic = Diagnostic("NET201", "not \x07 known\n", (label(source, "y", "\x9b1m"),), ("\r",), "\x00")
    text = render(diagnostic)
    assert all(char.isprintable() or char == "\n" for char in text)
    assert text.startswith("error[NET201]: not \\x07 known\\n\n --> a\\x1b.net:1:8\n")


def test_labels_of_one_line_stand_below_it_together() -> None:
    text = shown("aaa bbb ccc ddd", ("bbb", "second"), ("aaa", "first"), ("ccc", ""), ("ddd", "last"))
    assert text == "\n".join(
        [
            "1 | aaa bbb ccc ddd",
            "  | --- ^^^ --- --- last",
            "  | |   |",
            "  | |   second",
            "  | first",
        ]
    )


def test_a_mark_inside_another_stays_visible() -> None:
    assert "----^^^----" in shown("aaa bbb ccc", ("bbb", ""), ("aaa bbb ccc", ""))
    assert "^^^^---^^^^" in shown("aaa bbb ccc", ("aaa bbb ccc", ""), ("bbb", ""))


def test_lines_between_labels() -> None:
    """One is shown, of more there are dots."""
    assert shown("one\ntwo\nthree", ("three", ""), ("one", "here")).splitlines() == [
        "1 | one",
        "  | --- here",
        "2 | two",
        "3 | three",
        "  | ^^^^^",
    ]
    assert shown("1\n2\n3\nlast", ("last", ""), ("1", "")).splitlines()[2] == "..."


def test_of_several_lines_the_first_is_shown() -> None:
    assert shown("stem {\n  relu\n}", ("stem {\n  relu\n}", "here")) == "1 | stem {\n  | ^^^^^^… here"
    assert shown("a = 3\nb", ("\n", "the line ends")) == "1 | a = 3\n  |      ^ the line ends"


def test_labels_in_several_files() -> None:
    main, used = Source("main.net", 'use "b.net"'), Source("lib/b.net", "\n" * 9 + "network b")
    diagnostic = Diagnostic("NET106", "no library", (label(main, "use"), label(used, "network", "this")))
    assert render(diagnostic).splitlines()[1:] == [
        "  --> main.net:1:1",
        "   |",
        ' 1 | use "b.net"',
        "   | ^^^",
        "  ::: lib/b.net:10:1",
        "   |",
        "10 | network b",
        "   | ------- this",
    ]


LONG = " ".join(f"word{number:03}" for number in range(60))


@pytest.mark.parametrize("width", [30, 40, 61, 80, 120])
@pytest.mark.parametrize("text", [LONG, "x" * 500 + " 你好" * 9 + " word030 " + "好" * 300])
def test_no_line_is_wider_than_the_terminal(text: str, width: int) -> None:
    source = Source("a.net", text)
    labels = (label(source, "word030", "here is what went wrong, in a few words"),)
    help = "add `shortcut { conv(out, 1, stride) }`, or write `skip if same { … }`"
    lines = render(Diagnostic("NET401", "what is wrong " * 9, labels, ("a note " * 20,), help), width).split(
        "\n"
    )
    assert max(map(cell_len, lines)) <= width
    excerpt = next(line for line in lines if "word030" in line)
    carets = next(line for line in lines if "^" in line)
    assert cell_len(excerpt[: excerpt.index("word030")]) == carets.index("^")
    assert "…" in excerpt


STRANGE = st.text(
    st.sampled_from([*"ab (),\n\n\t\r你é\u0301👍🏽\u200d\ufe0f❤🇩🇪\x1b\x00\u202e\ud800"]), max_size=120
)


@settings(max_examples=60, deadline=None)
@given(STRANGE, st.lists(st.tuples(st.integers(0, 120), st.integers(0, 120)), min_size=1, max_size=4))
def test_whatever_the_text_all_is_printable_and_fits(text: str, places: list[tuple[int, int]]) -> None:
    source = Source("a.net", text)
    spans = [Span(source, *sorted(min(offset, len(text)) for offset in place)) for place in places]
    diagnostic = Diagnostic("NET101", "wrong", tuple(Label(span, "some words 你好") for span in spans))
    for width in (None, 30, 47, 160):
        lines = render(diagnostic, width).split("\n")
        assert all(map(str.isprintable, lines))
        assert width is None or max(map(cell_len, lines)) <= width
        assert sum("some words" in line for line in lines) == len(set(diagnostic.labels))


def test_far_places_of_a_long_line_have_excerpts_of_their_own() -> None:
    text = shown(LONG, ("word050", "here"), ("word001", "and there"), width=60)
    first, _, second, _ = text.splitlines()
    assert "word001" in first and "word050" not in first
    assert "word050" in second and second.startswith("1 | …")


def test_further_lines_hang_below_the_first_word() -> None:
    lines = render(Diagnostic("NET601", "one " * 12, help="two " * 12), 40).splitlines()
    assert [line[:4] for line in lines[:2]] == ["erro", "    "]
    assert lines[2].startswith("  = help: two")
    assert lines[3].startswith(" " * len("  = help: ") + "two")


def test_colours_change_nothing_but_colours() -> None:
    source = Source("a.net", f"conv(8, 3) {LONG}")
    labels = (label(source, "8", "here"), label(source, "conv", "of this"), label(source, "word059", "far"))
    diagnostic = Diagnostic("NET704", "wrong", labels, ("a note",), "a help")
    seen: dict[Role, list[str]] = {}

    def painted(text: str, role: Role) -> str:
        seen.setdefault(role, []).append(text)
        return f"\x1b[{role}m{text}\x1b[0m"

    for width in (None, 50):
        text = render(diagnostic, width, painted)
        for role in seen:
            text = text.replace(f"\x1b[{role}m", "")
        assert text.replace("\x1b[0m", "") == render(diagnostic, width)
    assert "error" not in seen
    assert {"warning[NET704]", "^", "here"} <= set(seen["warning"])
    assert {"----", "of this", "|"} <= set(seen["related"])
