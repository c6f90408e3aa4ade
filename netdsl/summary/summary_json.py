"""A summary as JSON; the keys are documented in docs/tools.md and stable."""

from __future__ import annotations

from netdsl.summary.network_summary import Summary
from netdsl.summary.tree import Figures, Part


def record(summary: Summary) -> dict[str, object]:
    """The network and its parts."""
    return {
        **totals(summary),
        "parts": [_part(part) for part in summary.parts],
    }


def totals(summary: Summary) -> dict[str, object]:
    """A network's record, without its parts."""
    return {
        "network": summary.name,
        "settings": dict(summary.parameters),
        "file": summary.file,
        "input": list(summary.input),
        "output": list(summary.output),
        "outputs": [
            {"name": name, "shape": list(shape), "in_training_only": in_training_only}
            for name, shape, in_training_only in summary.outputs
        ],
        **_figures(summary.figures),
        "depth": summary.depth,
        "receptive_field": summary.receptive_field,
    }


def _part(part: Part) -> dict[str, object]:
    return {**part_totals(part), "parts": [_part(inner) for inner in part.parts]}


def part_totals(part: Part) -> dict[str, object]:
    """A part's record, without its inner parts."""
    line, column = part.span.source.position(part.span.start)
    return {
        "kind": part.kind,
        "title": part.title,
        "copies": part.copies,
        "file": part.span.source.name,
        "line": line,
        "column": column,
        "input": list(part.input),
        "output": list(part.output),
        **_figures(part.figures),
        "receptive_field": part.receptive_field,
    }


def _figures(figures: Figures) -> dict[str, object]:
    return {
        "parameters": figures.parameters,
        "frozen_parameters": figures.frozen,
        "macs": figures.macs,
        "activation_bytes": figures.activations,
    }
