"""From the arguments of a command to compiled networks."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.commands.shared_errors import INPUT_ERROR, fail
from netdsl.commands.shared_report import Report

if TYPE_CHECKING:
    from netdsl.compiler import Compiled


def short_lived() -> None:
    """Turns off garbage collection, a tenth of the time of a process that takes a fifth of a second."""
    gc.disable()


def net_files(names: tuple[str, ...]) -> list[Path]:
    """The files that arguments name; a folder is replaced by the .net files in it, if there are any."""
    from netdsl.syntax.net_files import find, inside

    paths: list[Path] = []
    for name in names:
        path = find(name)
        paths += inside(path) or [path]  # `inside` is empty for a file
    return paths


def compile_file(
    path: Path, report: Report, settings: dict[str, str], recipe: dict[str, str] | None = None
) -> Compiled | None:
    """The compiled file, or None if it has errors. Adds its diagnostics to the report."""
    from netdsl.compiler import compile_network
    from netdsl.diagnostics import Diagnostics
    from netdsl.syntax.net_files import read

    diagnostics = Diagnostics()
    source = read(path, diagnostics)
    if source is None:
        report.add(diagnostics)
        return None
    compiled = compile_network(source, settings, recipe)
    report.add(compiled.diagnostics)
    return None if compiled.errors else compiled


def compiled_network(name: str, settings: dict[str, str], recipe: dict[str, str]) -> Compiled:
    """The network of a file or a bare name; ends the program if it has errors."""
    from netdsl.syntax.net_files import find

    path = find(name)
    report = Report()
    compiled = compile_file(path, report, settings, recipe)
    report.end()
    if compiled is None:
        sys.exit(INPUT_ERROR)
    if compiled.network is None:
        fail(f"{path} is a library of blocks: it has no `network`")
    return compiled


def facts(compiled: Compiled) -> str:
    """Shapes and size of a network, in one line."""
    from netdsl.ops.operation import show_shape

    typed = compiled.network
    if typed is None:
        return "ok, a library of blocks"
    shapes = f"{show_shape(typed.network.input)} -> {show_shape(typed.output)}"
    return f"ok, {shapes}, {typed.cost.parameters:,} parameters, {typed.cost.macs:,} MACs"
