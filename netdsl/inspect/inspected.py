"""A network whose layers can be reached by their `.net` names, whatever style it was trained in."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from torch import Tensor, nn

from netdsl.api import Network
from netdsl.base.source import Span
from netdsl.codegen.source_map import watched
from netdsl.inspect.layer_names import Layer, last_feature_map, layers
from netdsl.runtime.errors import RunError
from netdsl.runtime.inference_model import Normalising
from netdsl.runtime.layout import choose_layout
from netdsl.runtime.model import FunctionalModel, Model
from netdsl.runtime.preprocessing import Preprocessing
from netdsl.trained.open_run import convolutions

# What the code calls to show a tensor: no name that code can have.
_SHOW = "<show>"


class Inspected(Normalising):
    """Images (N, C, H, W), float32 from 0 to 1, -> logits (N, classes); evaluation mode, frozen weights.

    The network computes with its functional code, where every step is an expression. What a step computes
    passes through the submodule of its name, `get_submodule("stage3.block2.conv1")`, which does nothing:
    forward hooks of torch and attributions of captum see it there.

    The weights are those of `model`, of any style, and no copies: all styles list them in one order. They are
    its only parameters; statistics of batch norms are buffers. A `copy.deepcopy` has weights of its own.
    Without `preprocessing` the images must be normalised already. Raises RunError where weights don't fit.
    """

    def __init__(self, network: Network, model: Model, preprocessing: Preprocessing | None = None) -> None:
        super().__init__()
        self.network = network
        self.classes = preprocessing.classes if preprocessing else ()
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
        turns = {step: iter(points) for step, points in self._points.items()}

        def show(tensor: Tensor, place: int) -> Tensor:
            # Calls of blocks have no layer of their own: it is the last one inside.
            turn = turns.get(self._steps[place])
            for point in next(turn) if turn else ():
                tensor = point(tensor)
            return tensor

        # The functions are made anew for each call: they show their steps to this model, not to one that it
        # is a copy of, and calls in other threads have their own turns.
        namespace: dict[str, Any] = {_SHOW: show}
        exec(self._code, namespace)
        x = self.normalise(images)
        layout, _ = choose_layout(self._convolutions, x.device)
        if layout is torch.contiguous_format:  # The images may have another one, which is not safe.
            x = x.contiguous()
        return FunctionalModel(namespace["forward"], self.weights, self.statistics or None)(x, training=False)

    @property
    def feature_map(self) -> Layer | None:
        """The last feature map before the head; None where there is none."""
        return last_feature_map(self.named)

    def _add_points(self) -> dict[Span, list[list[nn.Module]]]:
        """A submodule for each layer; for each step those that its executions pass through, in order."""
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
                raise RunError(f"the weights don't fit `{self.network.name}`", "they are of another network")
