"""Matching of two networks' weights by name and shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import torch

from netdsl.compiler import Style
from netdsl.network import CompiledNetwork
from netdsl.runtime import checkpoint, checkpoint_import
from netdsl.runtime.errors import RunError
from netdsl.trained.open_run import open_run

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class MatchingWeights:
    """The tensors of one part of the generated module, by name: `fitting` match, `reshaped` have another
    shape, `lost` are only in the first network, `new` only in the second.
    """

    part: str
    fitting: tuple[str, ...]
    reshaped: tuple[str, ...]
    lost: tuple[str, ...]
    new: tuple[str, ...]

    @property
    def whole(self) -> bool:
        return not (self.reshaped or self.lost or self.new)


def matching_weights(before: Shapes, after: Shapes) -> list[MatchingWeights]:
    """The matches of each part, in the order of the first network."""
    one, other = _by_part(before), _by_part(after)
    return [_fit(part, one.get(part, {}), other.get(part, {})) for part in dict.fromkeys((*one, *other))]


def _by_part(shapes: Shapes) -> dict[str, dict[str, tuple[int, ...]]]:
    parts: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        parts.setdefault(name.partition(".")[0], {})[name] = shape
    return parts


def _fit(part: str, before: Shapes, after: Shapes) -> MatchingWeights:
    return MatchingWeights(
        part,
        tuple(name for name, shape in before.items() if after.get(name) == shape),
        tuple(name for name, shape in before.items() if name in after and after[name] != shape),
        tuple(name for name in before if name not in after),
        tuple(name for name in after if name not in before),
    )


def shapes_of(network: CompiledNetwork, style: Style) -> Shapes:
    """The shapes of a network's weights and statistics, computed on the meta device."""
    with torch.device("meta"):
        module = network.module() if style == "module" else network.sequential()
    return _shapes(module.state_dict())


def shapes_in(path: Path) -> tuple[Shapes, Style]:
    """The shapes in a file or of a run's best weights, and the style of their names. Raises RunError."""
    if not path.is_dir():
        return _shapes(checkpoint_import.read(path).state), "module"
    run = open_run(path)
    if run.style == "functional":
        raise RunError(
            f"the weights in {path} have no names, since they are of the functional style",
            "remove `--weights`, or name a run of another style",
        )
    return _shapes(checkpoint.load(run.weights_file("best"))), run.style


def _shapes(state: Mapping[str, torch.Tensor]) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}
