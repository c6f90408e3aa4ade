"""`--batch auto`: the largest batch that fits into memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console

from netdsl.compiler import Compiled, Style, compile_network
from netdsl.network import CompiledNetwork
from netdsl.runtime import memory
from netdsl.runtime.console import say
from netdsl.runtime.distributed import ALONE
from netdsl.runtime.errors import RunError
from netdsl.runtime.run_files import Run
from netdsl.runtime.speed import SpeedRequest, choose
from netdsl.trained.open_run import convolutions
from netdsl.training.dataset_cache import DatasetCache
from netdsl.training.parts import Parts

# An epoch has at least so many steps.
_STEPS = 8


def with_largest_batch(
    compiled: Compiled,
    overrides: Mapping[str, str],
    style: Style,
    request: SpeedRequest,
    console: Console,
    inputs: DatasetCache,
) -> tuple[Compiled, dict[str, str], str]:
    """The network with the largest batch that fits, the overrides with it, and the reason.

    Batches of 2, 4, 8, … are tried, each by a whole step with new weights; one that leaves less than a tenth
    of the memory does not fit. Raises RunError if a batch of 2 doesn't.
    """

    def with_batch(size: int) -> tuple[Compiled, dict[str, str]]:
        chosen = {**overrides, "batch": str(size)}
        used = compiled.used.__getitem__
        return compile_network(compiled.source, compiled.settings, chosen, used), chosen

    say(console, "trying which batch fits into memory")
    quiet = Console(quiet=True)
    network = CompiledNetwork(with_batch(2)[0])
    # On the console, since how images are fitted is said once.
    inputs.of(network, request, choose(request, convolutions(network)), console)
    parts = Parts.new(network, style, request, quiet, ALONE, inputs)
    training = parts.training(Run(Path()), request, quiet)
    trial = memory.Trial(training.train_step, training.example)
    size, reason = largest(trial.hindrance, len(training.data.train) // _STEPS)
    if size is None:
        raise RunError(f"a batch of 2 is too large: {reason}", "use a smaller network or smaller images")
    return *with_batch(size), f"batch {size} (auto: {reason})"


def largest(hindrance: Callable[[int], str | None], most: int) -> tuple[int | None, str]:
    """The largest power of two up to `most`, or 2, without a `hindrance`, and why it isn't larger; None if 2
    has one.
    """
    size = 2
    while (reason := hindrance(size)) is None:
        if 2 * size > most:
            return size, f"an epoch keeps at least {_STEPS} steps"
        size *= 2
    return (size // 2 if size > 2 else None), reason
