"""`netdsl train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netdsl.commands.shared_completion import complete_networks, complete_runs
from netdsl.commands.shared_errors import errors_shown, one_speaks
from netdsl.commands.shared_experiments import finish
from netdsl.commands.shared_help import GroupedOptionsCommand, option_group
from netdsl.commands.shared_networks import compiled_network
from netdsl.commands.shared_options import (
    PATH,
    one_file,
    pairs,
    recipe_options,
    recipe_overrides,
    setting_options,
    speed_options,
)
from netdsl.commands.shared_tables import waiting
from netdsl.runtime.logger_names import LOGGERS

if TYPE_CHECKING:
    with waiting("loading torch"):
        from netdsl.runtime.speed import SpeedRequest
        from netdsl.training.train_run import Watchers


@click.command(cls=GroupedOptionsCommand, context_settings={"ignore_unknown_options": True})
@click.argument(
    "arguments",
    nargs=-1,
    type=click.UNPROCESSED,
    metavar="FILE... [--KEY VALUE]...",
    shell_complete=complete_networks,
)
@recipe_options
@option_group(
    "Run",
    click.option("--run", type=PATH, help="Folder of the run.  [default: runs/NAME]"),
    click.option(
        "--style",
        type=click.Choice(["module", "functional", "sequential"]),
        help="Style of the code.  [default: module]",
    ),
    click.option("--seeds", type=click.IntRange(1), metavar="N", help="Train N times, from --seed on."),
    click.option(
        "--overfit",
        type=click.IntRange(2, 1000),
        metavar="N",
        help="Only test whether it can learn N images.",
    ),
    click.option(
        "--resume",
        type=PATH,
        metavar="RUN",
        shell_complete=complete_runs,
        help="Continue a run or an experiment.",
    ),
    click.option(
        "--log",
        "loggers",
        multiple=True,
        type=click.Choice([*LOGGERS, "none"]),
        help="Also write the metrics for this program. Repeatable.",
    ),
)
@speed_options
@setting_options
def train(
    arguments: tuple[str, ...],
    style: str | None,
    run: Path | None,
    seeds: int | None,
    overfit: int | None,
    resume: Path | None,
    loggers: tuple[str, ...],
    settings: tuple[str, ...],
    shape: str | None,
    **options: Any,
) -> None:
    """Train a network, or several as an experiment.

    Several FILEs or --seeds are an experiment: they are trained one after the other into one folder,
    with a table, curves and experiment.json. The exit status is 1 if a run diverges.

    \b
    Options override the recipe:
      --data folder:images --optimizer.lr 0.05 --optimizer 'adam(lr=1e-3)'
      --schedule 'step(at=[6, 8], factor=0.1)' --augment 'flip, crop(4)'
      --batch auto        the largest batch that fits into memory

    \b
    Several GPUs, or several machines:
      torchrun --nproc-per-node gpu -m netdsl train FILE
    """
    from netdsl.language.recipe import KEYS

    files, overrides = recipe_overrides(arguments, {key: options.pop(key) for key in KEYS})

    with waiting("loading torch"):
        from netdsl.inspect.run_pictures import RunPictures
        from netdsl.runtime.speed import SpeedRequest
        from netdsl.training.train_run import Watchers

    largest = overrides.get("batch") == "auto" and bool(overrides.pop("batch"))
    how, watchers = SpeedRequest(**options, largest_batch=largest or None), Watchers(loggers, [RunPictures()])
    if resume is not None:
        given: dict[str, object] = {"FILE": files, "--run": run, "--style": style, "--set": settings}
        given |= {"--input": shape, "--seeds": seeds, "--overfit": overfit, "--batch auto": largest}
        _go_on(resume, given, overrides, how, watchers)
        return
    if overfit is not None:
        one_file(files)
        of_runs = {"--run": run, "--seeds": seeds, "--batch auto": largest}
        if excess := [name for name, value in of_runs.items() if value]:
            raise click.UsageError(f"--overfit writes no run: remove {', '.join(excess)}")
    parameters = pairs(settings, shape)
    with one_speaks():
        networks = [compiled_network(file, parameters, overrides) for file in files or [one_file(files)]]

    from netdsl.runtime.distributed import joined
    from netdsl.training.experiment import run_experiment
    from netdsl.training.overfit import overfit as try_to_overfit
    from netdsl.training.plan import entries
    from netdsl.training.train_run import train_run

    form = style or "module"
    with errors_shown(), joined(how.device) as processes:
        if overfit is not None:
            processes.require_one("overfitting is tried")
            try_to_overfit(networks[0], overrides, form, overfit, how)
        elif len(networks) > 1 or (seeds or 1) > 1:
            processes.require_one("an experiment is trained")
            planned = entries(networks, overrides, seeds or 1)
            finish(*run_experiment(planned, form, run, how, watchers))
        else:
            train_run(networks[0], overrides, form, run, how, processes, watchers)


def _go_on(
    folder: Path,
    given: dict[str, object],
    overrides: dict[str, str],
    request: SpeedRequest,
    watchers: Watchers,
) -> None:
    """`--resume`; `given` are the options that can't be combined with it."""
    from netdsl.runtime.distributed import joined
    from netdsl.training.experiment import resume_experiment
    from netdsl.training.plan import PLAN
    from netdsl.training.train_run import resume_run

    experiment = (folder / PLAN).exists()
    if experiment:
        given |= {f"--{key}": value for key, value in overrides.items()}
    if excess := [name for name, value in given.items() if value]:
        what = "an experiment" if experiment else "a run"
        raise click.UsageError(f"--resume continues {what} with its own settings: remove {', '.join(excess)}")
    with errors_shown(), joined(request.device) as processes:
        if experiment:
            processes.require_one("an experiment is trained")
            finish(*resume_experiment(folder, request, watchers))
        else:
            resume_run(folder, overrides, request, processes, watchers)
