"""`netdsl train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netdsl.commands.shared_completion import complete_networks, complete_runs
from netdsl.commands.shared_errors import errors_shown, one_speaks
from netdsl.commands.shared_experiments import finish
from netdsl.commands.shared_networks import compiled_network
from netdsl.commands.shared_options import (
    counted,
    data_override,
    one_file,
    pairs,
    recipe_overrides,
    setting_options,
    speed_options,
    speed_request,
)

if TYPE_CHECKING:
    from netdsl.runtime.speed import SpeedRequest


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument(
    "arguments",
    nargs=-1,
    type=click.UNPROCESSED,
    metavar="FILE... [--KEY VALUE]...",
    shell_complete=complete_networks,
)
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
@click.option("--seeds", type=click.IntRange(1), metavar="N", help="Train N times, from --seed on.")
@click.option(
    "--overfit", type=counted(2), metavar="N", help="Only try whether N images can be learnt by heart."
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="RUN",
    shell_complete=complete_runs,
    help="Go on with a run or an experiment; no FILE then.",
)
@click.option("--tensorboard", is_flag=True, help="Write the measurements for TensorBoard too.")
@speed_options
@setting_options
def train(
    arguments: tuple[str, ...],
    data: str | None,
    style: str | None,
    run: Path | None,
    seeds: int | None,
    overfit: int | None,
    resume: Path | None,
    tensorboard: bool,
    settings: tuple[str, ...],
    shape: str | None,
    epochs: str | None,
    batch: str | None,
    seed: str | None,
    **request: Any,
) -> None:
    """Train a network as its recipe says, or several of them.

    Several FILEs or --seeds make an experiment: all runs one after the other in one folder, with a
    table, curves and experiment.json in the end. Exit status 1 where a run diverged.

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
        given: dict[str, object] = {"FILE": files, "--run": run, "--style": style, "--set": settings}
        given |= {"--input": shape, "--seeds": seeds, "--overfit": overfit}
        _go_on(resume, given, overrides, speed_request(request), tensorboard)
        return
    if overfit is not None:
        one_file(files)
        if excess := [name for name, value in {"--run": run, "--seeds": seeds}.items() if value]:
            raise click.UsageError(f"--overfit leaves no run behind: leave out {', '.join(excess)}")
    parameters = pairs(settings, shape)
    with one_speaks():
        networks = [compiled_network(file, parameters, overrides) for file in files or [one_file(files)]]

    from netdsl.runtime.distributed import joined
    from netdsl.training.experiment import require_one_process, run_experiment
    from netdsl.training.overfit import overfit as try_to_overfit
    from netdsl.training.plan import entries
    from netdsl.training.train_run import train_run

    form, how = style or "module", speed_request(request)
    with errors_shown(), joined(how.device) as world:
        if overfit is not None:
            require_one_process(world, "overfitting is tried")
            try_to_overfit(networks[0], parameters, overrides, form, overfit, how)
        elif len(networks) > 1 or (seeds or 1) > 1:
            require_one_process(world, "an experiment is trained")
            planned = entries(networks, parameters, overrides, seeds or 1)
            finish(*run_experiment(planned, form, run, how, tensorboard))
        else:
            train_run(networks[0], parameters, overrides, form, run, how, world, tensorboard)


def _go_on(
    folder: Path,
    given: dict[str, object],
    overrides: dict[str, str],
    request: SpeedRequest,
    tensorboard: bool,
) -> None:
    """`--resume`; `given` are the options that don't go with it."""
    from netdsl.runtime.distributed import joined
    from netdsl.training.experiment import require_one_process, resume_experiment
    from netdsl.training.plan import PLAN
    from netdsl.training.train_run import resume_run

    experiment = (folder / PLAN).exists()
    if experiment:
        given |= {f"--{key}": value for key, value in overrides.items()}
    if excess := [name for name, value in given.items() if value]:
        what = "an experiment" if experiment else "a run"
        raise click.UsageError(f"--resume goes on with {what} as it was: leave out {', '.join(excess)}")
    with errors_shown(), joined(request.device) as world:
        if experiment:
            require_one_process(world, "an experiment is trained")
            finish(*resume_experiment(folder, request, tensorboard))
        else:
            resume_run(folder, overrides, request, world, tensorboard)
