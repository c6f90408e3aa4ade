"""Which code is written, where, and whether it is there already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdsl.commands.shared_options import F

if TYPE_CHECKING:
    from netdsl.compiler import Style


def style_options(command: F) -> F:
    """Which code is written, and where."""
    command = click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        default=Path("generated"),
        show_default=True,
        help="The folder.",
    )(command)
    return click.option(
        "--style",
        type=click.Choice(["module", "functional", "sequential", "all"]),
        default="module",
        show_default=True,
        help="The form of the code.",
    )(command)


def styles_of(chosen: str) -> Sequence[Style]:
    """What `--style` stands for."""
    from netdsl.compiler import STYLES

    return STYLES if chosen == "all" else [chosen]  # type: ignore[list-item]


def file_name(name: str, style: str) -> str:
    """What the code of a network is called in a style."""
    return f"{name}.py" if style == "module" else f"{name}_{style}.py"


def is_current(path: Path, code: str) -> bool:
    """Whether a file holds the code."""
    return path.is_file() and path.read_text(encoding="utf-8") == code
