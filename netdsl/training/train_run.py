"""`netdsl train`: a new run, or one resumed from its checkpoint."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from netdsl.base.names import numbered
from netdsl.compiler import Compiled
from netdsl.language.recipe import FIXED, Recipe
from netdsl.network import CompiledNetwork
from netdsl.runtime import report
from netdsl.runtime.callback import Beginning, Callback, Callbacks
from netdsl.runtime.checkpoint import Checkpoint
from netdsl.runtime.console import say, user_console
from netdsl.runtime.distributed import ALONE, Processes
from netdsl.runtime.errors import RunError
from netdsl.runtime.layout import Convolution, choose_layout
from netdsl.runtime.logger_names import LOGGERS
from netdsl.runtime.loggers import Csv, create_loggers
from netdsl.runtime.metrics import METRICS, scores_text
from netdsl.runtime.run_files import CHECKPOINT, Run, locked, require_new
from netdsl.runtime.speed import Speed, SpeedRequest, choose, choose_device
from netdsl.runtime.speed_choices import SPEED_CHOICES
from netdsl.runtime.storage import read_json, write_atomic, write_json
from netdsl.runtime.train import Report, Training, is_complete
from netdsl.trained.failure import failures_located
from netdsl.trained.open_run import convolutions, create_model
from netdsl.trained.run_settings import NETWORK_FILE, RUN_FILE, require_style
from netdsl.training.auto_batch import with_largest_batch
from netdsl.training.dataset_cache import DatasetCache
from netdsl.training.parts import Parts
from netdsl.training.record import Record, recipe_record


@dataclass(frozen=True, slots=True)
class Watchers:
    """Watchers of a training: `loggers` by name, `callbacks`, and a console unless `quiet`."""

    loggers: Sequence[str] = ()
    callbacks: Sequence[Callback] = ()
    quiet: bool = False

    @property
    def names(self) -> list[str]:
        """The loggers that a run has: `none` is not one."""
        return [name for name in LOGGERS if name in self.loggers]

    def created(self) -> list[Callback]:
        """The loggers and callbacks. Raises RunError if the extra of a logger is not installed."""
        return [*create_loggers(self.names), *self.callbacks]

    def resumed(self, how: Mapping[str, object]) -> Watchers:
        """Those of a resumed run: without other loggers, those that it had; `none` is an empty one."""
        before = how.get("log")
        return replace(self, loggers=self.loggers or (before if isinstance(before, list) else []))


NO_WATCHERS = Watchers()


def train_run(
    compiled: Compiled,
    overrides: Mapping[str, str],
    style: str,
    folder: Path | None,
    request: SpeedRequest,
    processes: Processes = ALONE,
    watchers: Watchers = NO_WATCHERS,
    inputs: DatasetCache | None = None,
) -> Report:
    """Trains the network into a run folder, and prints the results. Raises RunError.

    Of several processes the first one writes and prints. `inputs` is shared by successive runs.
    """
    console = user_console(watchers.quiet or not processes.first)
    callbacks = watchers.created()
    network = CompiledNetwork(compiled)
    folder = folder or free_folder(network.name)
    if processes.first:
        _require_new(folder)
    inputs = inputs or DatasetCache()
    reasons: tuple[str, ...] = ()
    if request.largest_batch:
        processes.require_one("the largest batch is tried")
        compiled, overrides, reason = with_largest_batch(
            compiled, overrides, require_style(style), request, console, inputs
        )
        network, reasons = CompiledNetwork(compiled), (reason,)
    parts = Parts.new(network, require_style(style), request, console, processes, inputs)
    parts = replace(parts, speed=replace(parts.speed, reasons=(*reasons, *parts.speed.reasons)))
    fingerprint = parts.data.fingerprint()
    record = Record.of(compiled, parts.style, overrides, fingerprint, inputs.rules, parts.initial)
    _require_same(processes, record, parts.speed)
    run = Run(folder, record.to_json(), how={"log": watchers.names}, processes=processes)
    training = parts.training(run, request, console)
    with _locked(folder, processes):
        if processes.first:
            _require_new(folder)
        return _trained(training, network, record, callbacks)


def resume_run(
    folder: Path,
    overrides: Mapping[str, str],
    request: SpeedRequest,
    processes: Processes = ALONE,
    watchers: Watchers = NO_WATCHERS,
    inputs: DatasetCache | None = None,
) -> Report:
    """Resumes a run from its checkpoint. Raises RunError, and NetworkError for invalid overrides.

    Options that are not given stay as they were: on the CPU in fp32 the result is then bit for bit that of
    a run that was never stopped. Of several processes the first one reads the folder.
    """
    console = user_console(watchers.quiet or not processes.first)
    if processes.first:
        Checkpoint.require(folder / CHECKPOINT)  # Before the lock, which creates the folder.
    with _locked(folder, processes):
        found = processes.broadcast(Checkpoint.read(folder / CHECKPOINT) if processes.first else None)
        assert found is not None
        run, progress = Run.resumed(folder, found, processes)
        complete = processes.broadcast(processes.first and (folder / report.FILE).exists())
        before = Record.of_checkpoint(run.record, folder / CHECKPOINT)
        if processes.first:
            _require_same_run(folder, before)
        network = CompiledNetwork(before.compiled(before.text, overrides))
        changes = _recipe_changes(before, network.recipe)
        layers = convolutions(network)
        request, others = as_before(run.how, request, layers, processes)
        speed = choose(request, layers, processes.local_rank)
        if complete and is_complete(run.rows, network.recipe):
            early = progress.epoch < network.recipe.epochs
            longer = f"a longer patience: `--patience {2 * (network.recipe.patience or 1)}`"
            longer = longer if early else f"the total: `--epochs {2 * progress.epoch}`"
            raise RunError(
                f"the run in {folder} is complete, with {progress.epoch} epochs",
                f"to train it longer, give {longer}",
            )
        inputs = inputs or DatasetCache(before.rules)
        data = inputs.of(network, request, speed, console, processes)
        if data.fingerprint() != before.data:
            images, were = len(data.train), progress.of_images
            counts = f": {images:,} training images, not {were:,}" if images != were else ""
            raise RunError(
                f"the data are not those that the run in {folder} began with{counts}",
                "restore them, give their new path (`--data folder:PATH`), or start a new run",
            )
        place = f"at epoch {progress.epoch + 1}, image {progress.seen:,} of {progress.of_images:,}"
        for line in (f"{folder}: resumed {place}", *changes, *others):
            say(console, line)
        record = replace(
            before,
            overrides={**before.overrides, **overrides},
            recipe=recipe_record(network.recipe),
            network=network.name,
            code=network.source(before.style),
            changes=before.changes + [f"{place}: {change}" for change in changes + others],
        )
        run.record = record.to_json()
        _require_same(processes, record, speed)
        model = create_model(network, record.style, network.recipe.seed, speed.device)
        watchers = watchers.resumed(run.how)
        callbacks = watchers.created()
        run.how["log"] = watchers.names
        parts = Parts(network, record.style, speed, data, model, record.initial)
        training = parts.training(run, request, console)
        training.restore(found, progress)
        del found  # Its memory.
        if processes.first:
            report.remove(folder)  # That of the shorter run.
        return _trained(training, network, record, callbacks)


def _trained(
    training: Training, network: CompiledNetwork, record: Record, callbacks: Sequence[Callback]
) -> Report:
    """Trains, writes all files of the run and prints the report."""
    run, console = training.run, training.console
    if run.writes:
        _write_inputs(run.folder, network, record)
    watching = Callbacks([Csv(), *callbacks] if run.writes else [])
    with (
        closing(watching),
        failures_located(network, record.style, run.folder if run.writes else None),
    ):
        data, device = training.data, training.speed.device.type
        watching.begin(
            Beginning(run.folder, network.name, record.id, record.recipe, tuple(run.rows), data, device)
        )
        done = training.train(watching.epoch)
        if run.writes:
            report.write(run.folder, done)
        watching.end(done)
    which = "last"
    if done.validation_score is not None:
        which = "best"
        say(console, f"best validation {METRICS[done.metric]} {done.validation_score:.2%}")
    test = scores_text(done.test)
    say(console, f"test {test} ({len(training.data.test):,} images, {which} weights)")
    rate = f"{done.images_per_second:,.0f} images/s"
    say(console, f"{done.seconds:.0f} s, {rate}; the run is in {run.folder}")
    return done


def _recipe_changes(before: Record, recipe: Recipe) -> list[str]:
    """The changes of a resumed run's recipe, in words. Raises RunError if a change is not possible."""
    changes = []
    version = before.versions.get("netdsl", "")
    for key, value in json.loads(json.dumps(recipe_record(recipe))).items():
        was = before.recipe.get(key)
        if key == "optimizer" and "muon" in value and re.match(r"0\.[0-4]\.", version):
            raise RunError(
                f"the run began with netdsl {version}, whose `muon` trained the first layer too, and the "
                "rest by AdamW with other betas",
                "resume with that version, or start a new run",
            )
        if value == was or key == "data":  # The data's fingerprint is compared instead.
            continue
        if key in FIXED or (key == "optimizer" and _memory(was) != _memory(value)):
            raise RunError(
                f"a resumed run can't change its `{key}`, {json.dumps(was)} to {json.dumps(value)}",
                "keep its value, or start a new run",
            )
        changes.append(f"changed: {key} {json.dumps(was)} -> {json.dumps(value)}")
    return changes


def _memory(optimizer: Any) -> tuple[str, bool]:
    """The choices that an optimizer's state depends on: its kind, and whether SGD has a momentum."""
    match optimizer:
        case {**kinds} if len(kinds) == 1:
            ((kind, arguments),) = kinds.items()
            return str(kind), isinstance(arguments, dict) and bool(arguments.get("momentum"))
    return "", False


def as_before(
    how: Mapping[str, object],
    request: SpeedRequest,
    convolutions: Sequence[Convolution],
    processes: Processes = ALONE,
) -> tuple[SpeedRequest, list[str]]:
    """The request of a resumed run, where options that are not given stay as they were, and its changes."""
    kept: dict[str, Any] = {}
    changes = []
    for name in ("device", "precision", "layout", "fused", "compile", "batch_norm"):
        was, requested = str(how.get(name, "auto")), getattr(request, name)
        if was not in SPEED_CHOICES[name]:
            raise RunError(
                f"the checkpoint has the {name} `{was}`", f"use one of {', '.join(SPEED_CHOICES[name])}"
            )
        if name == "layout" and requested == "auto" and was == "channels_last":
            # The run may be from another machine, or from a version without this check.
            device = choose_device(kept["device"] if request.device == "auto" else request.device)
            precision = kept.get("precision", request.precision)
            safe, why = choose_layout(convolutions, device, precision=precision)
            if safe is torch.contiguous_format:
                changes.append(
                    f"changed: layout channels_last -> {why}: from here on numbers round differently"
                )
                continue
        if requested == "auto":
            kept[name] = was
        elif was not in ("auto", requested):
            changes.append(f"changed: {name} {was} -> {requested}: from here on numbers round differently")
    threads = how.get("threads")
    if threads not in (None, torch.get_num_threads()):
        changes.append(
            f"{torch.get_num_threads()} threads instead of {threads}: numbers may round differently"
        )
    request = replace(request, **kept, why="as asked" if changes else "as before")
    before = how.get("processes", 1)
    if before != processes.size:
        local = "" if request.batch_norm == "sync" else ", and batch norm uses other groups of images"
        changes.append(
            f"changed: processes {before} -> {processes.size}: from here on numbers round differently{local}"
        )
    return request, changes


def _locked(folder: Path, processes: Processes) -> AbstractContextManager[None]:
    """Locks the run; of several processes only the first one does."""
    return locked(folder) if processes.first else nullcontext()


def _require_same(processes: Processes, record: Record, speed: Speed) -> None:
    """Raises RunError if the processes of several machines would train different things."""
    own: dict[str, object] = {"code": record.code, "recipe": record.recipe, "data": record.data}
    own["weights"] = record.initial and record.initial.checksum
    own |= {name: speed.facts()[name] for name in ("device", "precision")}
    for rank, others in enumerate(processes.gathered(own)):
        if different := [name for name in own if others[name] != own[name]]:
            raise RunError(
                f"processes {processes.rank} and {rank} differ in {', '.join(different)}",
                "use the same network, data and command on all machines; set `--device` and `--precision` if "
                "`auto` finds different ones",
            )


def _require_same_run(folder: Path, record: Record) -> None:
    """Raises RunError if the checkpoint in a folder is of another run than `run.json`."""
    if _run_id(folder) not in (None, record.id):  # None: the checkpoint is enough.
        raise RunError(
            f"{folder / CHECKPOINT} is of another run than {folder / RUN_FILE} ({record.network})",
            "move it to a new folder and resume that, or restore the run's checkpoint",
        )


@dataclass(frozen=True, slots=True)
class _Id:
    id: str


def _run_id(folder: Path) -> str | None:
    """The id in the folder's `run.json`; None if it is missing or damaged."""
    try:
        found = read_json(folder / RUN_FILE, _Id)
    except RunError:
        return None
    return None if found is None else found.id


def _require_new(folder: Path) -> None:
    """Raises RunError if the folder already holds a run, or files that a run would overwrite.

    A run that was killed before its first checkpoint does not count.
    """
    require_new(folder)
    if _run_id(folder) is not None:
        return
    for name in (NETWORK_FILE, RUN_FILE):
        if (folder / name).exists():
            raise RunError(f"{folder} already holds a {name}", "choose another folder: `--run`")


def free_folder(name: str) -> Path:
    """`runs/resnet32`, or if that exists `runs/resnet32-2` and so on."""
    paths = (Path("runs") / free for free in numbered(name, "-"))
    return next(path for path in paths if not path.exists())


def _write_inputs(folder: Path, network: CompiledNetwork, record: Record) -> None:
    """Writes the record for users: the network, its code, and the rest in `run.json`."""
    values = record.to_json()
    text = str(values.pop("text"))
    del values["code"]
    # First the file that marks the folder as a run: if the process is killed here, it can be started again.
    write_json(folder / RUN_FILE, values)
    write_atomic(folder / NETWORK_FILE, text.encode())
    write_atomic(folder / f"{network.name}.py", network.source(record.style).encode())
