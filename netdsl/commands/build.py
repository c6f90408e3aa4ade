"""`netdsl build`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdsl.commands.shared_code import chosen_styles, file_name, is_current, style_options
from netdsl.commands.shared_completion import complete_networks
from netdsl.commands.shared_errors import INPUT_ERROR, fail
from netdsl.commands.shared_networks import compile_file, net_files, short_lived
from netdsl.commands.shared_options import pairs, setting_options
from netdsl.commands.shared_outputs import print_written, write_file
from netdsl.commands.shared_report import Form as ReportForm
from netdsl.commands.shared_report import Report, report_option
from netdsl.commands.shared_tables import echo, echo_file

if TYPE_CHECKING:
    from netdsl.base.source import Span
    from netdsl.compiler import Form
    from netdsl.syntax.net_files import NetFile


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE|FOLDER...", shell_complete=complete_networks)
@style_options
@setting_options
@click.option("--stdout", is_flag=True, help="Print the code instead of writing files.")
@click.option("--map", "mapped", is_flag=True, help="Also write source maps: NAME.py.map.")
@click.option(
    "--emit",
    type=click.Choice(["ast", "resolved", "typed", "lowered"]),
    help="Print the network after a pass of the compiler; write no file.",
)
@click.option("--check", "check_only", is_flag=True, help="Write nothing; fail if a file is out of date.")
@report_option
def build(
    files: tuple[str, ...],
    style: str,
    output: Path,
    settings: tuple[str, ...],
    shape: str | None,
    stdout: bool,
    mapped: bool,
    emit: Form | None,
    check_only: bool,
    form: ReportForm,
) -> None:
    """Write the PyTorch code of networks.

    The files are NAME.py, NAME_functional.py and NAME_sequential.py, by --style. Nothing is written if
    any FILE has an error.
    """
    short_lived()
    if stdout and check_only:
        raise click.UsageError("--stdout and --check can't be combined")
    report = Report(form)
    if stdout and not report.textual:
        raise click.UsageError(f"--stdout and --format {form} can't be combined")
    if stdout and mapped:
        raise click.UsageError("--stdout and --map can't be combined: a source map is written next to a file")
    if emit and (stdout or check_only or mapped):
        raise click.UsageError("--emit can't be combined with --stdout, --check or --map")
    if emit:
        _emit(net_files(files), emit, pairs(settings, shape), report)
        return
    codes = _generated(net_files(files), style, pairs(settings, shape), mapped, report)
    report.end()
    if report.failed:
        sys.exit(INPUT_ERROR)
    if stdout:
        echo_file("\n\n".join(codes.values()))
    elif check_only:
        stale = [name for name, code in codes.items() if not is_current(output / name, code)]
        for name in stale:
            echo(f"{output / name} is not current", err=True)
        if stale:
            fail("run `netdsl build` without `--check` to write it")
        echo(f"{len(codes)} files in {output} are current", err=not report.textual)
    else:
        for name, code in codes.items():
            write_file(output / name, code)
            print_written(output / name, err=not report.textual)


def _emit(files: list[NetFile], form: Form, settings: dict[str, str], report: Report) -> None:
    """Prints the networks after a pass of the compiler; ends the program where a file has errors."""
    from netdsl.compiler import emit

    compiled = [compile_file(file, report, settings) for file in files]
    report.end()
    if report.failed:
        sys.exit(INPUT_ERROR)
    echo_file("\n".join(emit(c, form) for c in compiled if c and (c.network or form == "ast")))


def _generated(
    files: list[NetFile], chosen: str, settings: dict[str, str], mapped: bool, report: Report
) -> dict[str, str]:
    """The code of every network, and its source map, by file name; incomplete if the report has errors."""
    from netdsl.codegen.source_map import as_json
    from netdsl.compiler import generate, trace
    from netdsl.diagnostics import Diagnostic, Label
    from netdsl.diagnostics.network_error import NetworkError

    named: dict[str, Span] = {}
    codes: dict[str, str] = {}
    for file in files:
        compiled = compile_file(file, report, settings)
        if compiled is None or compiled.network is None:
            continue
        name, span = compiled.network.network.name, compiled.network.network.span
        styles = chosen_styles(chosen, compiled)
        if name in named:
            labels = (Label(span), Label(named[name], "the other one"))
            message = f"two networks would both be written to {file_name(name, styles[0])}"
            report.add([Diagnostic("NET202", message, labels, help="rename a network")])
        named[name] = span
        if report.failed:
            continue
        for style in styles:
            target = file_name(name, style)
            try:
                codes[target] = generate(compiled, style)
            except NetworkError as error:
                report.add(error.diagnostics)
                continue
            if mapped:
                codes[f"{target}.map"] = as_json(target, trace(compiled, style, codes[target]))
    if not named and not report.failed:
        message = f"there is no network in {', '.join(map(str, files))}"
        report.add(
            [Diagnostic("missing-statement", message, help="a library of blocks has no code of its own")]
        )
    return codes
