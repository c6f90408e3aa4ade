"""A cache for the images of successive runs."""

from __future__ import annotations

from rich.console import Console

from netdsl.api import Network
from netdsl.runtime.batches import require_enough
from netdsl.runtime.data import Dataset, read, room
from netdsl.runtime.distributed import ALONE, Processes
from netdsl.runtime.images import Source
from netdsl.runtime.speed import Speed, SpeedRequest
from netdsl.runtime.train import require_trainable
from netdsl.trained.open_run import divide, require_classes


class DatasetCache:
    """Provides each run with its data, and keeps only the data set that was read last: two may not fit into
    memory.
    """

    def __init__(self) -> None:
        self._last: tuple[object, Source] | None = None

    def of(
        self,
        network: Network,
        request: SpeedRequest,
        speed: Speed,
        console: Console,
        processes: Processes = ALONE,
    ) -> Dataset:
        """The data of a network's recipe, in memory if they take at most half of it.

        Each process has its own data; the first process of a machine fills the cache on disk. Raises RunError
        if they are not available, or don't fit the network, its recipe or the memory.
        """
        require_classes(network)
        stream = None if request.loader == "auto" else request.loader == "stream"
        wanted = network.recipe.data, network.input_shape, stream
        if self._last is None or self._last[0] != wanted:
            self._last = None  # Frees its memory.
            with processes.first_goes_ahead():
                source = read(
                    *wanted[:2], console, stream=stream, room=room(speed.device, processes.local_size)
                )
            self._last = wanted, source
        data = divide(network, self._last[1])
        require_trainable(data, network.recipe)
        require_enough(network.recipe.batch, len(data.train), processes)
        return data
