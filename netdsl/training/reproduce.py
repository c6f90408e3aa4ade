"""`netdsl reproduce`: trains a run again from its record, and compares the weights."""

from __future__ import annotations

from pathlib import Path

import torch
from rich.console import Console

from netdsl.network import CompiledNetwork
from netdsl.runtime.checkpoint import Checkpoint
from netdsl.runtime.console import say
from netdsl.runtime.distributed import ALONE, Processes
from netdsl.runtime.errors import RunError
from netdsl.runtime.run_files import CHECKPOINT, Run
from netdsl.runtime.speed import SpeedRequest
from netdsl.runtime.train import is_complete
from netdsl.trained.open_run import convolutions
from netdsl.training.dataset_cache import DatasetCache
from netdsl.training.record import Record
from netdsl.training.train_run import as_before, train_run


def reproduce_run(folder: Path, new: Path, processes: Processes = ALONE) -> bool:
    """Trains the run in `folder` again into `new`; returns whether the weights are equal, bit for bit.

    Prints the differences. Raises RunError if the run is not complete, was changed when it was resumed, or
    was trained by another number of processes.
    """
    console = Console(quiet=not processes.first)
    found = Checkpoint.read(folder / CHECKPOINT)
    run, progress = Run.resumed(folder, found)
    record = Record.of_checkpoint(run.record, folder / CHECKPOINT)
    compiled = record.compiled(record.text, {})
    if compiled.network is None or not is_complete(run.rows, compiled.network.network.recipe):
        raise RunError(f"the run in {folder} isn't complete", f"resume it: `netdsl train --resume {folder}`")
    if record.changes:
        raise RunError(
            f"the run in {folder} was changed when it was resumed: {record.changes[0]}",
            "only runs with one recipe and one machine can be reproduced",
        )
    count = run.how.get("processes", 1)
    if count != processes.size:
        raise RunError(
            f"the run in {folder} was trained by {count} processes, not by {processes.size}",
            f"start {count}: `torchrun --nproc-per-node N -m netdsl reproduce`",
        )
    request, others = as_before(run.how, SpeedRequest(), convolutions(CompiledNetwork(compiled)), processes)
    for line in others:
        say(console, line)
    inputs = DatasetCache(record.rules)
    train_run(compiled, record.overrides, record.style, new, request, processes, inputs=inputs)
    processes.wait()  # The first process has written the files.
    refound = Checkpoint.read(new / CHECKPOINT)
    again, _ = Run.resumed(new, refound)
    second = Record.of_checkpoint(again.record, new / CHECKPOINT)
    pairs = {name: (tensor, refound.tensors[name]) for name, tensor in found.tensors.items()}
    differing = [pair for pair in pairs.values() if not torch.equal(*pair)]
    if not differing:
        say(console, f"the same weights as in {folder}, bit for bit")
        return True
    largest = max(float((one.double() - other.double()).abs().max()) for one, other in differing)
    say(
        console,
        f"other weights than in {folder}: {len(differing)} of {len(pairs)} tensors, by at most {largest:.3g}",
    )
    for row, other in zip(run.rows, again.rows, strict=True):
        if row.loss != other.loss:
            say(console, f"first difference in epoch {row.epoch:g}: loss {other.loss!r}, was {row.loss!r}")
            break
    if second.data != record.data:
        say(console, "the data differ from those that the run was trained on")
    if second.initial != record.initial:
        say(console, "the weights that it began with differ")
    for name, version in record.versions.items():
        if second.versions.get(name) != version:
            say(console, f"{name} is {second.versions.get(name)}, was {version}")
    return False
