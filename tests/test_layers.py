"""Who may import whom (the rooms of netdsl), and what no command may import before it needs it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.support.programs import run_program

PACKAGE = Path(__file__).parent.parent / "netdsl"
HEAVY = {"torch", "torchvision", "jinja2", "black", "numpy", "matplotlib", "rich", "PIL"}
HEAVY |= {"pygments", "pygls", "lsprotocol"}

# From the top to the bottom: a room imports rooms below it only. Later imports, those of functions and those
# for types alone count like the others.
ORDER = """
    __main__ cli commands
    __init__ api
    playground lsp inspect training trained errors summary graph format
    network compiler
    codegen lower lint shapes resolve
    ir
    pygments_lexer
    syntax
    other_frameworks ops
    runtime
    language diagnostics base
"""
RANK = {room: rank for rank, room in enumerate(ORDER.split())}
LOOSE = {"__init__", "__main__", "cli", "compiler", "network", "pygments_lexer"}
# The packages that the runtime may import: recipes, and writing of files. It knows no compiler.
RUNTIME_KNOWS = {
    "runtime",
    "language.recipe",
    "base.atomic",
    "base.paths",
    "base.printing",
    "base.typed_json",
}
RUNTIME_USERS = {"runtime", "trained", "inspect", "training", "commands", "api", "__init__"}


@cache
def modules() -> Mapping[str, Path]:
    """The modules of the package by name: `cli`, `resolve.scope`; a package itself is its `__init__`."""
    paths = sorted(PACKAGE.rglob("*.py"))
    return {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in paths}


def room_of(module: str) -> str:
    return module.partition(".")[0]


@cache
def imports(module: str) -> frozenset[str]:
    """The modules of netdsl that a module imports anywhere in its text."""
    tree = ast.parse(modules()[module].read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{module} has a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {imported(name) for name in names if name.split(".")[0] == "netdsl"}
    return frozenset(found)


def imported(name: str) -> str:
    """The module that `netdsl.resolve.scope.Scope`, `netdsl.ops` or `netdsl.load` is in."""
    parts = name.split(".")[1:]
    while parts and ".".join(parts) not in modules() and ".".join([*parts, "__init__"]) not in modules():
        parts.pop()
    module = ".".join(parts)
    return module if module in modules() else ".".join([*parts, "__init__"])


def heavy_at_import(tree: ast.Module) -> Iterator[str]:
    """Heavy packages that the import of a module imports: not those in functions or under TYPE_CHECKING."""
    for statement in tree.body:
        match statement:
            case ast.Import(names):
                yield from (alias.name for alias in names if alias.name.split(".")[0] in HEAVY)
            case ast.ImportFrom(str(module)) if module.split(".")[0] in HEAVY:
                yield module
            case ast.ClassDef(body=body):
                yield from heavy_at_import(ast.Module(body, []))


def test_few_files_are_loose() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == LOOSE


@pytest.mark.parametrize("module", modules())
def test_rooms(module: str) -> None:
    own = room_of(module)
    assert own in RANK, f"give {own} a place in ORDER"
    for other in imports(module):
        room = room_of(other)
        assert room == own or RANK[room] > RANK[own], f"{module} imports {other}"
        assert room != "runtime" or own in RUNTIME_USERS, f"{module} imports the runtime"
        assert own != "runtime" or {room, other} & RUNTIME_KNOWS, f"{module} imports {other}"


def test_no_circle() -> None:
    try:
        TopologicalSorter({module: imports(module) - {module} for module in modules()}).prepare()
    except CycleError as error:
        raise AssertionError(" -> ".join(reversed(error.args[1]))) from None


@pytest.mark.parametrize("package", [name for name in modules() if name.endswith(".__init__")])
def test_a_room_says_what_is_in_it(package: str) -> None:
    text = ast.get_docstring(ast.parse(modules()[package].read_text(encoding="utf-8")))
    assert text and "\n" in text, "say what is in the room, and what may not be there"


@pytest.mark.parametrize("module", [name for name in modules() if room_of(name) != "runtime"])
def test_nothing_heavy_is_imported_at_the_start(module: str) -> None:
    heavy = set(heavy_at_import(ast.parse(modules()[module].read_text(encoding="utf-8"))))
    # `training` trains, `trained` and `inspect` use what was trained; their importers import them late. The
    # lexer is Pygments' own to import, the servers those of their commands.
    assert not heavy or room_of(module) in {
        "trained",
        "inspect",
        "training",
        "pygments_lexer",
        "lsp",
        "playground",
    }


@pytest.mark.parametrize(
    "arguments, heavy",
    [
        (["--help"], HEAVY | {"lark"}),
        (["check", "resnet32", "preresnet", "convnet"], HEAVY | {"lark"}),
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
    done = run_program([sys.executable, "-c", script], check=True)
    loaded = set(done.stderr.partition("LOADED ")[2].split())
    assert "netdsl" in loaded
    assert not loaded & heavy
