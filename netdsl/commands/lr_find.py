"""`netdsl lr-find`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from netdsl.commands.shared_completion import complete_networks
from netdsl.commands.shared_errors import errors_shown, one_speaks
from netdsl.commands.shared_help import GroupedOptionsCommand, option_group
from netdsl.commands.shared_networks import compiled_network
from netdsl.commands.shared_options import (
    finite,
    one_file,
    pairs,
    recipe_options,
    recipe_overrides,
    setting_options,
    speed_options,
)
from netdsl.commands.shared_outputs import output_option, print_written, require_outputs
from netdsl.commands.shared_tables import echo, waiting


def _rate(name: str, default: float, help: str) -> Any:
    bounds = click.FloatRange(min=0, min_open=True)
    return click.option(name, type=bounds, callback=finite, default=default, help=help)


@click.command("lr-find", cls=GroupedOptionsCommand, context_settings={"ignore_unknown_options": True})
@click.argument(
    "arguments",
    nargs=-1,
    type=click.UNPROCESSED,
    metavar="FILE [--KEY VALUE]...",
    shell_complete=complete_networks,
)
@option_group(
    "Test",
    click.option("--steps", type=click.IntRange(10, 100_000), default=100, help="Steps of the test."),
    _rate("--low", 1e-6, "Learning rate of the first step."),
    _rate("--high", 10.0, "Learning rate of the last step."),
    output_option(
        "Write the picture to this file, such as lr.png or lr.svg.", required=False, metavar="PICTURE"
    ),
    click.option(
        "--style",
        type=click.Choice(["module", "functional", "sequential"]),
        default="module",
        help="Style of the code.",
    ),
)
@recipe_options
@speed_options
@setting_options
def lr_find(
    arguments: tuple[str, ...],
    steps: int,
    low: float,
    high: float,
    output: Path | None,
    style: str,
    settings: tuple[str, ...],
    shape: str | None,
    **options: Any,
) -> None:
    """Suggest a learning rate, from a short training.

    The learning rate rises from step to step until the loss rises (Smith 2015). All else is as netdsl
    train does it, with the same options; no run is written. The suggestion is a tenth of the rate with the
    lowest loss: a start, not an optimum, which netdsl tune searches.
    """
    from netdsl.language.recipe import KEYS

    if high <= low:
        raise click.UsageError(f"--high {high:g} must be larger than --low {low:g}")
    files, overrides = recipe_overrides(arguments, {key: options.pop(key) for key in KEYS})
    with one_speaks():
        compiled = compiled_network(one_file(files), pairs(settings, shape), overrides)

    with waiting("loading torch"):
        from netdsl.network import CompiledNetwork
        from netdsl.runtime import plot
        from netdsl.runtime.console import user_console
        from netdsl.runtime.speed import SpeedRequest
        from netdsl.trained.run_settings import require_style
        from netdsl.training.lr_find import find_lr

    with errors_shown():
        if output is not None:
            plot.require_format(output)
            require_outputs([output])
        network, request = CompiledNetwork(compiled), SpeedRequest(**options)
        found = find_lr(network, require_style(style), request, steps, low, high, user_console())
        for line in str(found).splitlines():
            echo(line)
        if output is not None:
            plot.draw([[found.panel()]], output)
            print_written(output)
