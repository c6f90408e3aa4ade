"""Paths that lead nowhere: each command answers with one error."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.support.commands import netdsl
from tests.support.programs import run_program

# Commands; `{}` is the path. `RUN` and `0.png` exist.
COMMANDS = """\
attack {} 0.png -o o.png
attack RUN {} -o o.png
build {} -o g
check {}
compare {}
diff small.net small.net --weights {}
diff {} small.net
dream {} -o o.png
eval {}
eval RUN --data folder:{}
export {} --onnx o.onnx
features {} -o f
features RUN {} -o f
fmt {}
graph {} -o o.svg
import-weights small.net --from {} -o o.safetensors
import-weights {} --from w.safetensors -o o.safetensors
plot {} -o o.png
predict {} 0.png
predict RUN {}
reproduce {}
robustness {}
robustness {} RUN
saliency {} 0.png -o o.png
saliency RUN {} -o o.png
style 0.png 0.png -o o.png --network small.net --weights {}
style 0.png 0.png -o o.png --run {}
style 0.png {} -o o.png --run RUN
style {} 0.png -o o.png --run RUN
summary {}
train --resume {}
train small.net --data folder:{}
train {}
"""


@pytest.fixture
def here(trained: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.symlink("loop", "loop")
    Path("small.net").write_text((trained / "small.net").read_text())
    os.symlink(pictures / "0.png", "0.png")


@pytest.mark.usefixtures("here")
@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.parametrize("path", ["loop", "small.net/\n\x1b[31m" + "x" * 300])
def test_paths_that_lead_nowhere(path: str, trained: Path) -> None:
    for line in COMMANDS.splitlines():
        words = [word.replace("RUN", str(trained / "module")) for word in line.split()]
        result = netdsl(*(word.replace("{}", path) for word in words))
        assert result.exit_code in (1, 2), line
        told = [part for part in ("rror: ", "error[", "no such file") if part in result.output]
        assert told and "\x1b" not in result.output, f"{line}: {result.output}"


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use can't be removed there")
def test_the_current_folder_was_removed(tmp_path: Path) -> None:
    """Torch would end the process with a message of its own."""
    (tmp_path / "gone").mkdir()
    remove = (
        "import os, sys; os.rmdir(os.getcwd()); from netdsl.cli import run; sys.argv[0] = 'netdsl'; run()"
    )
    done = run_program([sys.executable, "-c", remove, "eval", "run"], cwd=tmp_path / "gone")
    assert done.returncode == 1 and done.stderr.startswith("error: the current folder was removed")


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("WORLD_SIZE", "abc", "error: the environment variable WORLD_SIZE is `abc`, which is not a number"),
        ("COLUMNS", "0", "test accuracy"),
        ("NETDSL_CACHE", "~nobody-of-this-name/cache", "test accuracy"),
    ],
)
def test_odd_environment_variables(
    name: str, value: str, message: str, colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are no traceback, and none silences a training."""
    monkeypatch.setenv(name, value)
    result = netdsl("train", "two.net", "--data", "folder:images", "--batch", "8", "--epochs", "1")
    assert message in result.output
