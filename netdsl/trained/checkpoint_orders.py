"""The order of tensors in the checkpoints of other libraries, where it isn't that of the network's file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Behind(NamedTuple):
    """A child that comes before its `sibling` in a state dict, and behind it in the file; without a sibling,
    behind all of them.
    """

    child: str
    sibling: str = ""


# Of torchvision, and of timm where the names are others.
ORDERS: dict[str, tuple[Behind, ...]] = {
    "regnet": (Behind("proj"),),
    "convnext": (Behind("layer_scale"),),
    "convnext of timm": (Behind("gamma"),),
    "googlenet": (Behind("aux1"), Behind("aux2")),
    "inception_v3": (Behind("AuxLogits"),),
    "maxvit": (Behind("proj"),),
    "vit": (Behind("class_token", "conv_proj"),),
    "vit of timm": (Behind("cls_token", "patch_embed"), Behind("pos_embed", "cls_token")),
    "swin": (Behind("reduction"),),
    "swin_v2": (Behind("norm1", "attn"), Behind("norm2", "mlp")),
}


def known_orders(names: Iterable[str]) -> Iterator[list[str]]:
    """The orders of a checkpoint's names that its network's file may have, apart from its own."""
    own = list(names)
    for moves in ORDERS.values():
        if (order := in_file_order(own, moves)) != own:
            yield order


def in_file_order(names: Iterable[str], moves: Iterable[Behind]) -> list[str]:
    """The names of tensors after the moves of children."""
    found = list(names)
    for child, sibling in moves:
        paths = [tuple(name.split(".")) for name in found]
        owners = dict.fromkeys(path[: path.index(child)] for path in paths if child in path)
        for owner in owners:
            moved = [path for path in paths if path[: len(owner) + 1] == (*owner, child)]
            rest = [path for path in paths if path not in moved]
            before = (*owner, sibling) if sibling else owner
            last = max((n for n, path in enumerate(rest) if path[: len(before)] == before), default=-1)
            paths = [*rest[: last + 1], *moved, *rest[last + 1 :]]
        found = [".".join(path) for path in paths]
    return found
