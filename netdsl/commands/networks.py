"""The networks that commands are given: arguments, files, compiled networks."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.commands.errors import INPUT_ERROR, fail, show

if TYPE_CHECKING:
    from netdsl.compiler import Compiled
    from netdsl.diagnostics import Diagnostic


def short_lived() -> None:
    """Collecting garbage costs a tenth of a process that lives for a fifth of a second."""
    gc.disable()


def net_files(names: tuple[str, ...]) -> list[Path]:
    """The files that arguments name; a folder stands for the .net files in it."""
    from netdsl.files import find

    paths: list[Path] = []
    for name in names:
        path = find(name)
        if path.is_dir():
            inside = sorted(path.glob("*.net"))
            if not inside:
                fail(f"there is no .net file in {path}")
            paths += inside
        else:
            paths.append(path)
    return paths


def compile_file(
    path: Path, settings: dict[str, str], recipe: dict[str, str] | None = None
) -> Compiled | list[Diagnostic]:
    """The compiled file, or its errors; warnings are shown."""
    from netdsl.compiler import compile_network
    from netdsl.diagnostics import Diagnostics
    from netdsl.files import read

    diagnostics = Diagnostics()
    source = read(path, diagnostics)
    if source is None:
        return list(diagnostics)
    compiled = compile_network(source, settings, recipe)
    if compiled.errors:
        return list(compiled.diagnostics)
    show(compiled.diagnostics)
    return compiled


def compiled_network(name: str, settings: dict[str, str], recipe: dict[str, str]) -> Compiled:
    """The network of a file or of a bare name; ends the program where it has errors."""
    from netdsl.files import find

    path = find(name)
    compiled = compile_file(path, settings, recipe)
    if isinstance(compiled, list):
        show(compiled)
        sys.exit(INPUT_ERROR)
    if compiled.network is None:
        fail(f"{path} is a library of blocks: it has no `network`")
    return compiled
