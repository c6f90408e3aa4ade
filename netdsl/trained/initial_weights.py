"""The weights that a training begins with: of a run, of a file or of torchvision, as far as they fit."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from inspect import signature
from itertools import groupby, takewhile
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console
from torch import Tensor, nn

from netdsl.base.printing import printable
from netdsl.codegen.names import CONSTANTS
from netdsl.compiler import Style
from netdsl.diagnostics import nearest
from netdsl.ir.layer_names import is_within, layers, parameter_layers, parameters
from netdsl.language.recipe import Biases, Group, Norms, Part, Recipe
from netdsl.network import CompiledNetwork
from netdsl.runtime import checkpoint_import
from netdsl.runtime.batches import load
from netdsl.runtime.console import say
from netdsl.runtime.data import Dataset
from netdsl.runtime.distributed import ALONE
from netdsl.runtime.errors import RunError
from netdsl.runtime.model import Model
from netdsl.runtime.optim import Rates
from netdsl.runtime.preprocessing import Preprocessing
from netdsl.runtime.silence import first_line
from netdsl.runtime.train_step import Tuning
from netdsl.runtime.transplant import GROUPS, SHOWN, STATISTICS, Taken, take
from netdsl.runtime.whitening import whitening as _whitening
from netdsl.shapes.check_whitening import whitened
from netdsl.trained.checkpoint_orders import known_orders
from netdsl.trained.open_run import Which, open_run
from netdsl.trained.run_settings import RUN_FILE

TORCHVISION = "torchvision:"
# The number of images that are whitened at a time.
_WHITENED = 100


@dataclass(frozen=True, slots=True)
class InitialWeights:
    """The record of the weights that a run began with.

    `source` is as in the recipe, `checksum` is of the tensors that were taken, `new` are the layers that were
    not. `mean` and `deviation` are the normalisation of the weights, which the network keeps; empty if it
    is unknown.
    """

    source: str
    checksum: str
    new: list[str]
    mean: list[float]
    deviation: list[float]

    def normalised(self, data: Dataset) -> Dataset:
        """The data with the normalisation of the weights, if they have one."""
        if not self.mean:
            return data
        return replace(data, mean=torch.tensor(self.mean), deviation=torch.tensor(self.deviation))


class _Source(NamedTuple):
    state: dict[str, Tensor]
    # Whether the tensors are in the order of their network.
    ordered: bool
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    # The names of the classes; empty if they are unknown.
    classes: tuple[str, ...] = ()


def begin(
    network: CompiledNetwork, model: Model, style: Style, classes: Sequence[str], console: Console
) -> InitialWeights | None:
    """Copies the weights that the recipe names, as far as they fit, into a new model, and says which.

    The layers of the classes begin anew if those of the weights have other names than `classes`. None if the
    recipe names no weights. Raises RunError if they can't be read or nothing fits.
    """
    source = network.recipe.weights
    if source is None:
        return None
    found = _read(source, console)
    module = network.module()
    orders = known_orders(found.state) if found.ordered else ()
    try:
        taken = take(found.state, module, found.ordered, orders, _refused(network, found.classes, classes))
    except RunError as error:
        raise RunError(
            f"{source}: {error}", "name weights of a network with layers of the same shapes"
        ) from error
    for name, tensor, target in _paired(module, model, style):
        if name in taken.taken:
            target.copy_(tensor)
    names = [name for name, _ in module.named_parameters()]
    of_layer = dict(zip((_owner(name) for name in names), parameter_layers(network.typed), strict=True))
    new = {of_layer.get(_owner(name), _owner(name)): why for name, why in reversed(list(taken.new.items()))}
    own = bool(found.mean) and len(found.mean) == network.input_shape[0]
    for line in _lines(source, taken, new, len(of_layer), own):
        say(console, line)
    digest = hashlib.blake2b(digest_size=8)
    for name, tensor in module.state_dict().items():
        if name in taken.taken:
            digest.update(tensor.contiguous().numpy().tobytes())
    normalisation = (list(found.mean), list(found.deviation)) if own else ([], [])
    return InitialWeights(source, digest.hexdigest(), list(reversed(new)), *normalisation)


def whiten(network: CompiledNetwork, model: Model, data: Dataset, initial: InitialWeights | None) -> None:
    """Computes the weights of a convolution with the rule `whiten` from the training images, unless they were
    taken from elsewhere.
    """
    whitening = network.typed.network.init.whitening
    found = whitening and whitened(network.typed.parts, whitening.label)
    if whitening is None or found is None:
        return
    if initial is not None and parameter_layers(network.typed)[0] not in initial.new:
        return
    data = data if initial is None else initial.normalised(data)
    _, conv = found
    rows = torch.arange(min(whitening.rule.images, len(data.train)))
    batches = load(data.train, list(rows.split(_WHITENED)), ALONE, data.mean.device, workers=0)
    images = (data.normalise(data.floats(batch.images)) for batch in batches)
    weight = _whitening(images, conv.out, conv.kernel, conv.dilation, whitening.rule.eps)
    model.parameters[0].detach().copy_(weight)


def _refused(network: CompiledNetwork, learned: Sequence[str], classes: Sequence[str]) -> dict[str, str]:
    """The weights of the classes, with the reason, if as many others were `learned`; none if these are
    unknown. Another number of classes has weights of other shapes.
    """
    others = [pair for pair in zip(learned, classes, strict=False) if pair[0] != pair[1]]
    if len(learned) != len(classes) or not others:
        return {}
    reason = "other classes: `{}` in the weights, `{}` here".format(*map(printable, others[0]))
    module = network.module()
    own, names = module.state_dict(), [name for name, _ in module.named_parameters()]
    kind = type(module)
    if CONSTANTS["classes"] in signature(kind).parameters:
        with torch.device("meta"):
            wider = kind(**{CONSTANTS["classes"]: len(classes) + 1}).state_dict()
        of_classes = {_owner(name) for name in names if own[name].shape != wider[name].shape}
    else:  # the last layers with as many outputs as the last
        size = own[names[-1]].shape[0]
        of_classes = {_owner(name) for name in takewhile(lambda n: own[n].shape[0] == size, names[::-1])}
    return {name: reason for name in names if _owner(name) in of_classes}


def tuning(network: CompiledNetwork, initial: InitialWeights | None) -> Tuning:
    """The tuning of a network by its recipe: which layers are frozen, and at which rates the others are
    trained.

    Raises RunError if the network has no layer of a path in `freeze` or `groups`.
    """
    recipe, of_parameter = network.recipe, parameter_layers(network.typed)
    parts = [("groups", group.path) for group in recipe.groups if isinstance(group, Part)]
    for key, path in (*(("freeze", path) for path in recipe.freeze), *parts):
        if not any(is_within(layer, [path]) for layer in of_parameter):
            known = {
                name[: len(path.split("."))] for name in (tuple(layer.split(".")) for layer in of_parameter)
            }
            names = sorted({".".join(name) for name in known})
            help = nearest(path, names) or f"use {', '.join(names[:SHOWN])} or another part with weights"
            raise RunError(f"`{key}`: the network has no weights in `{path}`", help)
    new = of_parameter if initial is None else initial.new
    for group in recipe.groups:
        if not any(_belongs(group, *parameter) for parameter in parameters(network.typed)):
            kind = type(group).__name__.lower()
            raise RunError(f"`groups`: the network has no weights of `{kind}`", f"leave `{kind}` out")
    rates = [_rates(recipe, layer, role, layer in new) for layer, role in parameters(network.typed)]
    fixed = [
        recipe.eval_norms == "all" or (recipe.eval_norms == "frozen" and is_within(layer.name, recipe.freeze))
        for layer in layers(network.typed, in_training=True)
        if layer.kind == "bn" and not layer.shared
    ]
    return Tuning(rates, fixed)


def _rates(recipe: Recipe, layer: str, role: str, is_new: bool) -> Rates:
    """The rates of a parameter, by what the recipe says of its layer and of its role."""
    rates = Rates(1.0 if is_new else recipe.lr_factor)
    groups: list[Group] = [group for group in recipe.groups if _belongs(group, layer, role)]
    if is_within(layer, recipe.freeze):
        groups.append(Group(epochs=0))
    for group in groups:
        rates = Rates(
            rates.lr * group.lr_factor,
            rates.decay * group.decay_factor,
            min(rates.epochs, math.inf if group.epochs == "all" else group.epochs),
        )
    return rates


def _belongs(group: Norms | Biases | Part, layer: str, role: str) -> bool:
    match group:
        case Norms():
            return role in ("scale", "shift")
        case Biases():
            return role == "bias"
        case Part(path=path):
            return is_within(layer, [path])


def _owner(name: str) -> str:
    return name.rpartition(".")[0]


def _lines(source: str, taken: Taken, new: dict[str, str], count: int, normalised: bool) -> list[str]:
    """The report on what was taken."""
    lines = [f"weights of {source}: {count - len(new)} of {count} layers, by {taken.matched}"]
    if normalised:
        lines[0] += ", and their normalisation"
    parts = groupby(reversed(new.items()), key=lambda item: item[0].partition(".")[0])
    names = [_in_short(part, list(layers)) for part, layers in parts]
    unused = groupby(dict.fromkeys(map(_owner, taken.unused)), key=lambda name: name.partition(".")[0])
    for title, shown in (
        ("new", names),
        ("not used", [_in_short(p, [(n, "") for n in own]) for p, own in unused]),
    ):
        if shown:
            more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
            lines.append(f"  {title}: {', '.join(shown[:SHOWN])}{more}")
    return lines


def _in_short(part: str, layers: Sequence[tuple[str, str]]) -> str:
    """The layers of a part, with the reason of the first one."""
    (layer, why), *others = layers
    if not others:
        return f"{layer} ({why})" if why else layer
    first = f"; {layer.removeprefix(f'{part}.')}: {why}" if why else ""
    return f"{part} ({len(layers)} layers{first})"


def _paired(module: nn.Module, model: Model, style: Style) -> Iterator[tuple[str, Tensor, Tensor]]:
    """The weights of the module style with those of a model of any style: all list them in the same order."""
    statistics = model.statistics
    if style != "functional":
        buffers = model.module().named_buffers()
        statistics = [tensor for name, tensor in buffers if _is_statistic(name)]
    own = ((name, tensor) for name, tensor in module.named_buffers() if _is_statistic(name))
    for pairs, others in ((module.named_parameters(), model.parameters), (own, statistics)):
        for (name, tensor), other in zip(pairs, others, strict=True):
            yield name, tensor.detach(), other.detach()


def _is_statistic(name: str) -> bool:
    return GROUPS.get(name.rpartition(".")[2]) == STATISTICS


def _read(source: str, console: Console) -> _Source:
    """The weights that a recipe names. Raises RunError."""
    if source.startswith(TORCHVISION):
        return _of_torchvision(source.removeprefix(TORCHVISION), console)
    path = Path(source)
    if path.is_dir():
        return _of_run(path, "best")
    if (path.parent / RUN_FILE).exists() and re.fullmatch(r"best|last|epoch\d+", path.stem):
        return _of_run(path.parent, path.stem)
    if not path.exists():
        raise RunError(
            f"there are no weights at {source}",
            "name a run, as runs/resnet32, a file of weights, or `torchvision:NAME`",
        )
    found = checkpoint_import.read(path)
    with suppress(RunError):  # weights of other programs have no normalisation
        own = Preprocessing.read(path)
        return _Source(found.state, found.ordered, own.mean, own.deviation, own.classes)
    return _Source(found.state, found.ordered)


def _of_run(folder: Path, which: Which) -> _Source:
    """The weights of a run, with the names of the module style, whichever style was trained."""
    run = open_run(folder)
    preprocessing = run.preprocessing(which)
    module = run.network.module()
    for _, target, tensor in _paired(module, run.model(which, torch.device("cpu")), run.style):
        target.copy_(tensor)
    return _Source(
        dict(module.state_dict()),
        True,
        preprocessing.mean,
        preprocessing.deviation,
        preprocessing.classes,
    )


def _of_torchvision(name: str, console: Console) -> _Source:
    """The weights of torchvision's own choice for one of its networks, which it downloads into its cache."""
    from torchvision.models import get_model_weights, list_models

    try:
        weights = get_model_weights(name).DEFAULT
    except ValueError:
        help = nearest(name, list_models()) or "`torchvision.models.list_models()` lists them"
        raise RunError(f"torchvision has no network `{name}`", help) from None
    try:
        # Only tensors are loaded, and a checksum is compared.
        state = weights.get_state_dict(progress=console.is_terminal, check_hash=True, weights_only=True)
    except Exception as error:  # Of the network, of the disk, or of a damaged file.
        raise RunError(
            f"torchvision's weights of {name} can't be downloaded: {first_line(error)}",
            f"connect to a network, or download {weights.url} elsewhere and give the file: `--weights FILE`",
        ) from error
    transforms = weights.transforms()
    mean, deviation = getattr(transforms, "mean", ()), getattr(transforms, "std", ())
    return _Source(dict(state), True, tuple(mean), tuple(deviation))
