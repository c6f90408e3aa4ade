"""What the weights of a network don't say by themselves: how its images are normalised, and its classes."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

import torch

from netdsl.runtime import checkpoint
from netdsl.runtime.data import Dataset
from netdsl.runtime.errors import RunError


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """The normalisation that a network was trained with, and the names of its outputs in their order.

    `mean` and `deviation` have a number a channel, of pixels on the scale 0 to 1. The numbers are float32
    and come back from a file to the last bit.
    """

    classes: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def of(cls, data: Dataset) -> Preprocessing:
        """Of a network that is trained on these data."""
        return cls(data.classes, tuple(data.mean.tolist()), tuple(data.deviation.tolist()))

    @classmethod
    def read(cls, weights: Path) -> Preprocessing:
        """Of the network whose weights a file holds. Raises RunError where the file doesn't say."""
        metadata = checkpoint.metadata(weights)
        if missing := cls.__dataclass_fields__.keys() - metadata.keys():
            raise RunError(
                f"{weights} doesn't say how images are normalised: it has no {', '.join(sorted(missing))}",
                "weights of netdsl 0.2 and of other programs don't; train the network again",
            )
        try:
            values = {name: json.loads(metadata[name]) for name in cls.__dataclass_fields__}
        except ValueError:
            values = {}
        if not _sound(**values):
            raise RunError(f"what {weights} says of its classes and normalisation is damaged", "train again")
        return cls(**{name: tuple(value) for name, value in values.items()})

    def metadata(self) -> dict[str, str]:
        """For the metadata of a file, each field as JSON."""
        return {name: json.dumps(getattr(self, name)) for name in self.__dataclass_fields__}

    def applied(self, data: Dataset) -> Dataset:
        """The data, normalised in this way and not by their own statistics.

        Raises RunError where their classes are others than the network's.
        """
        pairs = zip_longest(self.classes, data.classes, fillvalue="nothing")
        if differing := [pair for pair in pairs if pair[0] != pair[1]]:
            learned, given = differing[0]
            raise RunError(
                f"the data have other classes than the network was trained on: `{given}` for `{learned}`",
                "a folder's classes are its folders in alphabetical order; give them the same names",
            )
        mean, deviation = (torch.tensor(values) for values in (self.mean, self.deviation))
        return replace(data, mean=mean.to(data.mean.device), deviation=deviation.to(data.mean.device))


def _sound(classes: object = None, mean: object = None, deviation: object = None) -> bool:
    """Whether these are the fields of a Preprocessing, as lists: a file may hold anything."""
    if not isinstance(classes, list) or not isinstance(mean, list) or not isinstance(deviation, list):
        return False
    numbers = all(isinstance(value, float) and math.isfinite(value) for value in [*mean, *deviation])
    names = bool(classes) and all(isinstance(name, str) for name in classes)
    return names and numbers and len(mean) == len(deviation) and all(value > 0 for value in deviation)
