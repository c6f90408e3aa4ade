"""Accuracy of trained networks under attack: measured on test sets, and drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from netdsl.base.paths import real
from netdsl.inspect.adversarial import Withstood, robustness
from netdsl.inspect.inspected_run import InspectedRun
from netdsl.inspect.pictures import evenly, watched
from netdsl.runtime.plot import legend_label, write_figure

_BATCH = 200


def withstood(
    inspected: InspectedRun,
    budgets: Sequence[float],
    images: int | None,
    steps: int,
    restarts: int,
    seed: int,
) -> list[Withstood]:
    """Measures `robustness` on `images` of the run's test images (None: all). Raises RunError."""
    what = f"{real(inspected.run.folder).name}: attacking"
    test = evenly(inspected.test_images(), images)
    shown = watched(test, _BATCH, inspected.device, what, inspected.console)
    generator = torch.Generator().manual_seed(seed)
    return robustness(inspected.model, shown, budgets, steps=steps, restarts=restarts, generator=generator)


def write_curves(networks: Sequence[tuple[str, Sequence[Withstood]]], title: str, file: Path) -> None:
    """Draws accuracy over the budget, with a line for each network. Raises RunError."""
    # Imported here, since it is slow.
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(6, 4), dpi=120, layout="constrained")
    axes = figure.subplots()
    for name, rows in networks:
        axes.plot(
            [255 * row.eps for row in rows],
            [row.accuracy for row in rows],
            marker="o",
            label=legend_label(name),
            clip_on=False,
        )
    ticks = sorted({round(255 * row.eps, 3) for _, rows in networks for row in rows})
    axes.set_xticks(ticks, [f"{tick:g}/255" if tick else "0" for tick in ticks])
    axes.set(xlabel="ε: largest change of a pixel", ylabel="accuracy under PGD", ylim=(0, 1))
    axes.set_title(title, fontsize=9)
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    axes.grid(alpha=0.3)
    axes.legend()
    write_figure(figure, file)
