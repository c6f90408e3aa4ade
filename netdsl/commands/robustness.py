"""`netdsl robustness`."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdsl.base.paths import real
from netdsl.commands.shared_inspect import in_255ths, inspect_options, inspecting, read_budget
from netdsl.commands.shared_options import counted, runs_argument, seed_option
from netdsl.commands.shared_outputs import output_option, print_written
from netdsl.commands.shared_tables import echo, percent, print_json, print_table

if TYPE_CHECKING:
    from netdsl.inspect import Withstood
    from netdsl.trained.open_run import Which


def _budgets(context: click.Context, parameter: click.Parameter, text: str) -> list[Fraction]:
    return sorted({read_budget(part) for part in text.split(",")})


@click.command()
@runs_argument
@click.option(
    "--eps",
    "budgets",
    metavar="1/255,2/255",
    callback=_budgets,
    default="1/255,2/255,4/255,8/255",
    help="The largest changes of a pixel, on the scale 0 to 1; 0 is always included.",
)
@output_option("Draw a curve.", required=False, metavar="PICTURE")
@click.option(
    "--images", type=counted(), help="The number of test images, spread evenly over all.  [default: all]"
)
@click.option("--steps", type=counted(), default=10, help="Steps of each attack.")
@click.option("--restarts", type=counted(), default=1, help="Starts of each attack.")
@seed_option("For the random starts.")
@inspect_options
def robustness(
    runs: tuple[Path, ...],
    budgets: list[Fraction],
    output: Path | None,
    images: int | None,
    steps: int,
    restarts: int,
    seed: int,
    weights: Which,
    device: str,
    form: str,
) -> None:
    """Measure the accuracy of runs on attacked test images.

    Each image is attacked by PGD, for several budgets. The attack is untargeted, in the L-infinity norm,
    from a random start, in steps of 2.5 eps / steps. An image that is taken for something else within a
    budget is not attacked again within a larger one.
    """
    from netdsl.inspect.sheets.robustness import withstood, write_curves

    if repeated := [run for at, run in enumerate(runs) if real(run) in map(real, runs[:at])]:
        raise click.UsageError(f"{repeated[0]} is named twice: remove one")
    numbers = [float(budget) for budget in budgets]
    names = [real(run).name for run in runs]
    labels = [name if names.count(name) == 1 else str(run) for run, name in zip(runs, names, strict=True)]
    with inspecting(runs, weights, device, [output] if output else []) as inspected:
        measured = [withstood(run, numbers, images, steps, restarts, seed) for run in inspected]
        counts = " and ".join(f"{count:,}" for count in sorted({rows[0].images for rows in measured}))
        how = f"{steps} steps, {restarts} random start{'s' * (restarts > 1)}, {counts} test images"
        if output:
            write_curves(list(zip(labels, measured, strict=True)), f"PGD: {how}", output)
    if form == "json":
        setting = {"steps": steps, "step_size_of_eps": 2.5 / steps, "restarts": restarts, "seed": seed}
        curves = [_curve(run, rows) for run, rows in zip(runs, measured, strict=True)]
        print_json({"attack": setting, "runs": curves})
    else:
        _print_accuracies(labels, measured)
        echo(f"accuracy under PGD within eps (Linf): {how}, seed {seed}")
        if output:
            print_written(output)


def _print_accuracies(labels: Sequence[str], measured: Sequence[Sequence[Withstood]]) -> None:
    """A row a budget, a column a run."""
    headings = [">eps", *(f">{label}" for label in labels)]
    budgets = zip(*measured, strict=True)
    print_table(
        headings, [[in_255ths(same[0].eps), *(percent(row.accuracy) for row in same)] for same in budgets]
    )


def _curve(run: Path, rows: Sequence[Withstood]) -> dict[str, object]:
    points = [{"eps": row.eps, "right": row.right, "accuracy": row.accuracy} for row in rows]
    return {"run": str(run), "images": rows[0].images, "points": points}
