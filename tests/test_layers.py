"""Who may import whom (docs/architecture), and what no command may import before it needs it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "netdsl"
HEAVY = {"torch", "torchvision", "jinja2", "black", "numpy", "matplotlib", "rich", "PIL"}
HEAVY |= {"pygments", "pygls", "lsprotocol"}

# From left to right: a module imports those of its own layer and of the layers before it.
LAYERS = [
    {"base"},
    {"diagnostics"},
    {"language"},
    {"ops", "runtime"},
    {"other_frameworks"},
    {"syntax"},
    {"ir"},
    {"resolve", "shapes", "lint", "lower", "format", "pygments_lexer"},
    {"codegen"},
    {"compiler"},
    {"api", "errors", "graph", "summary"},
    {"lsp"},
    {"trained"},
    {"inspect"},
    {"training"},
    {"commands"},
    {"cli"},
    {"__init__", "__main__"},
]
RUNTIME_USERS = {"trained", "inspect", "training", "commands", "__init__"}
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "runtime" not in path.parts)


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0
            yield from (
                [f"netdsl.{alias.name}" for alias in node.names] if node.module == "netdsl" else [node.module]
            )


def at_import(tree: ast.Module) -> Iterator[str]:
    """What the import of a module imports: not what stands in functions or under TYPE_CHECKING."""
    for statement in tree.body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            yield from imports(ast.Module([statement], []))
        elif isinstance(statement, ast.ClassDef):
            yield from at_import(ast.Module(statement.body, []))


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_layers(path: Path) -> None:
    own = layer_of(path)
    assert own in RANK, f"give {own} a place in LAYERS"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for name in imports(tree):
        package, _, rest = name.partition(".")
        if package == "netdsl" and rest:
            other = rest.split(".")[0]
            if other == "runtime":
                assert own in RUNTIME_USERS, f"{own} imports the runtime"
            elif other.startswith("__"):
                assert RANK[own] > RANK["compiler"]
            else:
                assert RANK[other] <= RANK[own], f"{own} imports {other}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_heavy_is_imported_at_the_start(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    heavy = {name for name in at_import(tree) if name.split(".")[0] in HEAVY}
    # `training` trains, `trained` and `inspect` use what was trained; their importers import them late. The
    # lexer is Pygments' own to import, the server that of its command.
    assert not heavy or layer_of(path) in {
        "trained",
        "inspect",
        "training",
        "pygments_lexer",
        "lsp",
    }


# What the runtime may know of netdsl: data without behaviour, and itself.
RUNTIME_KNOWS = {"runtime", "language", "base"}


@pytest.mark.parametrize("path", sorted((PACKAGE / "runtime").glob("*.py")), ids=lambda path: path.stem)
def test_the_runtime_knows_no_compiler(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for name in imports(tree):
        package, _, rest = name.partition(".")
        if package == "netdsl":
            assert rest.split(".")[0] in RUNTIME_KNOWS, f"{path.stem} imports {name}"


@pytest.mark.parametrize(
    "arguments, heavy",
    [
        (["--help"], HEAVY | {"lark"}),
        (["check", "resnet32", "preresnet", "convnet"], HEAVY),
        (["summary", "resnet32", "--format", "json"], HEAVY),
        (["summary", "resnet32"], HEAVY - {"rich"}),
        (["train", "--help"], HEAVY | {"lark"}),
        (["graph", "--help"], HEAVY | {"lark"}),
        (["build", "resnet32", "--stdout"], HEAVY - {"black", "jinja2"}),
    ],
)
def test_commands_import_only_what_they_need(arguments: list[str], heavy: set[str]) -> None:
    script = (
        "import sys\nfrom netdsl.cli import main\n"
        f"try:\n    main({arguments!r})\n"
        "except SystemExit as end:\n    assert end.code in (0, None), end.code\n"
        "print('LOADED', *{name.split('.')[0] for name in sys.modules}, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=PACKAGE.parent, check=True
    )
    loaded = set(done.stderr.partition("LOADED ")[2].split())
    assert "netdsl" in loaded
    assert not loaded & heavy
