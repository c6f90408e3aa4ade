import torch.nn.functional as F
from torch import Tensor, nn


class Mix(nn.Module):
    """Two linear layers across positions (MLP-Mixer, Tolstikhin et al. 2021)."""

    def __init__(self, positions: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(positions, hidden)
        self.fc2 = nn.Linear(hidden, positions)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc2(F.gelu(self.fc1(x.flatten(2))))
        return y.view(x.shape)
