"""Writes docs/architecture.md: the packages, the passes, and `resnet32` after each pass.

python -m docs.architecture
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import netdsl.compiler
from netdsl.base import atomic
from netdsl.base.source import Source
from netdsl.compiler import Compiled, Form, compile_network, emit, generate
from netdsl.syntax.net_files import shipped

PAGE = Path(__file__).parent / "architecture.md"
PACKAGE = Path(netdsl.compiler.__file__).parent
WIDTH = 116

# From the top to the bottom: a package imports those below it only.
ROOMS = """
    commands api playground lsp inspect training trained errors summary graph format codegen lower lint shapes
    resolve ir syntax other_frameworks ops runtime language diagnostics base
"""

INTRODUCTION = """\
# Architecture

Written by `python -m docs.architecture`. The quickest way to know netdsl is to follow one network through the
compiler: this page shows `resnet32` after each pass, as `netdsl build resnet32 --emit FORM` prints it.

## Packages

A package imports only those below it in this list, which `tests/test_layers.py` checks. The `__init__.py` of
each says what belongs into it and what doesn't.

| package | |
| --- | --- |
"""

# Each form: what the pass before it does, and the parts of it that are shown.
STAGES: dict[Form, tuple[str, str, tuple[str, ...]]] = {
    "ast": (
        "Syntax tree",
        "`netdsl/syntax` parses the text; names are not bound yet. `@line:column` is the start of a span.",
        ("Order", "Section stem", "Stages"),
    ),
    "resolved": (
        "Resolved network",
        "`netdsl/resolve` binds names. `conv` is an operation with all its arguments, units are written out\n"
        "in the file's order, each row of the table is a stage, and `residual` comes from `std.net`.",
        ("Section stem", "Stage residual #3", "BlockDefinition residual"),
    ),
    "typed": (
        "Typed network",
        "`netdsl/shapes` computes shapes and costs. An instance is a block with values for its\n"
        "parameters on an input of one shape. Equal copies are one instance. `netdsl/lint` adds warnings.",
        ("TypedSection #1", "TypedStage #3", "Instance residual #2"),
    ),
    "lowered": (
        "Lowered network",
        "`netdsl/lower` writes each block once, over its parameters, with the torch call of each layer.\n"
        "Channels are expressions again: `in`, `out`.",
        ("LoweredBlock residual", "LoweredStage stage2"),
    ),
}


def main() -> None:
    atomic.write(PAGE, page().encode())


def page() -> str:
    rooms = "".join(f"| `{room}` | {summary(PACKAGE / room / '__init__.py')} |\n" for room in ROOMS.split())
    text = shipped()["resnet32"].read_text(encoding="utf-8")
    compiled = compile_network(Source("resnet32.net", text))
    diagram = (
        ast.get_docstring(ast.parse((PACKAGE / "compiler.py").read_text(encoding="utf-8"))) or ""
    ).split("\n\n")[1]
    sections = [
        f"## Passes\n\n`netdsl/compiler.py` runs them in this order:\n\n```text\n{diagram}\n```\n",
        f"## Source\n\n```net\n{text}```\n",
        *(stage(compiled, form) for form in STAGES),
        "## Code\n\n`netdsl/codegen` makes a view for a style; a template in `templates/` renders it.\n\n"
        f"```python\n{code(compiled)}```\n",
    ]
    return INTRODUCTION + rooms + "\n" + "\n".join(sections)


def summary(path: Path) -> str:
    """The first paragraph of a package's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


def stage(compiled: Compiled, form: Form) -> str:
    title, description, shown = STAGES[form]
    return f"## {title}\n\n{description}\n\n```text\n{abridged(emit(compiled, form), shown)}\n```\n"


def abridged(text: str, shown: tuple[str, ...]) -> str:
    """The root, the items of its lists that are `shown`, and `…` for the others."""
    lines: list[str] = []
    keep = True
    for line in text.splitlines():
        if re.match(r"    \S", line):
            keep = line.strip().startswith(shown)
        elif not line.startswith("    "):
            keep = True
        if keep:
            lines.append(line if len(line) <= WIDTH else line[: WIDTH - 1] + "…")
        elif lines[-1].strip() != "…":
            lines.append("    …")
    return "\n".join(lines)


def code(compiled: Compiled) -> str:
    """The class of the block in the module style."""
    tree = generate(compiled, "module")
    start = tree.index("class Residual")
    return tree[start : tree.index("\n\n\n", start)] + "\n"


if __name__ == "__main__":
    main()
