"""`netdsl check`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdsl.commands.shared_completion import complete_networks
from netdsl.commands.shared_errors import INPUT_ERROR
from netdsl.commands.shared_networks import compile_file, facts, net_files, short_lived
from netdsl.commands.shared_options import pairs, setting_options
from netdsl.commands.shared_outputs import print_written
from netdsl.commands.shared_report import Form, Report, report_option
from netdsl.commands.shared_rewrite import own_files, rewrite, show_difference
from netdsl.commands.shared_tables import echo

if TYPE_CHECKING:
    from netdsl.diagnostics.apply_fixes import Fixed


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=complete_networks)
@setting_options
@click.option("--fix", is_flag=True, help="Apply the safe fixes to the files.")
@click.option("--unsafe", is_flag=True, help="Apply other fixes too.")
@click.option("--diff", is_flag=True, help="Write nothing; show what the fixes change.")
@report_option
def check(
    files: tuple[str, ...],
    settings: tuple[str, ...],
    shape: str | None,
    fix: bool,
    unsafe: bool,
    diff: bool,
    form: Form,
) -> None:
    """Check networks: syntax, names, arguments, shapes and recipe.

    Prints the shapes and the size of each network without errors.
    """
    short_lived()
    if diff and form != "text":
        raise click.UsageError("`--diff` can't be combined with another format")
    report, given = Report(form), pairs(settings, shape)
    fixing = fix or unsafe or diff
    fixed = found = 0
    if fixing:
        own_files(files)
    for file in net_files(files):
        if fixing and (result := _fixed(file.path, given, unsafe)):
            fixed, found = fixed + result.removed, found + result.removed + len(result.left)
            if result.removed:
                _apply(file.path, result, diff, report)
            if diff:
                continue
        compiled = compile_file(file, report, given)
        if compiled and report.textual:
            echo(f"{file}: {facts(compiled)}")
    if fixing and report.textual:
        verb = "would fix" if diff else "fixed"
        echo(f"{verb} {fixed} of {found}" if found else "nothing to fix", err=True)
    report.end()
    sys.exit(INPUT_ERROR if report.failed or (diff and fixed) else 0)


def _fixed(path: Path, given: dict[str, str], unsafe: bool) -> Fixed | None:
    """The text of a file with its fixes; None if it can't be read."""
    from netdsl.compiler import compile_network
    from netdsl.diagnostics import Diagnostics
    from netdsl.diagnostics.apply_fixes import apply_fixes
    from netdsl.syntax.net_files import read

    source = read(path, Diagnostics())
    if source is None:
        return None
    return apply_fixes(source, lambda text: compile_network(text, given).diagnostics, unsafe)


def _apply(path: Path, result: Fixed, diff: bool, report: Report) -> None:
    """Shows the difference, or writes the file with the line ends and the byte order mark that it has."""
    before, after = path.read_bytes(), result.source.text
    if diff:
        show_difference(str(path), before.decode("utf-8-sig"), after, "fixed")
        return
    if before.count(b"\r\n") == before.count(b"\n"):
        after = after.replace("\n", "\r\n")
    mark = b"\xef\xbb\xbf" if before.startswith(b"\xef\xbb\xbf") else b""
    rewrite(path, mark + after.encode())
    if report.textual:
        print_written(path)
