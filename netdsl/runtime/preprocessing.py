"""The normalisation of a network's images and the names of its classes, stored beside its weights."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Annotated

import torch

from netdsl.base.typed_json import Range, parse, typed
from netdsl.runtime import checkpoint
from netdsl.runtime.data import Dataset
from netdsl.runtime.errors import RunError, damaged


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """The normalisation that a network was trained with, and the names of its classes in order.

    `mean` and `deviation` have a float32 number for each channel, of pixels on the scale 0 to 1; files keep
    them to the last bit.
    """

    classes: tuple[str, ...]
    mean: tuple[Annotated[float, Range(-1e39, 1e39)], ...]
    deviation: tuple[Annotated[float, Range(1e-46, 1e39)], ...]

    @classmethod
    def of(cls, data: Dataset) -> Preprocessing:
        """The preprocessing of a network that is trained on these data."""
        return cls(data.classes, tuple(data.mean.tolist()), tuple(data.deviation.tolist()))

    @classmethod
    def read(cls, weights: Path) -> Preprocessing:
        """The preprocessing stored in a file of weights. Raises RunError if it is missing or damaged."""
        metadata = checkpoint.metadata(weights)
        if missing := cls.__dataclass_fields__.keys() - metadata.keys():
            raise RunError(
                f"{weights} has no normalisation of images: {', '.join(sorted(missing))} missing",
                "weights of netdsl 0.2 and of other programs have none; train the network again",
            )
        try:
            found = typed(cls, {name: parse(metadata[name]) for name in cls.__dataclass_fields__})
            if not found.classes or len(found.mean) != len(found.deviation):
                raise ValueError("their numbers differ")
        except ValueError as error:
            reason = f"its classes or normalisation are invalid: {error}"
            raise damaged(weights, reason, "train again") from error
        return found

    def metadata(self) -> dict[str, str]:
        """The metadata for a file: each field as JSON."""
        return {name: json.dumps(getattr(self, name)) for name in self.__dataclass_fields__}

    def applied(self, data: Dataset) -> Dataset:
        """The data, normalised in this way instead of by their own statistics.

        Raises RunError if their classes differ from the network's.
        """
        pairs = zip_longest(self.classes, data.classes, fillvalue="nothing")
        if differing := [pair for pair in pairs if pair[0] != pair[1]]:
            learned, given = differing[0]
            raise RunError(
                f"the data have other classes than the network was trained on: `{given}` for `{learned}`",
                "the classes of a folder are its subfolders in alphabetical order; give them the same names",
            )
        mean, deviation = (torch.tensor(values) for values in (self.mean, self.deviation))
        return replace(data, mean=mean.to(data.mean.device), deviation=deviation.to(data.mean.device))
