"""Errors on the command line: text for people, JSON and GitHub's commands for programs."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from netdsl.base.source import Source, Span
from netdsl.cli import main
from netdsl.commands.shared_report import SHOWN, Report
from netdsl.diagnostics import Diagnostic, Label
from netdsl.diagnostics.render_json import json_record, workflow_command
from tests.support.programs import run_program

GOOD = "network good\ninput 3x8x8\nclasses 2\nlayers { flatten, linear(classes) }\n"
BROKEN = "network broken\ninput 3x8x8\nlet n = 1\nlayers { conv(8), rleu(n) }\nlet n = 2\n"


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM"):
        monkeypatch.delenv(name, raising=False)
    Path("good.net").write_text(GOOD)
    Path("broken.net").write_text(BROKEN)


def netdsl(*arguments: str) -> Result:
    result = CliRunner().invoke(main, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def records(*arguments: str, status: int) -> list[dict[str, Any]]:
    result = netdsl(*arguments, "--format", "json")
    assert result.exit_code == status
    found: list[dict[str, Any]] = json.loads(result.stdout)
    for record in found:
        keys = "code slug severity file line column end_line end_column message help fixes related"
        assert list(record) == keys.split()
        for other in record["related"]:
            assert list(other) == ["file", "line", "column", "end_line", "end_column", "message"]
    return found


def test_json_of_several_files_is_one_array() -> None:
    Path("worse.net").write_text("network worse\n")
    found = records("check", "broken.net", "good.net", "worse.net", "missing.net", status=1)
    assert [record["file"] for record in found[:3]] == ["broken.net"] * 3
    assert {record["file"] for record in found[3:]} == {"worse.net", None}
    unreadable = found[-1]
    assert unreadable["code"] == "NET100"
    assert "missing.net" in unreadable["message"]
    assert unreadable["line"] is unreadable["end_column"] is None


def test_places_are_lines_and_columns_from_1() -> None:
    first, second, third = records("check", "broken.net", status=1)
    assert (first["line"], first["column"], first["end_line"], first["end_column"]) == (4, 10, 4, 17)
    assert first["message"] == "`conv` needs `kernel`"
    assert first["help"] == "write `conv(8, 3)`"
    assert (second["column"], second["severity"], second["help"]) == (19, "error", "did you mean `relu`?")
    assert third["related"] == [
        {"file": "broken.net", "line": 3, "column": 5, "end_line": 3, "end_column": 6,
         "message": "first defined here"}
    ]  # fmt: skip


def test_columns_count_code_points() -> None:
    source = Source("a.net", "x\r\n👍 e\u0301 bad\r\n")
    start = source.text.index("bad")
    record = json_record(Diagnostic("NET101", "wrong", (Label(Span(source, start, start + 3)),)))
    assert (record["line"], record["column"], record["end_column"]) == (2, 6, 9)


def test_labels_and_notes_are_in_the_message() -> None:
    Path("skip.net").write_text(
        "network s\ninput 3x8x8\nblock b(out) { skip { conv(out, 3) } }\nstage b(8)\n"
    )
    (found,) = records("check", "skip.net", status=1)
    assert found["code"] == "NET401"
    first, *notes = found["message"].split("\n")
    assert "3x8x8" in first and "8x8x8" in first
    assert any("stage 1" in note for note in notes)


def test_nothing_is_found_in_a_good_file() -> None:
    for command in ("check", "build"):
        assert records(command, "good.net", status=0) == []
        github = netdsl(command, "good.net", "--format", "github")
        assert (github.exit_code, github.stdout) == (0, "")


def test_what_was_wrong_on_the_command_line_has_no_file() -> None:
    found, *_ = [r for r in records("check", "good.net", "--set", "x=[", status=1) if r["code"] == "NET101"]
    assert found["file"] is None
    assert found["message"].startswith("--set x: ")


def test_build_says_what_it_wrote_elsewhere_than_in_the_json() -> None:
    result = netdsl("build", "good.net", "--format", "json")
    assert result.stdout == "[]\n"
    assert "wrote generated" in result.stderr
    assert records("build", "good.net", "broken.net", "-o", "none", status=1)
    assert not Path("none").exists()
    assert netdsl("build", "good.net", "--stdout", "--format", "json").exit_code == 2


def test_build_of_what_has_no_code_of_its_own() -> None:
    Path("again.net").write_text(GOOD)
    (clash,) = records("build", "good.net", "again.net", status=1)
    assert (clash["code"], clash["file"], clash["related"][0]["file"]) == ("NET202", "again.net", "good.net")
    Path("empty").mkdir()
    (found,) = records("build", "empty", status=1)
    assert (found["code"], found["message"]) == ("NET100", "there is no .net file in empty")
    (found,) = records("build", "std", status=1)
    assert found["code"] == "NET106"


def test_commands_of_github() -> None:
    lines = netdsl("check", "broken.net", "missing.net", "--format", "github").stdout.splitlines()
    assert lines[0].startswith(
        "::error file=broken.net,line=4,col=10,endLine=4,endColumn=17,title=NET301::`conv`"
    )
    assert "broken.net:3: first defined here" in lines[2]
    assert lines[3].startswith("::error title=NET100::missing.net can't be read")
    assert all(line.startswith("::error ") for line in lines)


def test_what_github_would_misread_is_escaped() -> None:
    source = Source("100%,a:b.net", "x")
    label = Label(Span(source, 0, 1), "50%: half\r")
    line = workflow_command(Diagnostic("NET701", "one,\ntwo", (label,), ("note",), "do"))
    assert line == (
        "::warning file=100%25%2Ca%3Ab.net,line=1,col=1,endLine=1,endColumn=2,title=NET701"
        "::one,%0Atwo: 50%25: half%0D%0Anote%0Ahelp: do"
    )


def test_text_ends_with_the_sum_and_the_way_to_an_explanation() -> None:
    result = netdsl("check", "broken.net", "good.net", "missing.net")
    assert result.stdout.startswith("good.net: ok")
    *_, blank, total, hint = result.stderr.splitlines()
    assert blank == ""
    assert total == "4 errors"
    assert hint.endswith("netdsl explain NET301")
    assert result.stderr.count("netdsl explain") == 1
    assert "\n\n\n" not in result.stderr
    assert netdsl("check", "good.net").stderr == ""


def test_warnings_alone_are_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()
    report.add([Diagnostic("NET701", "hm"), Diagnostic("NET702", "oh")])
    report.end()
    assert not report.failed
    assert capsys.readouterr().err == "warning[NET701]: hm\n\nwarning[NET702]: oh\n\n2 warnings\n"


def test_of_many_errors_some_are_shown() -> None:
    Path("many.net").write_text(BROKEN.replace("rleu(n)", ", ".join(["conv()"] * 80)))
    errors = len(records("check", "many.net", status=1))
    assert errors > 80
    text = netdsl("check", "many.net").stderr
    assert text.count("error[") == SHOWN
    assert f"… and {errors - SHOWN} more\n\n{errors} errors\n" in text


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [
        ({}, False),  # not a terminal
        ({"FORCE_COLOR": "1"}, True),
        ({"CLICOLOR_FORCE": "1"}, True),
        ({"CLICOLOR": "1"}, False),
        ({"FORCE_COLOR": "0"}, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": ""}, True),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, False),
    ],
)
def test_colours_are_those_that_the_environment_wishes(
    environment: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = netdsl("check", "broken.net").stderr
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ("\x1b[" in netdsl("check", "broken.net").stderr) == coloured
    assert ("\x1b[" in netdsl("explain", "NET401").stdout) == coloured
    assert "\x1b[" not in plain


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_in_a_terminal_errors_are_as_wide_as_it_is_and_coloured() -> None:
    import pty
    import termios

    here, there = pty.openpty()
    termios.tcsetwinsize(there, (24, 40))
    command = [sys.executable, "-m", "netdsl", "check", "broken.net"]
    done = run_program(command, {"TERM": "xterm"}, stderr=there)
    os.close(there)
    shown = os.read(here, 100_000).decode()
    os.close(here)
    assert done.returncode == 1
    assert "\x1b[31m\x1b[1merror[NET301]\x1b[0m" in shown
    lines = click.unstyle(shown).splitlines()
    assert max(len(line) for line in lines if "netdsl explain" not in line) <= 40
    assert any(line.startswith("    ") for line in lines), "the first message is too long for one line"
