"""`netdsl check`."""

from __future__ import annotations

import sys

import click

from netdsl.commands.shared_completion import complete_networks
from netdsl.commands.shared_errors import INPUT_ERROR
from netdsl.commands.shared_networks import compile_file, facts, net_files, short_lived
from netdsl.commands.shared_options import pairs, setting_options
from netdsl.commands.shared_report import Form, Report, report_option
from netdsl.commands.shared_tables import echo


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=complete_networks)
@setting_options
@report_option
def check(files: tuple[str, ...], settings: tuple[str, ...], shape: str | None, form: Form) -> None:
    """Check networks: syntax, names, arguments, shapes and recipe.

    Prints the shapes and the size of each network without errors.
    """
    short_lived()
    report = Report(form)
    for path in net_files(files):
        compiled = compile_file(path, report, pairs(settings, shape))
        if compiled and report.textual:
            echo(f"{path}: {facts(compiled)}")
    report.end()
    sys.exit(INPUT_ERROR if report.failed else 0)
