"""The committed code in generated/, and what holds for all generated code."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import netdsl
from netdsl.base.resources import TABLES
from netdsl.compiler import STYLES, Style
from netdsl.syntax import parser_tables
from netdsl.syntax.net_files import shipped
from tests.support.programs import run_mypy, run_program
from tests.test_cases import CASES, read_case

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "generated"
NETWORKS = [name for name in shipped() if name != "std"]


def file_of(name: str, style: Style) -> Path:
    return GENERATED / (f"{name}.py" if style == "module" else f"{name}_{style}.py")


# A network whose sections save tensors may be no `nn.Sequential`.
STYLED = [
    (name, style)
    for name in NETWORKS
    for style in (netdsl.load(name).styles if "save " in shipped()[name].read_text() else STYLES)
]
FILES = [file_of(name, style) for name, style in STYLED]
EVERY_FILE = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def test_nothing_else_lies_in_generated() -> None:
    assert sorted(GENERATED.glob("*.py")) == sorted(FILES)


@pytest.mark.parametrize(("name", "style"), STYLED[::4])  # .ci/run compares all
def test_generated_files_are_current(name: str, style: Style) -> None:
    network = netdsl.load(name)
    assert network.name == name
    assert file_of(name, style).read_text(encoding="utf-8") == network.source(style)


@EVERY_FILE
def test_imports_are_torch_only(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported
    assert {name.split(".")[0] for name in imported} <= {"torch", "collections", "math"}


def test_runs_where_netdsl_cannot_be_imported(tmp_path: Path) -> None:
    script = (
        # Hidden, so that a netdsl installed beside torch isn't found either.
        "import importlib.util, pathlib, sys\n"
        "sys.modules['netdsl'] = None\n"
        "import torch\n"
        "for path, entry in zip(sys.argv[1::2], sys.argv[2::2]):\n"
        "    spec = importlib.util.spec_from_file_location(pathlib.Path(path).stem, path)\n"
        "    module = importlib.util.module_from_spec(spec)\n"
        "    spec.loader.exec_module(module)\n"
        "    x = torch.zeros(2, 3, 32, 32)\n"
        "    if hasattr(module, 'init_params'):\n"
        "        y = module.forward(x, module.init_params(), module.init_buffers())\n"
        "    else:\n"
        "        y = getattr(module, entry)()(x)\n"
        "    assert y.shape == (2, 10), y.shape\n"
    )
    network = netdsl.load("senet18")  # in whose styles a class or function is made for a part of a block
    arguments = [text for style in STYLES for text in (file_of(network.name, style), network.entry(style))]
    run_program([sys.executable, "-c", script, *arguments], {"PYTHONPATH": ""}, cwd=tmp_path, check=True)


def test_clean_under_ruff_and_mypy(tmp_path: Path, shared_folder: Path) -> None:
    """With ruff's defaults and mypy's strictest, whatever this project's own settings are.

    The files of generated/ are in the project's own run of mypy, which is as strict.
    """
    cases = []
    for path in sorted((CASES / "codegen").glob("*.txt")):
        cases.append(tmp_path / f"case_{path.stem}.py")
        cases[-1].write_text(read_case(path).expected, encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", *map(str, [*FILES, *cases])]
    done = run_program(ruff, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    done = run_mypy(cases, shared_folder)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("kind", ["residual", "bottleneck"])
def test_code_does_not_grow_with_depth(kind: str, style: Style) -> None:
    depths = (110, 1001 if kind == "bottleneck" else 1202)
    short, long = (netdsl.load("preresnet", depth=depth, kind=kind).source(style) for depth in depths)
    assert len(long.splitlines()) <= 1.2 * len(short.splitlines())


def test_output_does_not_depend_on_the_hash_seed() -> None:
    script = (
        "import hashlib, netdsl\n"
        "codes = [netdsl.load(n).source(s) for n in ('preresnet', 'convnet') for s in "
        "('module', 'functional', 'sequential')]\n"
        "print(hashlib.sha256(''.join(codes).encode()).hexdigest())\n"
    )
    digests = {
        run_program([sys.executable, "-c", script], {"PYTHONHASHSEED": seed}, check=True).stdout
        for seed in ("0", "1", "2")
    }
    assert len(digests) == 1


def test_the_parsers_tables_are_current() -> None:
    assert TABLES.read_text() == parser_tables.tables(), "run `python -m netdsl.syntax.parser_tables`"
