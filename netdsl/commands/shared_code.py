"""Options and file names of the commands that write code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdsl.commands.shared_help import option_group
from netdsl.commands.shared_outputs import OutputPath

if TYPE_CHECKING:
    from netdsl.compiler import Compiled, Style


style_options = option_group(
    "Code",
    click.option(
        "--style",
        type=click.Choice(["module", "functional", "sequential", "all"]),
        default="module",
        help="Style of the code.",
    ),
    click.option(
        *("-o", "--output"),
        type=OutputPath(folder=True),
        default=Path("generated"),
        help="Folder of the code.",
    ),
)


def chosen_styles(chosen: str, compiled: Compiled) -> Sequence[Style]:
    """The styles that `--style` selects for a network: `all` are those that it can be written in."""
    return compiled.styles if chosen == "all" else [chosen]  # type: ignore[list-item]


def file_name(name: str, style: str) -> str:
    """The file name of a network's code in a style."""
    return f"{name}.py" if style == "module" else f"{name}_{style}.py"


def is_current(path: Path, code: str) -> bool:
    """True if a file exists and holds exactly this code."""
    return path.is_file() and path.read_text(encoding="utf-8") == code
