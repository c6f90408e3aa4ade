from torch import Tensor


def take(tensors: list[Tensor], count: int) -> list[Tensor]:
    """Removes and returns the next `count` tensors of a reversed list."""
    return [tensors.pop() for _ in range(count)]
