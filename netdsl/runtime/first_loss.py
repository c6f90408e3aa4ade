"""What the loss of the first batch says of a network's initialisation."""

from __future__ import annotations

import math

# How far from guessing a start may be. Kaiming's normal weights in the last layer alone give up to 1.9 times
# the loss of guessing in networks that train well (docs/decisions/training.md).
_LARGEST, _LEAST = 3.0, 0.5


def guessing(classes: int) -> float:
    """The cross entropy of a network that finds all classes equally likely, ln(classes).

    Label smoothing doesn't change it: all targets are then equally far.
    """
    return math.log(classes)


def complaint(loss: float, classes: int) -> tuple[str, str] | None:
    """What is wrong with the mean loss of a first batch, and what to try; None where nothing is."""
    expected = guessing(classes)
    said = f"the first loss is {loss:.4g}, that of guessing among {classes} classes {expected:.4g}"
    if not loss <= _LARGEST * expected:  # also where it is not a number
        return f"{said}: the outputs are too large at the start", (
            "start with smaller weights (`init kaiming`, or a rule for the last layer: `linear zeros`), "
            "or normalise: `bn` after convolutions"
        )
    if loss < _LEAST * expected:
        return f"{said}: fresh weights can't know so much", (
            "look at the data: one class may be nearly all of it, or the images give the labels away"
        )
    return None
