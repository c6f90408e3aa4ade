"""Files of a run that are damaged, made by hand, or no files: each command answers with one error."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netdsl.runtime import checkpoint
from netdsl.runtime.checkpoint import Checkpoint
from netdsl.runtime.run_files import CHECKPOINT
from tests.support.commands import netdsl

JSON = ("run.json", "how.json", "report.json", "metrics.jsonl")
HOSTILE: dict[str, bytes] = {
    "deep": b"[" * 100_000,
    "deep object": b'{"epoch": ' + b'{"a": ' * 40 + b"1" + b"}" * 41,
    "large": b'{"epoch": 1' + b"0" * 400 + b"}",
    "larger": b'{"epoch": 1' + b"0" * 9000 + b"}",
    "infinite": b'{"seconds": 1e400}',
    "NaN": b'{"test_accuracy": NaN}',
    "list": b"[]",
    "bytes": b"\xff\xfe",
    "nothing": b"",
    "surrogate": b'{"style": "\\ud800"}',
    "a path": b'{"style": "module", "settings": {}, "overrides": {"data": "folder(\\ud800)"}}',
}


def commands(run: Path, place: Path) -> list[tuple[object, ...]]:
    return [
        ("train", "--resume", run, "--epochs", 2),
        ("eval", run),
        ("predict", run, place / "0.png"),
        ("compare", run),
        ("plot", run, "-o", place / "plot.png"),
        ("reproduce", run, "--run", place / "again"),
        ("saliency", run, "test:0", "-o", place / "maps.png"),
    ]


@pytest.fixture
def run(trained: Path, pictures: Path, tmp_path: Path) -> Path:
    shutil.copy(pictures / "0.png", tmp_path)
    shutil.copytree(trained / "module", tmp_path / "run")
    return tmp_path / "run"


def test_a_checkpoint_of_an_earlier_version(run: Path) -> None:
    """It has a checksum of another kind, but isn't called damaged."""
    path = run / CHECKPOINT
    content = path.read_bytes()
    assert content.count(b'"format":"netdsl checkpoint 2"') == 1
    path.write_bytes(content.replace(b'"format":"netdsl checkpoint 2"', b'"format":"netdsl checkpoint 1"'))
    for command in (("train", "--resume", run), ("reproduce", run)):
        result = netdsl(*command)
        assert result.exit_code == 1 and "was written by netdsl 0.4 or before" in result.output


def refused_somewhere(run: Path, name: str) -> None:
    """Each command succeeds or has one error; at least one names the file."""
    results = [netdsl(*arguments) for arguments in commands(run, run.parent)[1:5]]
    for result in results:
        assert result.exit_code == 0 or result.output.count("error") == 1, result.output
    if name != "how.json":  # Only a hint.
        assert any(result.exit_code and name in result.output for result in results), name


@pytest.mark.parametrize("name", JSON)
def test_hostile_json(name: str, run: Path) -> None:
    for content in HOSTILE.values():
        (run / name).write_bytes(content)
        refused_somewhere(run, name)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices")
@pytest.mark.parametrize(
    "name", [*JSON, "network.net", "best.safetensors", "last.safetensors", CHECKPOINT, ".lock"]
)
def test_a_pipe_in_the_place_of_a_file(name: str, run: Path) -> None:
    (run / name).unlink(missing_ok=True)
    os.mkfifo(run / name)
    for arguments in commands(run, run.parent):
        result = netdsl(*arguments)
        assert result.exit_code == 0 or result.output.count("error") == 1, (arguments, result.output)
    (run / name).unlink()
    (run / name).symlink_to("/dev/zero")
    for arguments in commands(run, run.parent)[:3]:
        result = netdsl(*arguments)
        assert result.exit_code == 0 or result.output.count("error") == 1, (arguments, result.output)


def changed(*path: str, to: Any) -> Callable[[Any], None]:
    def change(facts: Any) -> None:
        for key in path[:-1]:
            facts = facts[key]
        facts[path[-1]] = to

    return change


FACTS = {
    "no images": changed("images", to=0),
    "no seconds": changed("training", to=0),
    "many images": changed("images", to=10**30),
    "negative": changed("position", "seen", to=-1),
    "other images": changed("position", "of_images", to=0),
    "no recipe": changed("record", "recipe", to={}),
    "an optimizer of nothing": changed("record", "recipe", "optimizer", to={}),
    "an optimizer of text": changed("record", "recipe", "optimizer", to={"sgd": "x"}),
    "data of numbers": changed("record", "overrides", "epochs", to="0"),
    "escapes": changed("record", "overrides", "data", to='folder("\u001b[31m\\u0000")'),
    "surrogates": changed("record", "text", to="network \ud800"),
    "another style": changed("record", "style", to="exec"),
    "no rows": changed("rows", to=[]),
    "a nested change": changed("record", "changes", to=[["x"]]),
    "no processes": changed("how", "processes", to="many"),
    "threads": changed("how", "threads", to={"a": [1]}),
}


@pytest.mark.parametrize("name", FACTS)
def test_facts_made_by_hand(name: str, run: Path) -> None:
    found = Checkpoint.read(run / CHECKPOINT)
    facts = json.loads(json.dumps(found.facts))
    FACTS[name](facts)
    Checkpoint(found.tensors, facts).write(run / CHECKPOINT)
    before = {path: path.read_bytes() for path in run.iterdir() if path.is_file()}
    result = netdsl("train", "--resume", run, "--epochs", 2)
    if result.exit_code:
        assert result.output.count("error") >= 1 and "\x1b" not in result.output
        assert before == {path: path.read_bytes() for path in before}
    netdsl("reproduce", run, "--run", run.parent / "again")


def test_a_tensor_of_another_name_loses_no_file(run: Path) -> None:
    """As in a file whose checksum was made for it."""
    found = Checkpoint.read(run / CHECKPOINT)
    name = next(name for name in found.tensors if name.startswith("best."))
    tensors = {each + "x" * (each == name): tensor for each, tensor in found.tensors.items()}
    Checkpoint(tensors, found.facts).write(run / CHECKPOINT)
    best = (run / "best.safetensors").read_bytes()
    for arguments in (("--epochs", 2), ()):
        (run / "report.json").unlink(missing_ok=True)
        result = netdsl("train", "--resume", run, *arguments)
        assert result.exit_code == 1 and "the weights have no `" in result.output
        assert (run / "best.safetensors").read_bytes() == best
    assert checkpoint.read(run / "best.safetensors")


def test_a_run_is_named_by_a_dot(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run)
    assert netdsl("reproduce", ".").exit_code == 0
    assert (run.parent / "run-again" / "report.json").exists()
