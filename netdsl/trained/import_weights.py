"""`netdsl import-weights`: converts weights of other implementations."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from torch import nn

from netdsl.network import CompiledNetwork
from netdsl.runtime import checkpoint, checkpoint_import
from netdsl.runtime.transplant import TransplantError, transplant
from netdsl.trained.checkpoint_orders import known_orders


def import_weights(network: CompiledNetwork, source: Path, output: Path) -> str:
    """Writes a reference's weights for the network's module style; returns a summary. Raises RunError."""
    weights = checkpoint_import.read(source)
    module = network.module()
    matched = _transplanted(weights, module)
    checkpoint.save(output, module.state_dict())
    return f"wrote {output}: {len(weights.state)} tensors for {network.name}, matched by {matched}"


def _transplanted(
    weights: checkpoint_import.ForeignWeights, module: nn.Module
) -> Literal["name", "position"]:
    """Copies the weights in their own order, else in that of a known library. Raises TransplantError."""
    try:
        return transplant(weights.state, module, weights.ordered)
    except TransplantError:
        for order in known_orders(weights.state) if weights.ordered else ():
            try:
                return transplant(weights.state, module, order=order)
            except TransplantError:
                continue
        raise
