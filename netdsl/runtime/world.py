"""The processes that train one network together; most often there is one."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class World:
    """This process among `size`; the one of rank 0 writes the files and speaks to the user."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def share(self, index: Tensor) -> Tensor:
        """This process's part of the images of a batch."""
        return index[self.rank :: self.size]

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        return values


ALONE = World()
