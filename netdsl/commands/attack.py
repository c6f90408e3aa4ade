"""`netdsl attack`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from mimetypes import guess_type
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netdsl.commands.shared_errors import fail
from netdsl.commands.shared_inspect import (
    answer_cells,
    answer_records,
    in_255ths,
    inspect_options,
    inspecting,
    print_results,
    read_budget,
    real_option,
)
from netdsl.commands.shared_options import counted, images_argument, run_argument, seed_option
from netdsl.commands.shared_outputs import OutputPath, picture_option, require_outputs

if TYPE_CHECKING:
    from netdsl.inspect.sheets.attacks import Attacked, Method
    from netdsl.trained.open_run import Which

# The options of each method: arguments of its function in `netdsl.inspect`.
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
COLUMNS = ("image", "before", ">", "after", ">", ">steps", ">L2", ">Linf")
# Only with --save: the prediction for the image in a file of 8 bits.
SAVED = ("saved", ">")


def _budget(context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    return None if text is None else float(read_budget(text))


def _saved(context: click.Context, parameter: click.Parameter, place: Path | None) -> Path | None:
    kind = guess_type(place.name)[0] if place else None
    if place and kind and kind.startswith("image/") and kind != "image/png" and not place.is_dir():
        raise click.BadParameter(f"images are saved without loss: write {place.with_suffix('.png')}")
    return place


@click.command()
@run_argument
@images_argument
@click.option("--target", metavar="CLASS", help="The class to be predicted.")
@picture_option
@click.option("--method", type=click.Choice(["ascent", "fgsm", "pgd"]), default="ascent")
@click.option(
    "--eps",
    metavar="8/255",
    callback=_budget,
    help="fgsm, pgd: the largest change of a pixel, on the scale 0 to 1.  [default: 8/255]",
)
@click.option("--steps", type=counted(), help="ascent: the most steps [100]; pgd: the number of steps [10].")
@click.option("--extra", type=counted(0), help="ascent: steps after the first success.  [default: 2]")
@real_option(
    "--step-size",
    0,
    100,
    min_open=True,
    help="ascent: the L2 length of a step [0.1]; pgd: its size for each pixel [2.5 eps / steps].",
)
@click.option("--restarts", type=counted(), help="pgd: the number of random starts.  [default: 1]")
@seed_option("pgd: for the random starts.")
@click.option(
    "--save",
    type=OutputPath(folder=True),
    callback=_saved,
    metavar="FOLDER|FILE.png",
    help="Save the adversarial images, in 8 bits.",
)
@click.option("--difference-only", is_flag=True, help="Draw only the differences, not the images.")
@inspect_options
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

    ascent increases the score of the target until it is predicted. fgsm and pgd take one step, or several,
    in the direction of the gradient's sign, and stay within --eps; without --target they decrease the score
    of the class predicted now. The picture shows each image, its adversarial version, and the difference,
    magnified.

    Exit status 1 if the attack fails on an image; the picture is drawn in any case.
    """
    settings = {name: value for name, value in options.items() if value is not None}
    if excess := [name for name in settings if name not in SETTINGS[method]]:
        raise click.UsageError(
            f"--{excess[0].replace('_', '-')} is not an option of --method {method}: remove it"
        )
    if target is None and method == "ascent":
        raise click.UsageError("--method ascent needs a target: add --target CLASS")

    from netdsl.inspect.pictures import read, write_image
    from netdsl.inspect.sheets.attacks import attack_pictures, files_in, write_attacked

    with inspecting([run], weights, device, [output], images) as (inspected,):
        wanted = None if target is None else inspected.class_numbers([target])[0]
        pictures = read(images, inspected)
        files = files_in(save, pictures) if save else []
        require_outputs([output, *files], images)
        found = attack_pictures(inspected, pictures, method, wanted, settings, seed)
        write_attacked(found, output, difference_only)
        for attacked, file in zip(found, files, strict=False):
            write_image(attacked.rounded, file)
    headings = COLUMNS + SAVED if files else COLUMNS
    print_results(
        form, found, headings, lambda attacked: _row(attacked)[: len(headings)], _record, output, *files
    )
    if resisting := [attacked.name for attacked in found if not attacked.reached]:
        what = f"not predicted as `{target}`" if target else "predicted as before"
        fail(f"{what}: {', '.join(resisting)}", WAYS_OUT[method])


def _row(attacked: Attacked) -> list[str]:
    size = [str(attacked.steps), f"{attacked.l2:.3f}", in_255ths(attacked.largest)]
    before, after, saved = map(answer_cells, (attacked.before, attacked.after, attacked.answer_rounded))
    return [attacked.name, *before, *after, *size, *saved]


def _record(attacked: Attacked) -> dict[str, object]:
    return {
        "image": attacked.name,
        **answer_records(before=attacked.before, after=attacked.after, in_8_bits=attacked.answer_rounded),
        "reached": attacked.reached,
        "steps": attacked.steps,
        "l2": attacked.l2,
        "linf": attacked.largest,
    }
