from torch import Tensor


def take_token(x: Tensor, index: int) -> Tensor:
    """One position of a map, as a vector."""
    return x.flatten(2)[:, :, index]
