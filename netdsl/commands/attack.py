"""`netdsl attack`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from mimetypes import guess_type
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netdsl.commands.shared_budgets import in_255ths, read_budget
from netdsl.commands.shared_completion import complete_runs
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


def _budget(context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    return None if text is None else float(read_budget(text))


def _saved(context: click.Context, parameter: click.Parameter, place: Path | None) -> Path | None:
    kind = guess_type(place.name)[0] if place else None
    if place and kind and kind.startswith("image/") and kind != "image/png" and not place.is_dir():
        raise click.BadParameter(
            f"images are saved without loss: write {printable(place.with_suffix('.png'))}"
        )
    return place


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
    """Change images slightly so that they are misclassified.

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
        size = [str(attacked.steps), f"{attacked.l2:.3f}", in_255ths(attacked.largest)]
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
