"""`netdsl train` and `netdsl eval`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdsl.commands.errors import errors_shown
from netdsl.commands.networks import compiled_network
from netdsl.options import (
    data_override,
    device_option,
    pairs,
    recipe_overrides,
    setting_options,
    weights_option,
)

if TYPE_CHECKING:
    from netdsl.trained.run import Which


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="FILE [--KEY VALUE]...")
@click.option("--data", metavar="KIND", help="cifar10, cifar100, digits, or folder:PATH.")
@click.option("--epochs", metavar="N", help="How often each training image is seen.")
@click.option("--batch", metavar="N", help="Images in a batch.")
@click.option("--seed", metavar="N", help="The same seed gives the same result on the same machine.")
@click.option(
    "--style",
    type=click.Choice(["module", "functional", "sequential"]),
    default="module",
    show_default=True,
    help="The form of the code that is trained.",
)
@device_option
@click.option(
    "--run", type=click.Path(path_type=Path), help="The run's folder.  [default: runs/NAME, numbered]"
)
@click.option("--tensorboard", is_flag=True, help="Write the measurements for TensorBoard too.")
@setting_options
def train(
    arguments: tuple[str, ...],
    data: str | None,
    style: str,
    device: str,
    run: Path | None,
    tensorboard: bool,
    settings: tuple[str, ...],
    shape: str | None,
    **common: str | None,
) -> None:
    """Train a network as its recipe says.

    Every key of the recipe can be overridden, also --validation 5000, --optimizer.lr 0.05,
    --optimizer 'adam(lr=1e-3)', --schedule 'step(at=[6, 8], factor=0.1)', --augment 'flip, crop(4)'.
    """
    file, overrides = recipe_overrides(arguments)
    overrides |= {key: value for key, value in common.items() if value is not None}
    if data is not None:
        overrides["data"] = data_override(data)
    parameters = pairs(settings, shape)
    compiled = compiled_network(file, parameters, overrides)

    from netdsl.runs import train_run

    with errors_shown():
        train_run(compiled, parameters, overrides, style, run, device, tensorboard)


@click.command(name="eval")
@click.argument("run", type=click.Path(path_type=Path))
@weights_option
@click.option("--data", metavar="KIND", help="Other data: cifar10, cifar100, digits, folder:PATH.")
@device_option
def evaluate(run: Path, weights: Which, data: str | None, device: str) -> None:
    """Loss and accuracy of a run's weights on the test images."""
    from netdsl.trained.evaluate import evaluate_run

    other_data = None if data is None else data_override(data)
    with errors_shown():
        evaluate_run(run, weights, other_data, device)
