"""The statement `detect`: the kind of a detector, and its arguments."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from typing import cast

from netdsl.diagnostics import Diagnostics, listing, misspelt
from netdsl.ir.resolved import Detect
from netdsl.language.argument_types import convert
from netdsl.language.detectors import DETECTORS, DetectorKind
from netdsl.language.recipe import Recipe, Scenes
from netdsl.resolve.bind_arguments import argument_values
from netdsl.resolve.scope import Scope
from netdsl.syntax import nodes


def read_detect(
    statement: nodes.Detect, classes: int | None, scope: Scope, diagnostics: Diagnostics
) -> Detect | None:
    """The detector, or None after a diagnostic. `classes` are None if their number is unknown."""
    name, arguments, span = statement.kind.name, statement.kind.arguments, statement.kind.span
    if name.text not in DETECTORS:
        help = misspelt(name.span, DETECTORS) or f"use one of {listing(DETECTORS)}"
        diagnostics.error("undefined-detector", f"there is no detector `{name.text}`", name.span, help=help)
        return None
    cls = DETECTORS[name.text]
    values = argument_values(name.text, cls, arguments, span, scope, diagnostics)
    if values is None or classes is None:
        return None
    return Detect(name.text, cast(DetectorKind, convert(cls, values)), classes, span)


def for_detector(recipe: Recipe, given: Container[str], detect: Detect) -> Recipe:
    """The recipe with a detector's defaults for data and loss, where they are not given."""
    if "data" not in given:
        recipe = replace(recipe, data=Scenes())
    return recipe if "loss" in given else replace(recipe, loss=detect.kind.loss())
