"""`netdsl import-weights`: converts weights of other implementations."""

from __future__ import annotations

from pathlib import Path

from netdsl.api import Network
from netdsl.runtime import checkpoint, checkpoint_import
from netdsl.runtime.transplant import transplant


def import_weights(network: Network, source: Path, output: Path) -> str:
    """Writes a reference's weights for the network's module style; returns a summary. Raises RunError."""
    weights = checkpoint_import.read(source)
    module = network.module()
    matched = transplant(weights.state, module, weights.ordered)
    checkpoint.save(output, module.state_dict())
    return f"wrote {output}: {len(weights.state)} tensors for {network.name}, matched by {matched}"
