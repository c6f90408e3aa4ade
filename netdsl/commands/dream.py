"""`netdsl dream`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdsl.commands.shared_completion import complete_runs
from netdsl.commands.shared_errors import errors_shown, fail
from netdsl.commands.shared_options import (
    counted,
    device_option,
    finite,
    picture_option,
    seed_option,
    weights_option,
)
from netdsl.commands.shared_output_paths import require_outputs
from netdsl.commands.shared_tables import (
    Align,
    answer_record,
    format_option,
    percent,
    print_json,
    print_table,
    print_written,
    printable,
)

if TYPE_CHECKING:
    from netdsl.inspect.sheets.dreams import Dreamed
    from netdsl.trained.open_run import Which

COLUMNS: list[tuple[str, Align]] = [
    ("class", "left"),
    ("score at the start", "right"),
    ("at the end", "right"),
    ("probability", "right"),
    ("predicted", "left"),
    ("", "right"),
]


@click.command()
@click.argument("run", type=click.Path(path_type=Path), shell_complete=complete_runs)
@click.option(
    "--class",
    "wanted",
    multiple=True,
    metavar="CLASS",
    help="Dream of this class; may be given several times.  [default: all]",
)
@click.option("--from", "source", metavar="IMAGE|test:N", help="Begin with an image instead of noise.")
@click.option(
    "--size",
    type=click.IntRange(8, 512),
    help="Another side than the network's input has, for networks that end in a global pool.",
)
@picture_option
@click.option("--steps", type=counted(), default=100, show_default=True, help="So many steps of ascent.")
@click.option(
    "--step-size",
    type=click.FloatRange(0, 1, min_open=True),
    callback=finite,
    default=0.05,
    show_default=True,
    help="How much a step changes the pixels, root mean square of 0..1.",
)
@click.option(
    "--l2",
    type=click.FloatRange(0),
    callback=finite,
    default=0.03,
    show_default=True,
    help="Weight of the squared distance from the mean colour.",
)
@click.option(
    "--jitter",
    type=click.IntRange(0, 512),
    help="Shift by up to so many pixels in each step.  [default: a sixteenth of the side]",
)
@click.option(
    "--blur-every",
    type=counted(0),
    default=4,
    show_default=True,
    help="Blur after every so many steps; 0: never.",
)
@click.option(
    "--blur",
    type=click.FloatRange(0, 16),
    callback=finite,
    default=0.5,
    show_default=True,
    help="Its standard deviation in pixels.",
)
@seed_option("Of noise and jitter.")
@weights_option
@device_option
@format_option
def dream(
    run: Path,
    wanted: tuple[str, ...],
    source: str | None,
    size: int | None,
    output: Path,
    steps: int,
    step_size: float,
    l2: float,
    jitter: int | None,
    blur_every: int,
    blur: float,
    seed: int,
    weights: Which,
    device: str,
    form: str,
) -> None:
    """Draw images for which the score of a class is high.

    Exit status 1 where an image isn't predicted as its class; the picture is drawn all the same.
    """
    if source is not None and size is not None:
        raise click.UsageError("--size is of noise; an image of --from has the size of the network's input")

    from rich.console import Console

    from netdsl.inspect.dreams import dream as ascend
    from netdsl.inspect.opening import of_run
    from netdsl.inspect.pictures import require_class
    from netdsl.inspect.sheets.dreams import dream_of, of_image, of_noise, write_dreams
    from netdsl.runtime.plot import require_format
    from netdsl.runtime.speed import choose_device
    from netdsl.trained.open_run import open_run

    with errors_shown():
        require_format(output)
        require_outputs([output], [source] if source else [])
        opened, console = open_run(run), Console(stderr=True)
        model = of_run(opened, weights, choose_device(device))
        numbers = [require_class(name, model.classes) for name in dict.fromkeys(wanted or model.classes)]
        if source is None:
            start = of_noise(opened, model, size, seed)
        else:
            start = of_image(source, opened, weights, console).to(model.mean.device)
        dreaming = partial(
            ascend,
            steps=steps,
            step_size=step_size,
            l2=l2,
            mean=model.mean,
            jitter=jitter,
            blur_every=blur_every,
            blur=blur,
        )
        dreamed = dream_of(model, numbers, start, dreaming, seed, steps, console)
        write_dreams(dreamed, output)
    if form == "json":
        print_json([_record(each) for each in dreamed])
    else:
        print_table(COLUMNS, [_row(each) for each in dreamed])
        print_written(output)
    if others := [printable(each.name) for each in dreamed if each.predicted.name != each.name]:
        fail(
            f"not predicted as its class: {', '.join(others)}",
            "`--blur-every 0`, `--jitter 0` and a smaller `--l2` leave the score more freedom",
        )


def _row(dreamed: Dreamed) -> list[str]:
    return [
        printable(dreamed.name),
        f"{dreamed.start:.2f}",
        f"{dreamed.end:.2f}",
        percent(dreamed.probability),
        printable(dreamed.predicted.name),
        percent(dreamed.predicted.probability),
    ]


def _record(dreamed: Dreamed) -> dict[str, object]:
    return {
        "class": dreamed.name,
        "score": {"start": dreamed.start, "end": dreamed.end},
        "probability": dreamed.probability,
        "predicted": answer_record(*dreamed.predicted),
    }
