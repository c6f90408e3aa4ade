"""Weights of another implementation for a network of ours: matched by name, else by position."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from netdsl.runtime.errors import RunError

# A module, or what the functional style calls its weights: `params`, or `(params, buffers)`.
Target: TypeAlias = nn.Module | list[Tensor] | tuple[list[Tensor], list[Tensor]]

# Parameters are matched among themselves, and so are running statistics and counters of batches: a
# state dict mixes the three, the functional style keeps them apart.
PARAMETERS, STATISTICS, COUNTERS = range(3)
GROUPS = {"running_mean": STATISTICS, "running_var": STATISTICS, "num_batches_tracked": COUNTERS}

# So many entries that don't fit are shown.
SHOWN = 6


class TransplantError(RunError):
    """Weights that don't fit a network; none of them was copied."""


class _Entry(NamedTuple):
    name: str
    tensor: Tensor
    # What the tensor is, as far as its name and its neighbours tell; empty where they don't.
    kind: str

    @property
    def group(self) -> int:
        return GROUPS.get(self.kind, PARAMETERS)

    def __str__(self) -> str:
        shape = "x".join(map(str, self.tensor.shape)) or "a single number"
        return f"{self.name} ({shape}{', ' if self.kind else ''}{self.kind})"


_Pair: TypeAlias = tuple[_Entry | None, _Entry | None]


def transplant(
    reference_state_dict: Mapping[str, Tensor], network: Target, ordered: bool = True
) -> Literal["name", "position"]:
    """Copies a reference's weights and running statistics into a network of ours, in place.

    Entries belong together by name where both sides have the same names, else by position: every style
    lists its parameters in the order of the `.net` file. Says which of the two it was. Shape and kind of
    all entries are checked before the first is copied. Raises TransplantError.

    `network` is a module (styles `module` and `sequential`), or the functional style's `params` or
    `(params, buffers)`. Counters of batches, which nothing depends on, may be missing on either side.
    A state dict that isn't `ordered`, as from a safetensors file, can be matched by name only.
    """
    theirs, ours = _of_state_dict(reference_state_dict), _of_target(network)
    if not all(any(entry.group == COUNTERS for entry in side) for side in (theirs, ours)):
        theirs, ours = ([entry for entry in side if entry.group != COUNTERS] for side in (theirs, ours))
    named = {entry.name: entry for entry in theirs}
    by_name = named.keys() == {entry.name for entry in ours}
    if by_name:
        theirs = [named[entry.name] for entry in ours]
    elif not ordered:
        raise TransplantError(
            "the weights have other names than the network, and positions are lost: safetensors files sort "
            "their tensors",
            'load them into the reference, and `torch.save(model.state_dict(), "weights.pth")`',
        )
    pairs = _pairs(theirs, ours)
    if shape_errors := [pair for pair in pairs if not _fit(*pair)]:
        raise _report(shape_errors, len(theirs), len(ours))
    with torch.no_grad():
        for source, target in pairs:
            assert source and target
            target.tensor.copy_(source.tensor)
    return "name" if by_name else "position"


def _of_state_dict(state: Mapping[str, Tensor]) -> list[_Entry]:
    for name, tensor in state.items():
        # Only what can be copied without fail: an error halfway would leave a network half filled.
        if not isinstance(tensor, Tensor) or not _ordinary(tensor):
            help = "give a state dict of ordinary tensors: `model.state_dict()`"
            raise TransplantError(f"`{name}` is no dense tensor of numbers", help)
    return [_Entry(name, tensor, _kind(name, state)) for name, tensor in state.items()]


def _ordinary(tensor: Tensor) -> bool:
    dense = tensor.layout == torch.strided and not tensor.is_meta
    return dense and not tensor.is_complex() and not tensor.is_quantized


def _kind(name: str, state: Mapping[str, Tensor]) -> str:
    """A norm's scale and a bias are both vectors: the tensors beside them tell which it is."""
    owner, dot, own = name.rpartition(".")
    if own in GROUPS:
        return own
    weight = state.get(f"{owner}{dot}weight")
    if weight is None or own not in ("weight", "bias"):
        return ""
    kernel = weight.dim() > 1
    return ("kernel" if kernel else "scale") if own == "weight" else ("bias" if kernel else "shift")


def _of_target(network: Target) -> list[_Entry]:
    if isinstance(network, nn.Module):
        return _of_state_dict(network.state_dict())
    params, buffers = network if isinstance(network, tuple) else (network, [])
    return [
        *(_Entry(f"params[{i}]", p, "kernel" if p.dim() > 1 else "") for i, p in enumerate(params)),
        # In pairs, as `init_buffers` makes them.
        *(_Entry(f"buffers[{i}]", b, ("running_mean", "running_var")[i % 2]) for i, b in enumerate(buffers)),
    ]


def _pairs(theirs: list[_Entry], ours: list[_Entry]) -> list[_Pair]:
    """What belongs together by position, group by group; None where one side has too few."""
    return [
        pair
        for group in (PARAMETERS, STATISTICS, COUNTERS)
        for pair in zip_longest(
            (entry for entry in theirs if entry.group == group),
            (entry for entry in ours if entry.group == group),
        )
    ]


def _fit(theirs: _Entry | None, ours: _Entry | None) -> bool:
    if theirs is None or ours is None or theirs.tensor.shape != ours.tensor.shape:
        return False
    return theirs.kind == ours.kind or not theirs.kind or not ours.kind


def _report(shape_errors: list[_Pair], theirs: int, ours: int) -> TransplantError:
    rows = [tuple(str(entry or "nothing") for entry in pair) for pair in shape_errors[:SHOWN]]
    width = max(len(left) for left, _ in rows)
    lines = [f"  {left:{width}}  for  {right}" for left, right in rows]
    if len(shape_errors) > SHOWN:
        lines.append(f"  and {len(shape_errors) - SHOWN} more")
    counts = f"{theirs} entries for the network's {ours}, {len(shape_errors)} of them don't fit"
    return TransplantError(
        "\n".join([f"the weights are of another network: {counts}", *lines]),
        "the reference must define its layers in the order of the .net file, with the same sizes",
    )
