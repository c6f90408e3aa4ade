"""`netdsl attack` and `netdsl robustness`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from mimetypes import guess_type
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netdsl.commands.completion import complete_runs
from netdsl.commands.shared_errors import errors_shown, fail
from netdsl.commands.shared_options import (
    OutputPath,
    counted,
    device_option,
    finite,
    images_argument,
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
    from netdsl.inspect import Withstood
    from netdsl.inspect.sheets.attacks import Attacked, Method
    from netdsl.inspect.sheets.captions import Answer
    from netdsl.trained.open_run import Which

# What can be set of a method: arguments of its function in `netdsl.inspect`.
SETTINGS: Mapping[Method, Sequence[str]] = {
    "ascent": ("steps", "extra", "step_size"),
    "fgsm": ("eps",),
    "pgd": ("eps", "steps", "step_size", "restarts"),
}
WAYS_OUT: Mapping[Method, str] = {
    "ascent": "more `--steps`",
    "fgsm": "`--method pgd`, or a larger `--eps`",
    "pgd": "more `--steps`, or a larger `--eps`",
}
# A number as Python writes it; a few digits of each part: an exponent of many would take for ever.
_NUMBER = r"(?:[0-9]{1,9}\.?[0-9]{0,20}|\.[0-9]{1,20})(?:[eE][+-]?[0-9]{1,2})?"
_BUDGET = re.compile(rf"({_NUMBER})(?:/([1-9][0-9]{{0,8}}))?")


def _read_budget(text: str) -> Fraction:
    """`8/255`, `0.03` or `3e-2`, exactly."""
    match = _BUDGET.fullmatch(text.strip())
    budget = Fraction(match[1]) / Fraction(match[2] or 1) if match else Fraction(0)
    if 0 < budget <= 1:
        return budget
    hint = f"{text.strip()}/255" if 1 < budget <= 255 and budget.denominator == 1 else "8/255"
    raise click.BadParameter(f"`{text}` is no budget, a number above 0 and up to 1: write `{hint}`")


def _budget(context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    return None if text is None else float(_read_budget(text))


def _saved(context: click.Context, parameter: click.Parameter, place: Path | None) -> Path | None:
    kind = guess_type(place.name)[0] if place else None
    if place and kind and kind.startswith("image/") and kind != "image/png" and not place.is_dir():
        raise click.BadParameter(
            f"images are saved without loss: write {printable(place.with_suffix('.png'))}"
        )
    return place


def _budgets(context: click.Context, parameter: click.Parameter, text: str) -> list[Fraction]:
    return sorted({_read_budget(part) for part in text.split(",")})


@click.command()
@click.argument("run", type=click.Path(path_type=Path), shell_complete=complete_runs)
@images_argument
@click.option("--target", metavar="CLASS", help="The answer that is wanted.")
@picture_option
@click.option("--method", type=click.Choice(["ascent", "fgsm", "pgd"]), default="ascent", show_default=True)
@click.option(
    "--eps",
    metavar="8/255",
    callback=_budget,
    help="fgsm, pgd: no pixel changes by more, on the scale 0 to 1.  [default: 8/255]",
)
@click.option("--steps", type=counted(), help="ascent: at most so many [100]; pgd: so many [10].")
@click.option("--extra", type=counted(0), help="ascent: steps after the first success.  [default: 2]")
@click.option(
    "--step-size",
    type=click.FloatRange(0, 100, min_open=True),
    callback=finite,
    help="ascent: the length of a step, L2 [0.1]; pgd: of each pixel's [2.5 eps / steps].",
)
@click.option("--restarts", type=counted(), help="pgd: the best of so many starts.  [default: 1]")
@seed_option("pgd: of the random starts.")
@click.option(
    "--save",
    type=OutputPath(folder=True),
    callback=_saved,
    metavar="FOLDER|FILE.png",
    help="Write the adversarial images themselves, in 8 bits.",
)
@click.option("--difference-only", is_flag=True, help="Draw no images, only the differences.")
@weights_option
@device_option
@format_option
def attack(
    run: Path,
    images: tuple[str, ...],
    target: str | None,
    output: Path,
    method: Method,
    seed: int,
    save: Path | None,
    difference_only: bool,
    weights: Which,
    device: str,
    form: str,
    **options: Any,
) -> None:
    """Change images a little until the network sees something else in them.

    ascent climbs the score of the target until it is predicted. fgsm and pgd take one step, or several, in
    the direction of the gradient's sign, and keep within --eps; without --target they lead away from what
    is predicted now. The picture shows the image, the adversarial one and their difference, magnified.

    Exit status 1 where an image isn't predicted as wanted; the picture is drawn all the same.
    """
    settings = {name: value for name, value in options.items() if value is not None}
    if excess := [name for name in settings if name not in SETTINGS[method]]:
        raise click.UsageError(f"--{excess[0].replace('_', '-')} is not for --method {method}: leave it out")
    if target is None and method == "ascent":
        raise click.UsageError("--method ascent needs the answer that is wanted: add --target CLASS")

    from rich.console import Console

    from netdsl.inspect.opening import of_run
    from netdsl.inspect.pictures import read, require_class, write_image
    from netdsl.inspect.sheets.attacks import attack_pictures, files_in, write_attacked
    from netdsl.runtime.plot import require_format
    from netdsl.runtime.speed import choose_device
    from netdsl.trained.open_run import open_run

    with errors_shown():
        require_format(output)
        opened, console = open_run(run), Console(stderr=True)
        model = of_run(opened, weights, choose_device(device))
        wanted = None if target is None else require_class(target, model.classes)
        pictures = read(images, opened, weights, console)
        files = files_in(save, pictures) if save else []
        require_outputs([output, *files], images)
        found = attack_pictures(model, pictures, method, wanted, settings, seed, console)
        write_attacked(found, output, difference_only)
        for attacked, file in zip(found, files, strict=False):
            write_image(attacked.rounded, file)
    if form == "json":
        print_json([_record(attacked) for attacked in found])
    else:
        _print(found, saved=bool(files))
        print_written(output, *files)
    if resisting := [printable(attacked.name) for attacked in found if not attacked.reached]:
        what = f"not predicted as `{printable(target)}`" if target else "predicted as before"
        fail(f"{what}: {', '.join(resisting)}", WAYS_OUT[method])


def _print(found: Sequence[Attacked], saved: bool) -> None:
    """A row an image, with the answers to it, to the adversarial one, and to that in a file of 8 bits."""
    columns: list[tuple[str, Align]] = [("image", "left"), ("before", "left"), ("", "right")]
    columns += [("after", "left"), ("", "right"), ("steps", "right"), ("L2", "right"), ("Linf", "right")]
    columns += [("saved", "left"), ("", "right")] if saved else []
    rows = []
    for attacked in found:
        size = [str(attacked.steps), f"{attacked.l2:.3f}", _in_255ths(attacked.largest)]
        row = [printable(attacked.name), *_cells(attacked.before), *_cells(attacked.after), *size]
        rows.append(row + _cells(attacked.answer_rounded) if saved else row)
    print_table(columns, rows)


def _cells(answer: Answer) -> list[str]:
    return [printable(answer.name), percent(answer.probability)]


def _record(attacked: Attacked) -> dict[str, object]:
    answers = {
        when: answer_record(*answer)
        for when, answer in (
            ("before", attacked.before),
            ("after", attacked.after),
            ("in_8_bits", attacked.answer_rounded),
        )
    }
    facts = {"reached": attacked.reached, "steps": attacked.steps}
    return {"image": attacked.name, **answers, **facts, "l2": attacked.l2, "linf": attacked.largest}


@click.command()
@click.argument(
    "runs",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
    metavar="RUN...",
    shell_complete=complete_runs,
)
@click.option(
    "--eps",
    "budgets",
    metavar="1/255,2/255",
    callback=_budgets,
    default="1/255,2/255,4/255,8/255",
    show_default=True,
    help="By how much each pixel may change, on the scale 0 to 1; 0 is there always.",
)
@click.option("-o", "--output", type=OutputPath(), metavar="PICTURE", help="Draw a curve.")
@click.option("--images", type=counted(), help="Only so many, evenly out of all test images.")
@click.option("--steps", type=counted(), default=10, show_default=True, help="Of each attack.")
@click.option("--restarts", type=counted(), default=1, show_default=True, help="Of each attack.")
@seed_option("Of the random starts.")
@weights_option
@device_option
@format_option
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
    """Accuracy on the test images where each is attacked by PGD, for several budgets.

    The attack is untargeted, in the L-infinity norm, from a random start, in steps of 2.5 eps / steps. An
    image that is taken for something else within a budget is not attacked again within a larger one.
    """
    from rich.console import Console

    from netdsl.inspect.opening import of_run
    from netdsl.inspect.sheets.robustness import Setting, withstood, write_curves
    from netdsl.runtime.plot import require_format
    from netdsl.runtime.speed import choose_device
    from netdsl.trained.open_run import open_run

    if repeated := [run for at, run in enumerate(runs) if run.resolve() in map(Path.resolve, runs[:at])]:
        raise click.UsageError(f"{printable(repeated[0])} is named twice: leave one out")
    numbers = [float(budget) for budget in budgets]
    names = [run.resolve().name for run in runs]
    labels = [name if names.count(name) == 1 else str(run) for run, name in zip(runs, names, strict=True)]
    with errors_shown():
        if output:
            require_format(output)
            require_outputs([output])
        on, console = choose_device(device), Console(stderr=True)
        opened = [open_run(run) for run in runs]
        models = [of_run(run, weights, on) for run in opened]
        attacked_by = Setting(numbers, images, steps, restarts, seed)
        measured = [
            withstood(run, weights, model, attacked_by, console)
            for run, model in zip(opened, models, strict=True)
        ]
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
        click.echo(f"accuracy under PGD within eps (Linf): {how}, seed {seed}")
        if output:
            print_written(output)


def _print_accuracies(labels: Sequence[str], measured: Sequence[Sequence[Withstood]]) -> None:
    """A row a budget, a column a run."""
    columns: list[tuple[str, Align]] = [("eps", "right")]
    columns += [(printable(label), "right") for label in labels]
    budgets = zip(*measured, strict=True)
    print_table(
        columns, [[_in_255ths(same[0].eps), *(percent(row.accuracy) for row in same)] for same in budgets]
    )


def _curve(run: Path, rows: Sequence[Withstood]) -> dict[str, object]:
    points = [{"eps": row.eps, "right": row.right, "accuracy": row.accuracy} for row in rows]
    return {"run": str(run), "images": rows[0].images, "points": points}


def _in_255ths(value: float) -> str:
    return f"{255 * value:.4g}/255" if value else "0"
