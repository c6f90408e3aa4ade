"""Copies weights of another implementation to a netdsl network, matched by name, else by position."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from netdsl.runtime.errors import RunError

# A module, or what the functional style calls its weights: `params`, or `(params, buffers)`.
Target: TypeAlias = nn.Module | list[Tensor] | tuple[list[Tensor], list[Tensor]]

# Parameters, running statistics and counters of batches are matched separately: a state dict mixes the
# three, the functional style separates them.
PARAMETERS, STATISTICS, COUNTERS = range(3)
GROUPS = {"running_mean": STATISTICS, "running_var": STATISTICS, "num_batches_tracked": COUNTERS}

# Buffers of other implementations that follow from the architecture, and that networks compute themselves.
# (Positions of windows are whole numbers, which are never weights.)
DERIVED = frozenset({"relative_coords_table", "attn_mask"})

# The most mismatched entries that are shown.
SHOWN = 6


T = TypeVar("T")


class TransplantError(RunError):
    """The weights do not match the network; none of them was copied."""


class _Entry(NamedTuple):
    name: str
    tensor: Tensor
    # The role of the tensor, derived from its name and its neighbours; empty if unknown.
    kind: str

    @property
    def group(self) -> int:
        return GROUPS.get(self.kind, PARAMETERS)

    @property
    def shape(self) -> str:
        return "x".join(map(str, self.tensor.shape)) or "a single number"

    def __str__(self) -> str:
        return f"{self.name} ({self.shape}{', ' if self.kind else ''}{self.kind})"


_Pair: TypeAlias = tuple[_Entry | None, _Entry | None]


def transplant(
    reference_state_dict: Mapping[str, Tensor],
    network: Target,
    ordered: bool = True,
    *,
    order: Sequence[str] = (),
) -> Literal["name", "position"]:
    """Copies a reference's weights and running statistics into a network, in place.

    Entries are matched by name if both sides have the same names, else by position: all styles list
    parameters in the order of the `.net` file. Returns which of the two was used. Shape and kind of all
    entries are checked before the first is copied. Raises TransplantError.

    `network` is a module (styles `module` and `sequential`), or the functional style's `params` or `(params,
    buffers)`. Counters of batches, which nothing depends on, may be missing on either side. A state dict
    that is not `ordered`, such as that of a safetensors file, can be matched by name only.
    """
    learned = {name: own for name, own in reference_state_dict.items() if not _is_derived(name, own)}
    theirs, ours = _of_state_dict(learned), _of_target(network)
    if not all(any(entry.group == COUNTERS for entry in side) for side in (theirs, ours)):
        theirs, ours = ([entry for entry in side if entry.group != COUNTERS] for side in (theirs, ours))
    named = {entry.name: entry for entry in theirs}
    by_name = named.keys() == {entry.name for entry in ours}
    if by_name:
        theirs = [named[entry.name] for entry in ours]
    elif not ordered:
        raise TransplantError(
            "the weights have other names than the network, and no order: safetensors files sort their "
            "tensors",
            'load them into the reference, and use `torch.save(model.state_dict(), "weights.pth")`',
        )
    else:
        if unknown := [name for name in order if name not in reference_state_dict]:
            raise TransplantError(f"`order` has `{unknown[0]}`, but the weights have no such name")
        theirs = in_order(named, [name for name in order if name in named])
    pairs = _pairs(theirs, ours)
    if shape_errors := [pair for pair in pairs if not _fit(*pair)]:
        raise _report(shape_errors, len(theirs), len(ours))
    with torch.no_grad():
        for source, target in pairs:
            assert source and target
            target.tensor.copy_(source.tensor.reshape(target.tensor.shape))
    return "name" if by_name else "position"


class Taken(NamedTuple):
    """The entries that `take` copied, by the network's names, and the others: of the network with the reason,
    and of the weights. Counters of batches are not listed.
    """

    matched: Literal["name", "position"]
    taken: tuple[str, ...]
    new: Mapping[str, str]
    unused: tuple[str, ...]


def take(
    state: Mapping[str, Tensor],
    network: nn.Module,
    ordered: bool,
    orders: Iterable[Sequence[str]] = (),
    refused: Mapping[str, str] = MappingProxyType({}),
) -> Taken:
    """Copies the weights that fit to a module, in place; the others of the module stay as they are.

    A layer is taken as a whole, or not at all. Entries are matched by name; or by position, also in the
    `orders` of other libraries, if the two networks differ only in numbers of outputs, as those of other
    classes do: whichever takes more. Entries that are `refused`, for the reason of their name, are new even
    if they fit. Raises TransplantError, and copies nothing, if no layer fits.
    """
    learned = {name: own for name, own in state.items() if not _is_derived(name, own)}
    theirs = [entry for entry in _of_state_dict(learned) if entry.group != COUNTERS]
    ours = [entry for entry in _of_target(network) if entry.group != COUNTERS]
    named = {entry.name: entry for entry in theirs}
    found = [_partly("name", [(named.get(own.name), own) for own in ours], theirs, refused)]
    for order in ([], *orders) if ordered else ():
        pairs = _pairs(in_order(named, [name for name in order if name in named]), ours)
        if all(_fit(*pair) or _other_outputs(*pair) for pair in pairs):
            found.append(_partly("position", pairs, theirs, refused))
    best, pairs = max(found, key=lambda one: len(one[0].taken))
    if not best.taken:
        raise _report([pair for pair in pairs if not _fit(*pair)], len(theirs), len(ours))
    with torch.no_grad():
        for source, target in pairs:
            if source and target and target.name in best.taken:
                target.tensor.copy_(source.tensor.reshape(target.tensor.shape))
    return best


def _partly(
    matched: Literal["name", "position"],
    pairs: list[_Pair],
    theirs: list[_Entry],
    refused: Mapping[str, str],
) -> tuple[Taken, list[_Pair]]:
    """The entries that a match takes, with its pairs."""
    new = {own.name: refused[own.name] for _, own in pairs if own and own.name in refused}
    for source, own in pairs:
        if own and own.name not in new and not _fit(source, own):
            new[own.name] = f"{source.shape} in the weights" if source else "not in the weights"
    incomplete = {name.rpartition(".")[0] for name in new}
    taken, used = list[str](), set[str]()
    for source, own in pairs:
        if source and own and own.name not in new:
            if own.name.rpartition(".")[0] in incomplete:
                new[own.name] = "part of its layer does not fit"
            else:
                taken.append(own.name)
                used.add(source.name)
    unused = tuple(entry.name for entry in theirs if entry.name not in used)
    return Taken(matched, tuple(taken), new, unused), pairs


def _other_outputs(theirs: _Entry | None, ours: _Entry | None) -> bool:
    """True for the same entry of a layer with another number of outputs."""
    if theirs is None or ours is None or theirs.kind != ours.kind or ours.kind not in ("kernel", "bias"):
        return False
    return theirs.tensor.dim() == ours.tensor.dim() and theirs.tensor.shape[1:] == ours.tensor.shape[1:]


def in_order(named: Mapping[str, T], order: Iterable[str]) -> list[T]:
    """The values, those named in `order` in its order, in the places that they have together."""
    names = list(named)
    places = sorted(set(map(names.index, order)))
    values = list(named.values())
    for place, name in zip(places, dict.fromkeys(order), strict=True):
        values[place] = named[name]
    return values


def _is_derived(name: str, tensor: object) -> bool:
    """True for a buffer that follows from the architecture."""
    own = name.rpartition(".")[2]
    whole = isinstance(tensor, Tensor) and tensor.dtype in (torch.int32, torch.int64)
    return own in DERIVED or (whole and own not in GROUPS)


def _of_state_dict(state: Mapping[str, Tensor]) -> list[_Entry]:
    for name, tensor in state.items():
        # Only tensors that can always be copied: an error would leave a network with half of the weights.
        if not isinstance(tensor, Tensor) or not _ordinary(tensor):
            help = "pass a state dict of ordinary tensors: `model.state_dict()`"
            raise TransplantError(f"`{name}` is not a dense tensor of real numbers", help)
    return [_Entry(name, tensor, _kind(name, state)) for name, tensor in state.items()]


def _ordinary(tensor: Tensor) -> bool:
    dense = tensor.layout == torch.strided and not tensor.is_meta
    return dense and not tensor.is_complex() and not tensor.is_quantized


def _kind(name: str, state: Mapping[str, Tensor]) -> str:
    """The role of a tensor; the weight beside it tells the bias of a kernel from the shift of a norm."""
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
    """The entries paired by position in each group; None if one side has fewer."""
    return [
        pair
        for group in (PARAMETERS, STATISTICS, COUNTERS)
        for pair in zip_longest(
            (entry for entry in theirs if entry.group == group),
            (entry for entry in ours if entry.group == group),
        )
    ]


def _fit(theirs: _Entry | None, ours: _Entry | None) -> bool:
    if theirs is None or ours is None or not _same_lengths(theirs.tensor.shape, ours.tensor.shape):
        return False
    return theirs.kind == ours.kind or not theirs.kind or not ours.kind


def _same_lengths(one: Sequence[int], other: Sequence[int]) -> bool:
    """True if the shapes are equal but for lengths of 1 before or after those of the shorter one."""
    longer, shorter = sorted((tuple(one), tuple(other)), key=len, reverse=True)
    more = len(longer) - len(shorter)
    return any(longer == (1,) * before + shorter + (1,) * (more - before) for before in range(more + 1))


def _report(shape_errors: list[_Pair], theirs: int, ours: int) -> TransplantError:
    rows = [tuple(str(entry or "nothing") for entry in pair) for pair in shape_errors[:SHOWN]]
    width = max(len(left) for left, _ in rows)
    lines = [f"  {left:{width}}  for  {right}" for left, right in rows]
    if len(shape_errors) > SHOWN:
        lines.append(f"  and {len(shape_errors) - SHOWN} more")
    counts = f"{theirs} entries for the network's {ours}, {len(shape_errors)} mismatched"
    return TransplantError(
        "\n".join([f"the weights are of another network: {counts}", *lines]),
        "the reference must define its layers in the order of the .net file, with the same sizes",
    )
