"""The files at the top of the repository agree with the package, and its types are visible to users."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

import netdsl
from netdsl.cli import main
from tests.support.programs import ROOT, run_mypy

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

RIGHT = """\
import torch

import netdsl

network = netdsl.load("preresnet", depth=20, kind="residual")
reveal_type(network.parameters_count)
reveal_type(network.output_shape)
reveal_type(network.module())
init_params, forward = network.functional()
reveal_type(forward(torch.zeros(1, 3, 32, 32), init_params()))
try:
    netdsl.load("mine.net")
except netdsl.NetworkError as error:
    for diagnostic in error.diagnostics:
        reveal_type(diagnostic.code)
"""
WRONG = """\
import netdsl

network = netdsl.load(3)
print(network.parameters_count + "x")
"""


def test_a_user_sees_the_types(tmp_path: Path, shared_folder: Path) -> None:
    """The package is found as an installed one is, by `py.typed`: mypy shows no errors of its own."""
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text(WRONG)
    done = run_mypy([tmp_path / "right.py", tmp_path / "wrong.py"], shared_folder)
    revealed = re.findall(r'right.py.* note: Revealed type is "(.*)"', done.stdout)
    assert [re.sub(r"(\w+\.)+", "", kind) for kind in revealed] == [
        "int",
        "tuple[int, ...]",
        "Module",
        "Tensor",
        "str",
    ]
    errors = re.findall(r"^(\w+.py:\d+): error: .* \[(.*)\]$", done.stdout, re.MULTILINE)
    assert errors == [("wrong.py:3", "arg-type"), ("wrong.py:4", "operator")]


def test_hooks_of_pre_commit_call_commands() -> None:
    hooks = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    entries = re.findall(r"^  entry: netdsl (\S+)$", hooks, re.MULTILINE)
    assert entries == ["check", "fmt"]
    assert set(entries) <= set(main.commands)
    (pattern,) = set(re.findall(r"^  files: (\S+)$", hooks, re.MULTILINE))
    assert re.search(pattern, "networks/resnet32.net") and not re.search(pattern, "resnet32.net.py")


def test_the_citation_is_of_this_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {netdsl.__version__}\n" in citation
    assert f"\nlicense: {PROJECT['license']}\n" in citation


def test_changelog_and_upgrade_notes_are_of_this_version() -> None:
    """A version with `.dev0` has a section of the changelog that is not released yet."""
    release, dev, _ = netdsl.__version__.partition(".dev")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first = re.search(r"^## (\S+) \((.*)\)$", changelog, re.MULTILINE)
    assert first and first[1] == release
    assert first[2] == "unreleased" if dev else re.fullmatch(r"\d{4}-\d{2}-\d{2}", first[2])
    upgrading = (ROOT / "docs/upgrading.md").read_text(encoding="utf-8")
    assert dev or re.search(
        rf"^## From \S+ to {re.escape(release.removesuffix('.0'))}$", upgrading, re.MULTILINE
    )


def test_the_vs_code_extension_is_of_this_version() -> None:
    """VS Code allows no `.dev0`."""
    release = netdsl.__version__.partition(".dev")[0]
    package = json.loads((ROOT / "editors/vscode/package.json").read_text(encoding="utf-8"))
    assert package["version"] == release
    assert f"netdsl-{release}.vsix" in (ROOT / "editors/vscode/README.md").read_text(encoding="utf-8")


def test_extras_of_users_are_all_in_all() -> None:
    extras = PROJECT["optional-dependencies"]
    for_development = {"browser", "dev", "docs"}
    names = ",".join(sorted(set(extras) - for_development - {"all"}))
    assert extras["all"] == [f"netdsl[{names}]"]


@pytest.mark.parametrize("page", sorted(path.name for path in ROOT.glob("*.md")))
def test_links_lead_to_files_of_the_source_distribution(page: str) -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    included = {path for pattern in build["targets"]["sdist"]["include"] for path in ROOT.glob(pattern[1:])}
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / page).read_text(encoding="utf-8")):
        target = ROOT / link
        assert target.exists(), link
        assert included & {target, *target.parents}, link


def test_docstrings_say_what_a_thing_is() -> None:
    """CONTRIBUTING.md: the first line names the thing, or what it does."""
    starts = re.compile(r'"""(What|Whether|How|Where|Which|So|That) .*')
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for folder in ("netdsl", "templates")
        for path in (ROOT / folder).rglob("*.py")
        for match in starts.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []
