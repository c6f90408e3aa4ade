"""`netdsl reproduce`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from netdsl.base.paths import real
from netdsl.commands.shared_errors import INPUT_ERROR, errors_shown
from netdsl.commands.shared_options import PATH, run_argument


@click.command()
@run_argument
@click.option("--run", "new", type=PATH, help="Folder of the new run.  [default: RUN-again]")
def reproduce(run: Path, new: Path | None) -> None:
    """Train a run again from its record, and compare the results.

    The exit status is 1 if they differ.
    """
    from netdsl.runtime.distributed import joined
    from netdsl.training.reproduce import reproduce_run

    with errors_shown(), joined() as processes:
        place = run if run.name not in ("", "..") else real(run)
        same = reproduce_run(run, new or place.parent / f"{place.name}-again", processes)
    sys.exit(0 if same else INPUT_ERROR)
