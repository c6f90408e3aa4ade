"""An installed wheel works without the repository."""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.programs import ROOT, run_program


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's files, as an installer lays them out."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
    ]
    run_program([*command, str(ROOT)], check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def netdsl(site: Path, cwd: Path, *arguments: str) -> str:
    """Runs the wheel's netdsl from a folder that isn't the repository."""
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from netdsl.cli import main; main()"
    environment = {"NETDSL_CACHE": str(cwd / "cache"), "PYTHONPATH": ""}
    command = [sys.executable, "-P", "-c", code, str(site), *arguments]
    return run_program(command, environment, check=True, cwd=cwd).stdout


def test_everything_travels_in_the_wheel(installed: Path) -> None:
    package = installed / "netdsl"
    for name in (
        "grammar/netdsl.lark",
        "grammar/netdsl.tables.json",
        "networks/std.net",
        "networks/blocks/dense.net",
        "networks/lessons/batch_norm.net",
        "data/digits.npz",
        "errors/NET401.md",
        "py.typed",
    ):
        assert (package / name).is_file(), name
    assert {path.name for path in (package / "templates").iterdir()} == {
        path.name for path in (ROOT / "templates").iterdir()
    }
    # Nothing else of the repository: an installed `tests` or `generated` would be in everybody's way.
    assert {path.name.split("-")[0] for path in installed.iterdir()} == {"netdsl"}


def test_the_description_leads_nowhere_in_the_repository(installed: Path) -> None:
    (metadata,) = installed.glob("netdsl-*.dist-info/METADATA")
    text = metadata.read_text(encoding="utf-8").partition("\n\n")[2]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^## .*$", text, re.MULTILINE) == re.findall(r"^## .*$", readme, re.MULTILINE)
    assert [link for link in re.findall(r"\]\(([^)]*)\)", text) if "://" not in link] == []


def test_check_build_and_train(installed: Path, tmp_path: Path) -> None:
    assert "118,074 parameters" in netdsl(installed, tmp_path, "check", "resnet32")
    netdsl(installed, tmp_path, "build", "resnet32", "--style", "all")
    for name in ("resnet32.py", "resnet32_functional.py", "resnet32_sequential.py"):
        assert (tmp_path / "generated" / name).read_text() == (ROOT / "generated" / name).read_text()
    (tmp_path / "tiny.net").write_text(
        "network tiny\ninput 3x8x8\nclasses 10\nlayers { flatten, linear(classes) }\n"
    )
    shown = netdsl(installed, tmp_path, "train", "tiny.net", "--data", "digits", "--epochs", "2")
    assert "test accuracy" in shown
    assert (tmp_path / "runs" / "tiny" / "best.safetensors").is_file()
    assert "test accuracy" in netdsl(installed, tmp_path, "eval", "runs/tiny")


def test_a_build_gives_the_same_bytes_again(tmp_path: Path) -> None:
    """With the same sources, whenever it is built: the dates in the archives are fixed."""
    program = (
        "import sys; from hatchling import build;"
        "print(build.build_wheel(sys.argv[1])); print(build.build_sdist(sys.argv[1]))"
    )
    builds = [tmp_path / "first", tmp_path / "second"]
    for folder in builds:
        folder.mkdir()
        run_program([sys.executable, "-c", program, folder], check=True, cwd=ROOT)
    first, second = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in builds)
    assert len(first) == 2
    assert first == second
