"""`netdsl check --fix`: what it changes, what it leaves as it is, and what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import netdsl

WRONG = """\
network wrong  # kept
input 3x32x32
classes 10
let unused = 3
stem { cnov(16, 3), relu }
head { global_avgpool, flaten, linear(classes) }
train { schedul cosine }
"""
RIGHT = """\
network wrong  # kept
input 3x32x32
classes 10
stem { conv(16, 3), relu }
head { global_avgpool, flatten, linear(classes) }
train { schedule cosine }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "wrong.net"
    path.write_bytes(WRONG.encode())
    return path


def test_safe_fixes_are_applied_until_none_is_left(file: Path) -> None:
    result = netdsl("check", file, "--fix")
    assert result.exit_code == 0
    assert file.read_text() == RIGHT
    assert "fixed 4 of 4" in result.stderr and f"wrote {file}" in result.stdout
    assert "nothing to fix" in netdsl("check", file, "--fix").stderr


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_line_ends_and_byte_order_mark_stay(file: Path, mark: bytes, newline: str) -> None:
    file.write_bytes(mark + WRONG.replace("\n", newline).encode())
    netdsl("check", file, "--fix")
    assert file.read_bytes() == mark + RIGHT.replace("\n", newline).encode()


def test_diff_writes_nothing(file: Path) -> None:
    result = netdsl("check", file, "--diff")
    assert result.exit_code == 1
    assert file.read_text() == WRONG
    assert "-stem { cnov(16, 3), relu }\n" in result.stdout
    assert "+stem { conv(16, 3), relu }\n" in result.stdout
    assert "would fix 4 of 4" in result.stderr


def test_unsafe_fixes_only_where_they_are_asked_for(file: Path) -> None:
    text = RIGHT.replace("train", "expect params < 5\ntrain")
    file.write_text(text)
    assert "fixed 0 of 1" in netdsl("check", file, "--fix").stderr
    assert file.read_text() == text
    assert "fixed 1 of 1" in netdsl("check", file, "--fix", "--unsafe").stderr
    assert file.read_text() == text.replace("params < 5", "params <= 618")


def test_the_rest_is_reported(file: Path) -> None:
    file.write_text(WRONG.replace("relu", "wavelet"))
    result = netdsl("check", file, "--fix", "--format", "json")
    assert [found["slug"] for found in json.loads(result.stdout)] == ["undefined-operation"]
    assert "cnov" not in file.read_text()


def test_shipped_networks_are_not_changed() -> None:
    assert "comes with netdsl" in netdsl("check", "resnet32", "--fix").stderr


def test_a_write_protected_file_is_an_error(file: Path) -> None:
    file.chmod(0o444)
    if file.stat().st_uid != 0:
        assert "can't be written" in netdsl("check", file, "--fix").stderr


# --- SARIF ---------------------------------------------------------------------------------------


def region(found: dict[str, Any]) -> tuple[int, int, int, int]:
    assert set(found) == {"startLine", "startColumn", "endLine", "endColumn"}
    assert all(isinstance(number, int) and number >= 1 for number in found.values())
    return found["startLine"], found["startColumn"], found["endLine"], found["endColumn"]


def test_sarif_has_the_structure_of_the_standard(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sections 3.13 (log), 3.14 (run), 3.19 (driver), 3.27 (result), 3.55 (fix) of SARIF 2.1.0."""
    monkeypatch.chdir(file.parent)
    log = json.loads(netdsl("check", "wrong.net", "--format", "sarif").stdout)
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "netdsl" and run["columnKind"] == "unicodeCodePoints"
    assert all(rule["defaultConfiguration"]["level"] in ("error", "warning") for rule in driver["rules"])
    identifiers = [rule["id"] for rule in driver["rules"]]
    assert len(set(identifiers)) == len(identifiers)
    assert len(run["results"]) == 3
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] == "error" and result["message"]["text"]
        for location in result["locations"]:
            assert location["physicalLocation"]["artifactLocation"] == {"uri": "wrong.net"}
            region(location["physicalLocation"]["region"])
    (fix,) = run["results"][0]["fixes"]
    assert fix["description"] == {"text": "did you mean `conv`?"}
    (change,) = fix["artifactChanges"]
    assert change["artifactLocation"] == {"uri": "wrong.net"}
    (replacement,) = change["replacements"]
    assert region(replacement["deletedRegion"]) == (5, 8, 5, 12)
    assert replacement["insertedContent"] == {"text": "conv"}
