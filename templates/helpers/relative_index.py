import torch
from torch import Tensor


def relative_index(window: int, device: torch.device | None = None) -> Tensor:
    """The row of a table of relative positions, for each pair of positions in a window.

    The table has (2 * window - 1)² rows.
    """
    position = torch.arange(window**2, device=device)
    row, column = position // window, position % window
    rows, columns = row[:, None] - row, column[:, None] - column
    return (rows + window - 1) * (2 * window - 1) + columns + window - 1
