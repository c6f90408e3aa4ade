"""A trained network with its normalisation, for inference."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from netdsl.runtime.model import Model
from netdsl.runtime.preprocessing import Preprocessing


class InferenceModel(nn.Module):
    """Images (N, C, H, W), float32 from 0 to 1, -> logits (N, classes); shares the weights of `model`."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, model: Model, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.network = model.module()
        device = next((weight.device for weight in model.parameters), None)
        for name, values in (("mean", preprocessing.mean), ("deviation", preprocessing.deviation)):
            self.register_buffer(name, torch.tensor(values, device=device)[:, None, None])
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        # The operations of `Dataset.normalise` in their order: the same logits, to the last bit.
        logits: Tensor = self.network((images - self.mean) / self.deviation)
        return logits
