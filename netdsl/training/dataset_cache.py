"""A cache for the images of successive runs."""

from __future__ import annotations

from rich.console import Console

from netdsl.network import CompiledNetwork
from netdsl.runtime.batches import require_enough
from netdsl.runtime.console import say
from netdsl.runtime.data import Dataset, read, room
from netdsl.runtime.distributed import ALONE, Processes
from netdsl.runtime.images import RULES, Rules, Source
from netdsl.runtime.speed import Speed, SpeedRequest
from netdsl.runtime.train import require_trainable
from netdsl.trained.open_run import divide, require_classes


class DatasetCache:
    """Provides each run with its data, and keeps only the data set that was read last: two may not fit into
    memory. Data are read by the `RULES` of the runs.
    """

    def __init__(self, rules: Rules = RULES) -> None:
        self.rules = rules
        self._last: tuple[object, Source] | None = None

    def of(
        self,
        network: CompiledNetwork,
        request: SpeedRequest,
        speed: Speed,
        console: Console,
        processes: Processes = ALONE,
    ) -> Dataset:
        """The data of a network's recipe, in memory if they take at most half of it. How images are fitted to
        the network is said once.

        Each process has its own data; the first process of a machine fills the cache on disk. Raises RunError
        if they are not available, or don't fit the network, its recipe or the memory.
        """
        require_classes(network)
        stream = None if request.loader == "auto" else request.loader == "stream"
        wanted = network.recipe.data, network.input_shape, stream
        if self._last is None or self._last[0] != wanted:
            self._last = None  # Frees its memory.
            with processes.first_goes_ahead():
                places = room(speed.device, processes.local_size)
                source = read(*wanted[:2], console, stream=stream, room=places, rules=self.rules)
            self._last = wanted, source
            if source.conversion:
                say(console, source.conversion)
            if source.validation is not None and network.recipe.validation:
                say(
                    console,
                    f"the data have validation images: `validation {network.recipe.validation}` is not used",
                )
        data = divide(network, self._last[1])
        require_trainable(data, network.recipe)
        require_enough(network.recipe.batch, len(data.train), processes)
        return data
