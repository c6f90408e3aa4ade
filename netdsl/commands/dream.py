"""`netdsl dream`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netdsl.commands.shared_errors import fail
from netdsl.commands.shared_inspect import (
    answer_cells,
    answer_records,
    inspect_options,
    inspecting,
    print_results,
    real_option,
)
from netdsl.commands.shared_options import counted, run_argument, seed_option
from netdsl.commands.shared_outputs import picture_option
from netdsl.commands.shared_tables import percent

if TYPE_CHECKING:
    from netdsl.inspect.sheets.dreams import Dreamed
    from netdsl.trained.open_run import Which

COLUMNS = ("class", ">score at the start", ">at the end", ">probability", "predicted", ">")


@click.command()
@run_argument
@click.option(
    "--class",
    "wanted",
    multiple=True,
    metavar="CLASS",
    help="A class to dream of; may be given several times.  [default: all]",
)
@click.option("--from", "source", metavar="IMAGE|test:N", help="Start from an image instead of noise.")
@click.option(
    "--size",
    type=click.IntRange(8, 512),
    help="The side of the images, if not the network's; needs a network that ends in a global pool.",
)
@picture_option
@click.option("--steps", type=counted(), default=100, help="Steps of gradient ascent.")
@real_option(
    "--step-size",
    0,
    1,
    min_open=True,
    default=0.05,
    help="The root mean square of the pixels' change in a step, on the scale 0 to 1.",
)
@real_option("--l2", 0, default=0.03, help="Weight of the squared distance from the mean colour.")
@click.option(
    "--jitter",
    type=click.IntRange(0, 512),
    help="The largest random shift in a step, in pixels.  [default: a sixteenth of the side]",
)
@click.option(
    "--blur-every",
    type=counted(0),
    default=4,
    help="The number of steps from one blur to the next; 0: never blur.",
)
@real_option("--blur", 0, 16, default=0.5, help="The standard deviation of the blur, in pixels.")
@seed_option("For noise and jitter.")
@inspect_options
def dream(
    run: Path,
    wanted: tuple[str, ...],
    source: str | None,
    size: int | None,
    output: Path,
    steps: int,
    seed: int,
    weights: Which,
    device: str,
    form: str,
    **settings: Any,
) -> None:
    """Draw images for which the score of a class is high.

    Exit status 1 if an image is not predicted as its class; the picture is drawn in any case.
    """
    if source is not None and size is not None:
        raise click.UsageError("--size is for noise; an image of --from has the size of the network's input")

    from netdsl.inspect.dreams import dream as ascend
    from netdsl.inspect.sheets.dreams import dream_of, of_image, of_noise, write_dreams

    with inspecting([run], weights, device, [output], [source] if source else []) as (inspected,):
        numbers = inspected.class_numbers(dict.fromkeys(wanted or inspected.classes))
        start = of_noise(inspected, size, seed) if source is None else of_image(source, inspected)
        dreaming = partial(ascend, steps=steps, mean=inspected.model.mean, **settings)
        dreamed = dream_of(inspected, numbers, start, dreaming, seed, steps)
        write_dreams(dreamed, output)
    print_results(form, dreamed, COLUMNS, _row, _record, output)
    if others := [each.name for each in dreamed if each.predicted.name != each.name]:
        fail(
            f"not predicted as its class: {', '.join(others)}",
            "`--blur-every 0`, `--jitter 0` and a smaller `--l2` leave the score more freedom",
        )


def _row(dreamed: Dreamed) -> list[str]:
    return [
        dreamed.name,
        f"{dreamed.start:.2f}",
        f"{dreamed.end:.2f}",
        percent(dreamed.probability),
        *answer_cells(dreamed.predicted),
    ]


def _record(dreamed: Dreamed) -> dict[str, object]:
    return {
        "class": dreamed.name,
        "score": {"start": dreamed.start, "end": dreamed.end},
        "probability": dreamed.probability,
        **answer_records(predicted=dreamed.predicted),
    }
