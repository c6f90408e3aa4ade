"""`netdsl check` and `netdsl build`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdsl.commands.errors import INPUT_ERROR, fail, show
from netdsl.commands.networks import compile_file, net_files, short_lived
from netdsl.options import pairs, setting_options

if TYPE_CHECKING:
    from netdsl.compiler import Compiled, Style
    from netdsl.diagnostics import Diagnostic


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@setting_options
def check(files: tuple[str, ...], settings: tuple[str, ...], shape: str | None) -> None:
    """Check files: names, arguments, shapes, recipe. Prints each network's size."""
    short_lived()
    failed = False
    for path in net_files(files):
        compiled = compile_file(path, pairs(settings, shape))
        if isinstance(compiled, list):
            show(compiled)
            failed = True
        else:
            click.echo(f"{path}: {_summary(compiled)}")
    sys.exit(INPUT_ERROR if failed else 0)


def _summary(compiled: Compiled) -> str:
    from netdsl.ops.base import show_shape

    typed = compiled.network
    if typed is None:
        return "ok, a library of blocks"
    shapes = f"{show_shape(typed.network.input)} -> {show_shape(typed.output)}"
    return f"ok, {shapes}, {typed.cost.parameters:,} parameters, {typed.cost.macs:,} MACs"


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE|FOLDER...")
@click.option(
    "--style",
    type=click.Choice(["module", "functional", "sequential", "all"]),
    default="module",
    show_default=True,
    help="The form of the code.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("generated"),
    show_default=True,
    help="The folder.",
)
@setting_options
@click.option("--stdout", is_flag=True, help="Print the code; write no file.")
@click.option("--map", "mapped", is_flag=True, help="Write a source map beside each: NAME.py.map.")
@click.option("--check", "check_only", is_flag=True, help="Write nothing; fail where a file is not current.")
def build(
    files: tuple[str, ...],
    style: str,
    output: Path,
    settings: tuple[str, ...],
    shape: str | None,
    stdout: bool,
    mapped: bool,
    check_only: bool,
) -> None:
    """Write the PyTorch code of networks: NAME.py, NAME_functional.py, NAME_sequential.py.

    Nothing is written where any file has an error.
    """
    short_lived()
    if stdout and check_only:
        raise click.UsageError("--stdout and --check exclude each other")
    if stdout and mapped:
        raise click.UsageError("--stdout and --map exclude each other: a map stands beside a file")
    codes = _generated(net_files(files), style, pairs(settings, shape), mapped)
    if stdout:
        click.echo("\n\n".join(codes.values()), nl=False)
    elif check_only:
        stale = [name for name, code in codes.items() if not _is_current(output / name, code)]
        for name in stale:
            click.echo(f"{output / name} is not current", err=True)
        if stale:
            fail("run `netdsl build` without `--check` to write it")
        click.echo(f"{len(codes)} files in {output} are current")
    else:
        _write_all(output, codes)


def _generated(paths: list[Path], chosen: str, settings: dict[str, str], mapped: bool) -> dict[str, str]:
    """The code of every network by file name, and its map; ends the program where any has an error."""
    from netdsl.codegen.sourcemap import as_json
    from netdsl.compiler import STYLES, generate, trace

    styles: Iterable[Style] = STYLES if chosen == "all" else [chosen]  # type: ignore[list-item]
    errors: list[Diagnostic] = []
    found: dict[str, Path] = {}
    codes: dict[str, str] = {}
    for path in paths:
        compiled = compile_file(path, settings)
        if isinstance(compiled, list):
            errors += compiled
        elif compiled.network is None:
            if len(paths) == 1:
                fail(f"{path} is a library of blocks: it has no `network` to build")
        else:
            name = compiled.network.network.name
            for style in styles:
                file = _file_name(name, style)
                if file in found:
                    fail(f"{found[file]} and {path} would both be written to {file}: rename a network")
                found[file] = path
                if not errors:
                    codes[file] = generate(compiled, style)
                if mapped and not errors:
                    codes[f"{file}.map"] = as_json(file, trace(compiled, style, codes[file]))
    if errors:
        show(errors)
        sys.exit(INPUT_ERROR)
    if not codes:
        fail(f"there is no network in {', '.join(map(str, paths)) or 'no file'}")
    return codes


def _file_name(name: str, style: str) -> str:
    return f"{name}.py" if style == "module" else f"{name}_{style}.py"


def _is_current(path: Path, code: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == code


def _write_all(output: Path, codes: dict[str, str]) -> None:
    from netdsl.atomic import write

    for name, code in codes.items():
        try:
            write(output / name, code.encode())
        except OSError as error:
            fail(f"{output / name} can't be written: {error.strerror}")
        click.echo(f"wrote {output / name}")
