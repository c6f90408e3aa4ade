"""`netdsl train A.net B.net --seeds 5`: networks and seeds, trained one after the other in one folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from signal import Signals

from rich.console import Console

from netdsl.compiler import Style
from netdsl.network import CompiledNetwork
from netdsl.runtime import report
from netdsl.runtime.console import say
from netdsl.runtime.errors import Diverged, Interrupted, RunError
from netdsl.runtime.images import RULES
from netdsl.runtime.plot import drawn_if_possible
from netdsl.runtime.run_files import CHECKPOINT, locked
from netdsl.runtime.speed import SpeedRequest, choose
from netdsl.trained.open_run import convolutions
from netdsl.trained.run_settings import NETWORK_FILE, RUN_FILE, require_style
from netdsl.training import results
from netdsl.training.dataset_cache import DatasetCache
from netdsl.training.plan import PLAN, Entry, Plan
from netdsl.training.results import NetworkResult
from netdsl.training.train_run import NO_WATCHERS, Watchers, free_folder, resume_run, train_run


def run_experiment(
    entries: Sequence[Entry],
    style: str,
    folder: Path | None,
    request: SpeedRequest,
    watchers: Watchers = NO_WATCHERS,
) -> tuple[Path, list[NetworkResult]]:
    """Trains each network with each of its seeds; returns the folder and the results.

    The data of all networks are read before the first training. A run that diverges counts as failed, and
    the others continue. Raises RunError if the experiment can't start or continue, NetworkError if a network
    has errors, and Interrupted on Ctrl-C or SIGTERM.
    """
    folder = folder or free_folder("experiment")
    _require_new(folder)
    plan = Plan(require_style(style), request, list(entries), RULES)
    inputs, console = DatasetCache(), Console()
    for entry in plan.entries:
        network = CompiledNetwork(entry.compiled(entry.seeds[0]))
        inputs.of(network, request, choose(request, convolutions(network)), console)
    with locked(folder):
        _require_new(folder)
        plan.write(folder)
        return folder, _go_on(folder, plan, request, watchers, inputs, console)


def _require_new(folder: Path) -> None:
    """Raises RunError if a folder holds files. Hidden ones don't count: the lock and temporary files of an
    experiment that was killed before its plan was written.
    """
    if (folder / PLAN).exists():
        raise RunError(
            f"{folder} already holds an experiment", f"continue it: `netdsl train --resume {folder}`"
        )
    if folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir()):
        raise RunError(f"{folder} already holds files", "choose another folder: `--run`")


def resume_experiment(
    folder: Path, request: SpeedRequest, watchers: Watchers = NO_WATCHERS
) -> tuple[Path, list[NetworkResult]]:
    """Continues an experiment: complete and failed runs are kept, an interrupted one is resumed.

    Options that are not given stay as they were. Raises the errors of `run_experiment`.
    """
    with locked(folder):
        plan = Plan.read(folder)
        others = {
            name: requested for name, requested in asdict(request).items() if requested not in ("auto", None)
        }
        request = replace(plan.request, **others)
        return folder, _go_on(folder, plan, request, watchers, DatasetCache(plan.rules), Console())


def _go_on(
    folder: Path,
    plan: Plan,
    request: SpeedRequest,
    watchers: Watchers,
    inputs: DatasetCache,
    console: Console,
) -> list[NetworkResult]:
    failures = results.read_failures(folder)
    way_out = f"continue with `netdsl train --resume {folder}`"
    count = len(list(plan.runs()))
    try:
        for number, (entry, seed) in enumerate(plan.runs(), 1):
            run = folder / entry.folder(seed)
            if run.name in failures or report.read(run) is not None:
                continue
            say(console, "")
            say(console, f"{number} of {count}: {run.name}")
            try:
                _train(run, entry, seed, plan.style, request, watchers, inputs)
            except Diverged as error:  # The same seed would diverge again.
                failures[run.name] = str(error)
                say(console, f"{run.name} failed: {error}")
            results.write(folder, results.collect(folder, plan, failures))
    except Interrupted as error:
        error.help = way_out
        raise
    except KeyboardInterrupt:  # Between two trainings.
        message = "stopped by Ctrl-C between two runs; all of it is saved"
        raise Interrupted(message, way_out, Signals.SIGINT) from None
    found = results.collect(folder, plan, failures)
    results.write(folder, found)
    with drawn_if_possible(console):
        results.draw(folder, found)
    return found


def _train(
    run: Path,
    entry: Entry,
    seed: int,
    style: Style,
    request: SpeedRequest,
    watchers: Watchers,
    inputs: DatasetCache,
) -> None:
    if (run / CHECKPOINT).exists():
        resume_run(run, {}, request, watchers=watchers, inputs=inputs)
        return
    for name in (NETWORK_FILE, RUN_FILE):  # Of a process that was killed before its first checkpoint.
        (run / name).unlink(missing_ok=True)
    train_run(
        entry.compiled(seed),
        entry.overridden(seed),
        style,
        run,
        request,
        watchers=watchers,
        inputs=inputs,
    )
