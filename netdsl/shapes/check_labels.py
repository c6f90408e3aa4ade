"""Checks that the recipe's data have the labels that the network's outputs are compared with."""

from __future__ import annotations

from netdsl.diagnostics import Diagnostics, write
from netdsl.ir.typed import TypedNetwork
from netdsl.language.recipe import Labels, labels_of
from netdsl.language.recipe_text import recipe_text

_IMAGES: dict[Labels, str] = {"classes": "one class each", "boxes": "boxes", "masks": "masks"}
_NETWORKS: dict[Labels, str] = {
    "classes": "is a classifier",
    "boxes": "is a detector",
    "masks": "gives each position a class",
}
# Data that need no download, for each kind of network.
_DATA: dict[Labels, str] = {"classes": "digits", "boxes": "scenes", "masks": "scenes(masks=yes)"}
# How to change the network for the labels of data.
_CHANGES: dict[Labels, str] = {
    "classes": "end the network in a vector of scores: `global_avgpool, flatten, linear(classes)`",
    "boxes": "add what the outputs mean, as `detect yolo(anchors=[32x32])`",
    "masks": "end the network in a map of scores, `conv(classes, 1), save scores`, and add `output scores`",
}


def check_labels(typed: TypedNetwork, diagnostics: Diagnostics) -> None:
    """Reports data with labels of another kind than the network's."""
    network, own = typed.network, typed.labels
    given, place = labels_of(network.recipe.data), network.data_span
    if place is None or own is None or own == given:
        return
    data = recipe_text(network.recipe.data)
    message = f"the images of `{data}` have {_IMAGES[given]}, but the network {_NETWORKS[own]}"
    other = _DATA[own] if place.source.is_option else f"data {_DATA[own]}"
    change = _CHANGES[given] if own != "boxes" else f"remove `detect`, and {_CHANGES[given]}"
    diagnostics.error("NET501", message, place, help=(write(place, other, safe=False), change))
