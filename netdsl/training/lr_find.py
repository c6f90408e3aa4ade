"""The learning rate range test (Smith 2015, "Cyclical Learning Rates for Training Neural Networks", section
3.3): the loss while the learning rate rises from step to step, for `netdsl lr-find`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from netdsl.compiler import Style
from netdsl.network import CompiledNetwork
from netdsl.runtime.distributed import ALONE
from netdsl.runtime.errors import Diverged, RunError
from netdsl.runtime.loop import Progress, train_epoch, whole_epoch
from netdsl.runtime.plot import Curve, Panel
from netdsl.runtime.run_files import Run
from netdsl.runtime.speed import SpeedRequest
from netdsl.trained.failure import failures_located
from netdsl.training.dataset_cache import DatasetCache
from netdsl.training.parts import Parts

# The share of the earlier losses in a smoothed one.
_SMOOTHING = 0.9
# The test ends at this multiple of the lowest smoothed loss.
_RISEN = 4.0
# The suggestion is this part of the rate with the lowest loss, from which on the loss rises.
_BELOW = 10


@dataclass(frozen=True, slots=True)
class RangeTest:
    """The learning rate and the smoothed loss of each step, up to where the loss rises."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]

    @property
    def lowest(self) -> float:
        """The learning rate with the lowest loss."""
        return self.rates[self.losses.index(min(self.losses))]

    @property
    def suggestion(self) -> float:
        """A learning rate to begin with: a tenth of the one with the lowest loss."""
        return self.lowest / _BELOW

    @property
    def risen(self) -> bool:
        """True if the loss rose in the end: otherwise the best rate may be higher than those tried."""
        return self.losses[-1] > 1.5 * min(self.losses)

    def __str__(self) -> str:
        end = f"rises up to {self.rates[-1]:.2g}" if self.risen else "has not risen: try a larger `--high`"
        steps = f"{len(self.rates)} steps from {self.rates[0]:.2g}"
        return (
            f"{steps}: the loss is lowest at {self.lowest:.2g}, and {end}\n"
            f"suggestion: --optimizer.lr {self.suggestion:.2g}"
        )

    def panel(self) -> Panel:
        """The loss over the learning rate, with the suggestion as a line."""
        curve = Curve("smoothed loss", list(self.rates), list(self.losses))
        return Panel(
            [curve],
            "training loss",
            shares=False,
            across="learning rate",
            logarithmic=True,
            mark=(self.suggestion, f"suggestion: {self.suggestion:.2g}"),
        )


def find_lr(
    network: CompiledNetwork,
    style: Style,
    request: SpeedRequest,
    steps: int,
    low: float,
    high: float,
    console: Console,
) -> RangeTest:
    """Trains new weights for at most `steps` steps, as `netdsl train` does but with a learning rate that
    rises from `low` to `high` by the same factor at each step. Ends where the loss is four times the lowest.

    No run is written. Raises RunError as training does, and if the loss is not finite from the start.
    """
    parts = Parts.new(network, style, request, console, ALONE, DatasetCache())
    training = parts.training(Run(Path()), request, console)
    images = len(training.data.train)
    # In epochs; the moments of steps are their middles.
    whole = steps * network.recipe.batch / whole_epoch(network.recipe, images)
    rates, losses = list[float](), list[float]()
    mean = 0.0

    def rate(moment: float) -> float:
        return float(low * (high / low) ** (moment / whole))

    def ended() -> bool:
        return len(rates) == steps or losses[-1] > _RISEN * min(losses)

    def train_one(epoch: int) -> bool:
        """True if the test goes on with the next epoch."""
        progress, before = Progress(epoch, images), (0, 0.0)

        def look(up_to_date: bool) -> bool:
            nonlocal mean, before
            progress.settle(ALONE)  # At each step, since its loss decides whether to go on.
            loss = (progress.loss_sum - before[1]) / (progress.seen - before[0])
            before = progress.seen, progress.loss_sum
            mean = _SMOOTHING * mean + (1 - _SMOOTHING) * loss
            rates.append(progress.lr)
            losses.append(mean / (1 - _SMOOTHING ** len(rates)))  # Without the mean's start at 0.
            return ended()

        train_epoch(training.train_step, training.data, progress, look, training.workers, rate)
        return not ended()

    with failures_located(network, style), suppress(Diverged):
        training.choose_compiled(steps)
        epoch = 0
        while train_one(epoch):
            epoch += 1
    if len(losses) < 2:
        raise RunError(
            f"the loss is not finite from the start, at a learning rate of {low:g}",
            f"start lower: `--low {low / 1000:g}`; `netdsl train --overfit 64` finds other reasons",
        )
    return RangeTest(tuple(rates), tuple(losses))
