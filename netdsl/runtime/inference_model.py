"""A trained network with its normalisation, for inference."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from netdsl.runtime.model import Model, all_outputs
from netdsl.runtime.preprocessing import Preprocessing


class Normalising(nn.Module):
    """A network that normalises its images (N, C, …); the channels' `mean` and `deviation` are buffers."""

    mean: Tensor
    deviation: Tensor

    def set_normalisation(self, preprocessing: Preprocessing, dims: int, device: torch.device | None) -> None:
        """Registers the buffers, for images of `dims` dimensions without the batch."""
        for name in ("mean", "deviation"):
            values = torch.tensor(getattr(preprocessing, name), device=device)
            self.register_buffer(name, values.view(-1, *(1,) * (dims - 1)))

    def normalise(self, images: Tensor) -> Tensor:
        # The operations of `Dataset.normalise` in their order: the same logits, to the last bit.
        return (images - self.mean) / self.deviation


class InferenceModel(Normalising):
    """Images (N, C, H, W), float32 from 0 to 1, -> logits (N, classes), the first output of the network;
    shares the weights of `model`.
    """

    def __init__(self, model: Model, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.network = model.module()
        device = next((weight.device for weight in model.parameters), None)
        self.set_normalisation(preprocessing, 3, device)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        return self.outputs(images)[0]

    def outputs(self, images: Tensor) -> tuple[Tensor, ...]:
        """All outputs of the network in evaluation."""
        return all_outputs(self.network(self.normalise(images)))
