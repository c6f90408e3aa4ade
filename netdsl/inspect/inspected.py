"""A network of any style whose layers are submodules with their `.net` names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor, nn

from netdsl.base.source import Span
from netdsl.codegen.source_map import watched
from netdsl.ir.layer_names import Layer, last_feature_map, layers
from netdsl.network import CompiledNetwork
from netdsl.runtime.errors import RunError
from netdsl.runtime.inference_model import Normalising
from netdsl.runtime.layout import choose_layout, laid_out
from netdsl.runtime.model import FunctionalModel, Model
from netdsl.runtime.preprocessing import Preprocessing
from netdsl.trained.open_run import convolutions

# The function that the code passes its tensors to; not an identifier, so that no code can use the name.
_SHOW = "<show>"


class Inspected(Normalising):
    """Images (N, C, H, W), float32 from 0 to 1, -> logits (N, classes); evaluation mode, frozen weights.

    It runs the network's functional code, where every step is an expression. The result of a step is passed
    through the submodule of its name, `get_submodule("stage3.block2.conv1")`, an identity, for forward hooks
    of torch and attributions of captum.

    The weights are shared with `model`, of any style: all styles list them in the same order. They are the
    only parameters; statistics of batch norms are buffers. A `copy.deepcopy` has copies of the weights.
    Without `preprocessing` the images must be normalised already. Raises RunError if the weights don't match.
    """

    def __init__(
        self, network: CompiledNetwork, model: Model, preprocessing: Preprocessing | None = None
    ) -> None:
        super().__init__()
        self.network = network
        self.classes = preprocessing.classes if preprocessing else ()
        # From all outputs to the scores that are explained, (N, K).
        self.read_scores: Callable[[tuple[Tensor, ...]], Tensor] = itemgetter(0)
        self.named = layers(network.typed)
        self._convolutions = convolutions(network)
        # New parameters on the same memory: the model's own keep their `requires_grad`.
        for number, tensor in enumerate(model.parameters):
            self.register_parameter(f"weight_{number}", nn.Parameter(tensor.detach(), requires_grad=False))
        statistics = [tensor.detach() for tensor in model.statistics if tensor.dim()]  # no counters
        self._statistics = [f"statistic_{number}" for number in range(len(statistics))]
        for name, tensor in zip(self._statistics, statistics, strict=True):
            self.register_buffer(name, tensor)
        self._require_fit()
        channels, device = network.input_shape[0], self.weights[0].device if self.weights else None
        unchanged = Preprocessing((), (0.0,) * channels, (1.0,) * channels)
        self.set_normalisation(preprocessing or unchanged, len(network.input_shape), device)
        places = network.source_map("functional")
        self._steps = [place.step for place in places]
        self._points = self._add_points()
        tree = watched(network.source("functional"), places, _SHOW)
        self._code = compile(tree, network.file("functional"), "exec")
        self.eval()

    @property
    def weights(self) -> list[Tensor]:
        """The parameters, in the order in which the generated code takes them."""
        return list(self.parameters())

    @property
    def statistics(self) -> list[Tensor]:
        """The running means and variances of batch norms, in the order of the generated code."""
        return [self.get_buffer(name) for name in self._statistics]

    def forward(self, images: Tensor) -> Tensor:
        return self.read_scores(self.outputs(images))

    def outputs(self, images: Tensor) -> tuple[Tensor, ...]:
        """All outputs of the network in evaluation."""
        turns = {step: iter(points) for step, points in self._points.items()}

        def show(tensor: Tensor, place: int) -> Tensor:
            # The layer of a block's call is the last one inside.
            turn = turns.get(self._steps[place])
            for point in next(turn) if turn else ():
                tensor = point(tensor)
            return tensor

        # New functions for each call, which use this model and not the one that it is a copy of; calls in
        # other threads have their own.
        namespace: dict[str, Any] = {_SHOW: show}
        exec(self._code, namespace)
        x = self.normalise(images)
        layout, _ = choose_layout(self._convolutions, x.device)
        if layout is torch.contiguous_format:  # The layout of the images may not be safe.
            x = laid_out(x, torch.contiguous_format)
        model = FunctionalModel(namespace["forward"], self.weights, self.statistics or None)
        return model.outputs(x, training=False)

    @property
    def feature_map(self) -> Layer | None:
        """The last feature map before the head; None if there is none."""
        return last_feature_map(self.named)

    def _add_points(self) -> dict[Span, list[list[nn.Module]]]:
        """Adds a submodule for each layer; returns for each step those of its executions, in order."""
        points: list[list[nn.Module]] = []
        steps: dict[Span, list[list[nn.Module]]] = defaultdict(list)
        for layer in self.named:
            point: nn.Module = self
            for part in layer.name.split("."):
                if part not in point._modules:
                    point.add_module(part, nn.Identity())
                point = point.get_submodule(part)
            points.append([point])
            if layer.alias is not None:
                points[layer.alias].append(point)
            elif layer.span is not None:
                steps[layer.span].append(points[-1])
        return steps

    def _require_fit(self) -> None:
        code = self.network.imported("functional")
        buffers = code.init_buffers(device="meta") if hasattr(code, "init_buffers") else []
        for own, given in ((code.init_params(device="meta"), self.weights), (buffers, self.statistics)):
            if [tensor.shape for tensor in own] != [tensor.shape for tensor in given]:
                raise RunError(
                    f"the weights don't match `{self.network.name}`", "they are of another network"
                )
