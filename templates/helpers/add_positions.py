from torch import Tensor


def add_positions(x: Tensor, weight: Tensor) -> Tensor:
    """Adds an embedding, a row of the weight, to each position of a map."""
    return x + weight.t().view(x.shape[1:])
