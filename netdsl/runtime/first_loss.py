"""Checks a network's initialisation by the loss of its first batch."""

from __future__ import annotations

import math

# The range of normal first losses, relative to guessing. Kaiming's normal weights in the last layer alone
# give up to 1.9 times the loss of guessing in networks that train well (docs/decisions/training.md).
_LARGEST, _LEAST = 3.0, 0.5


def guessing(classes: int) -> float:
    """The cross entropy if all classes have the same probability, ln(classes).

    Label smoothing does not change it.
    """
    return math.log(classes)


def complaint(loss: float, classes: int) -> tuple[str, str] | None:
    """The message and help for an unusual mean loss of the first batch; None if it is normal."""
    expected = guessing(classes)
    said = f"the first loss is {loss:.4g}, that of guessing among {classes} classes {expected:.4g}"
    if not loss <= _LARGEST * expected:  # also if it is NaN
        return f"{said}: the outputs are too large at the start", (
            "start with smaller weights (`init kaiming`, or a rule for the last layer: `linear zeros`), "
            "or normalise: `bn` after convolutions"
        )
    if loss < _LEAST * expected:
        return f"{said}: it is too small for untrained weights", (
            "check the data: nearly all images may be of one class, or the images may contain the labels"
        )
    return None
