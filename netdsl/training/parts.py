"""The parts of a training, before it has a run."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console

from netdsl.compiler import Style
from netdsl.network import CompiledNetwork
from netdsl.runtime.console import say
from netdsl.runtime.data import Dataset
from netdsl.runtime.distributed import Processes
from netdsl.runtime.model import Model
from netdsl.runtime.preprocessing import Preprocessing
from netdsl.runtime.run_files import Run
from netdsl.runtime.speed import Speed, SpeedRequest, choose
from netdsl.runtime.train import Training
from netdsl.trained import initial_weights
from netdsl.trained.initial_weights import InitialWeights
from netdsl.trained.open_run import convolutions, create_model
from netdsl.trained.tasks import task_of
from netdsl.training.dataset_cache import DatasetCache


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a training: a network in a style, where it is computed, its data, and its model, which may
    have begun with `initial` weights.
    """

    network: CompiledNetwork
    style: Style
    speed: Speed
    data: Dataset
    model: Model
    initial: InitialWeights | None

    @staticmethod
    def new(
        network: CompiledNetwork,
        style: Style,
        request: SpeedRequest,
        console: Console,
        processes: Processes,
        inputs: DatasetCache,
    ) -> Parts:
        """Those of a new training. Raises RunError."""
        speed = choose(request, convolutions(network), processes.local_rank)
        data = inputs.of(network, request, speed, console, processes)
        model = create_model(network, style, network.recipe.seed, speed.device)
        initial = initial_weights.begin(network, model, style, data.classes, console)
        initial_weights.whiten(network, model, data, initial)
        return Parts(network, style, speed, data, model, initial)

    def training(self, run: Run, request: SpeedRequest, console: Console) -> Training:
        """The training in a run. Raises RunError; nothing is written."""
        network, data = self.network, self.data
        images = f"{len(data.train):,} training, {len(data.validation):,} validation images"
        size = f"{network.parameters_count:,} parameters"
        say(console, f"{network.name} ({self.style}): {size}; {images}")
        if self.initial is not None:
            data = self.initial.normalised(data)
        run.texts = Preprocessing.of(data).metadata()
        tuning = initial_weights.tuning(network, self.initial)
        task = task_of(network, data.train.labels)
        return Training(self.model, data, network.recipe, run, self.speed, console, request, task, tuning)
