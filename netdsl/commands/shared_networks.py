"""From the arguments of a command to compiled networks."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

from netdsl.commands.shared_errors import INPUT_ERROR, fail
from netdsl.commands.shared_report import Report

if TYPE_CHECKING:
    from netdsl.compiler import Compiled
    from netdsl.syntax.net_files import NetFile


def short_lived() -> None:
    """Turns off garbage collection, a tenth of the time of a process that takes a fifth of a second."""
    gc.disable()


def net_files(names: tuple[str, ...]) -> list[NetFile]:
    """The files that arguments name; a folder is replaced by the .net files in it, if there are any."""
    from netdsl.syntax.net_files import NetFile, find, inside

    files: list[NetFile] = []
    for name in names:
        file = find(name)
        files += [NetFile(path) for path in inside(file.path)] or [file]  # `inside` is empty for a file
    return files


def compile_file(
    file: NetFile, report: Report, settings: dict[str, str], recipe: dict[str, str] | None = None
) -> Compiled | None:
    """The compiled file, or None if it has errors. Adds its diagnostics to the report."""
    from netdsl.compiler import compile_network
    from netdsl.diagnostics import Diagnostics
    from netdsl.syntax.net_files import read

    diagnostics = Diagnostics()
    source = read(file.path, diagnostics)
    if source is None:
        report.add(diagnostics)
        return None
    compiled = compile_network(source, file.settings(settings), recipe)
    report.add(compiled.diagnostics)
    return None if compiled.errors else compiled


def compiled_network(name: str, settings: dict[str, str], recipe: dict[str, str]) -> Compiled:
    """The network of a file or a bare name; ends the program if it has errors."""
    from netdsl.syntax.net_files import find

    file = find(name)
    report = Report()
    compiled = compile_file(file, report, settings, recipe)
    report.end()
    if compiled is None:
        sys.exit(INPUT_ERROR)
    if compiled.network is None:
        fail(f"{file.path} is a library of blocks: it has no `network`")
    return compiled


def facts(compiled: Compiled) -> str:
    """Shapes and size of a network, in one line."""
    from netdsl.ops.operation import show_shape

    typed = compiled.network
    if typed is None:
        return "ok, a library of blocks"
    shapes = f"{show_shape(typed.network.input)} -> {show_shape(typed.output)}"
    return f"ok, {shapes}, {typed.cost.parameters:,} parameters, {typed.cost.macs:,} MACs"
