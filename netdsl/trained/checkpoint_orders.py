"""The order of tensors in the checkpoints of other libraries, where it isn't that of the network's file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

# Children that come before their siblings in a state dict, and after them in the file: the projections of
# torchvision's RegNet, the layer scales of its ConvNeXt and of timm's.
LATE_CHILDREN = ("proj", "layer_scale", "gamma")


def known_orders(names: Iterable[str]) -> Iterator[list[str]]:
    """The orders of a checkpoint's names that its network's file may have, apart from its own."""
    own = list(names)
    for child in LATE_CHILDREN:
        if (order := behind_siblings(own, child)) != own:
            yield order


def behind_siblings(names: Iterable[str], child: str) -> list[str]:
    """The names of tensors, those of each `child` behind those of its siblings."""
    found = [f".{name}" for name in names]  # The whole network is an owner, too.
    owners = dict.fromkeys(name.partition(f".{child}")[0] for name in found if f".{child}" in name)
    for owner in owners:
        moved = [name for name in found if name.startswith(f"{owner}.{child}")]
        rest = [name for name in found if name not in moved]
        last = max((n for n, name in enumerate(rest) if name.startswith(f"{owner}.")), default=-1)
        found = [*rest[: last + 1], *moved, *rest[last + 1 :]]
    return [name[1:] for name in found]
