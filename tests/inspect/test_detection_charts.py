"""The chart of precision over recall."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from netdsl.inspect.sheets import charts


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The files that would have been written."""
    drawn: list[Figure] = []
    monkeypatch.setattr(charts, "write_figure", lambda figure, file: drawn.append(figure))
    return drawn


def test_a_line_for_each_class_with_boxes(figures: list[Figure], tmp_path: Path) -> None:
    curves = torch.tensor([[1.0, 0.5, 0.0], [1.0, 1.0, 0.75], [float("nan")] * 3])
    charts.write_precision_recall(curves, (0.5, 0.9, None), ("a", "_b", "c"), tmp_path / "x.png", "$a$")
    (axes,) = figures[0].axes
    assert [line.get_label() for line in axes.lines] == [" _b 0.900", " a 0.500"]  # the best first
    assert np.asarray(axes.lines[1].get_ydata()).tolist() == [1, 0.5, 0]
    assert np.asarray(axes.lines[1].get_xdata()).tolist() == [0, 0.5, 1]
    assert axes.get_title() == r"\$a\$"


def test_of_many_classes_the_best_and_the_worst_are_named(figures: list[Figure], tmp_path: Path) -> None:
    names = [f"class {i}" for i in range(30)]
    curves = torch.rand(30, 101, generator=torch.Generator().manual_seed(0))
    charts.write_precision_recall(curves, [i / 30 for i in range(30)], names, tmp_path / "x.png", "")
    (axes,) = figures[0].axes
    legend = axes.get_legend()
    assert legend is not None
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels[:2] == [" class 29 0.967", " class 28 0.933"] and labels[-2:] == [" class 0 0.000", "mean"]
    assert len(labels) == 11
    assert np.asarray(axes.lines[-1].get_ydata()).tolist() == pytest.approx(curves.mean(0).tolist())


def test_nothing_is_known_of_no_boxes(tmp_path: Path) -> None:
    curves = torch.full((1, 3), float("nan"))
    charts.write_precision_recall(curves, (None,), ("a",), tmp_path / "x.png", "")
    assert (tmp_path / "x.png").stat().st_size > 0
