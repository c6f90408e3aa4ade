"""Classes of pixels as those of an image, for all methods that explain the score of a class."""

from __future__ import annotations

import math

from torch import Tensor

from netdsl.inspect.inspected import Inspected
from netdsl.runtime.errors import RunError
from netdsl.runtime.segmentation.task import Segmentation


class Pixels:
    """The pixels of a network with scores at each position. Its model returns logarithms of the mean
    probabilities of the classes over all pixels, (N, K), or of those of one pixel.
    """

    def __init__(self, model: Inspected, task: Segmentation) -> None:
        self._task = task
        self._position: tuple[int, int] | None = None
        model.read_scores = self._scores

    def choose(self, row: int, column: int) -> None:
        """From now on, one pixel of the network's input counts. Raises RunError if it is outside."""
        height, width = self._task.size
        if row >= height or column >= width:
            raise RunError(
                f"the pixel {row},{column} is outside of the network's input of {height}x{width}",
                f"name a row below {height} and a column below {width}",
            )
        self._position = row, column

    def _scores(self, outputs: tuple[Tensor, ...]) -> Tensor:
        shares = self._task.scores(outputs[0]).log_softmax(1)
        if self._position is not None:
            row, column = self._position
            return shares[:, :, row, column]
        return shares.flatten(2).logsumexp(2) - math.log(math.prod(self._task.size))
