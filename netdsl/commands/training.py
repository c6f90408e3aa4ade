"""`netdsl train` and `netdsl eval`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netdsl.commands.errors import INPUT_ERROR, errors_shown, one_speaks
from netdsl.commands.networks import compiled_network
from netdsl.options import (
    data_override,
    device_option,
    one_file,
    pairs,
    recipe_overrides,
    setting_options,
    speed_options,
    weights_option,
)

if TYPE_CHECKING:
    from netdsl.runtime.speed import Wishes
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
    help="The form of the code that is trained.  [default: module]",
)
@click.option(
    "--run", type=click.Path(path_type=Path), help="The run's folder.  [default: runs/NAME, numbered]"
)
@click.option(
    "--resume", type=click.Path(path_type=Path), metavar="RUN", help="Go on with a run; no FILE then."
)
@click.option("--tensorboard", is_flag=True, help="Write the measurements for TensorBoard too.")
@speed_options
@setting_options
def train(
    arguments: tuple[str, ...],
    data: str | None,
    style: str | None,
    run: Path | None,
    resume: Path | None,
    tensorboard: bool,
    settings: tuple[str, ...],
    shape: str | None,
    epochs: str | None,
    batch: str | None,
    seed: str | None,
    **wishes: Any,
) -> None:
    """Train a network as its recipe says.

    Every key of the recipe can be overridden, also --validation 5000, --optimizer.lr 0.05,
    --optimizer 'adam(lr=1e-3)', --schedule 'step(at=[6, 8], factor=0.1)', --augment 'flip, crop(4)'.

    --precision, --compile and the like say how it is computed; `auto` chooses for this machine.

    Several processes, on one machine or more: torchrun --nproc-per-node gpu -m netdsl train FILE
    """
    files, overrides = recipe_overrides(arguments)
    common = {"epochs": epochs, "batch": batch, "seed": seed}
    overrides |= {key: value for key, value in common.items() if value is not None}
    if data is not None:
        overrides["data"] = data_override(data)
    if resume is not None:
        given = {"FILE": files, "--run": run, "--style": style, "--set": settings, "--input": shape}
        if excess := [name for name, value in given.items() if value]:
            raise click.UsageError(f"--resume goes on with a run as it was: leave out {', '.join(excess)}")
        from netdsl.runtime.world import joined
        from netdsl.training.run import resume_run

        with errors_shown(), joined(wishes["device"]) as world:
            resume_run(resume, overrides, _wishes(wishes), world, tensorboard)
        return
    parameters = pairs(settings, shape)
    with one_speaks():
        compiled = compiled_network(one_file(files), parameters, overrides)

    from netdsl.runtime.world import joined
    from netdsl.training.run import train_run

    with errors_shown(), joined(wishes["device"]) as world:
        train_run(
            compiled, parameters, overrides, style or "module", run, _wishes(wishes), world, tensorboard
        )


def _wishes(options: dict[str, Any]) -> Wishes:
    from netdsl.runtime.speed import Wishes

    return Wishes(**options)


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--run", "new", type=click.Path(path_type=Path), help="The new folder.  [default: RUN-again]")
def reproduce(run: Path, new: Path | None) -> None:
    """Train a run again from its record, and compare. Exit status 1 where the results differ."""
    from netdsl.runtime.world import joined
    from netdsl.training.reproduce import reproduce_run

    with errors_shown(), joined() as world:
        same = reproduce_run(run, new or run.with_name(run.resolve().name + "-again"), world)
    sys.exit(0 if same else INPUT_ERROR)


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
