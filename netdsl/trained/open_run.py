"""Run folders, read: the network of a run and its weights.

No Python of a folder is executed, since one may come from anywhere: the code is generated anew from the
run's `.net` file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import torch
from rich.console import Console

from netdsl.api import Network
from netdsl.base.source import Source
from netdsl.compiler import STYLES, Style, compile_network
from netdsl.ir.typed import operations
from netdsl.ops.conv import Conv, Depthwise
from netdsl.runtime import checkpoint, data, images, model
from netdsl.runtime.errors import RunError
from netdsl.runtime.layout import Convolution, choose_layout
from netdsl.runtime.preprocessing import Preprocessing
from netdsl.runtime.run_files import HOW
from netdsl.runtime.speed import Speed, SpeedRequest, choose, choose_device
from netdsl.runtime.speed_choices import SPEED_CHOICES
from netdsl.syntax.net_files import recorded

NETWORK_FILE, RUN_FILE = "network.net", "run.json"

# Which of a run's weights: those of the best validation accuracy, or of the last epoch.
Which: TypeAlias = Literal["best", "last"]


@dataclass(frozen=True, slots=True)
class OpenedRun:
    """A run folder and the network that was trained in it; made by `open_run`."""

    folder: Path
    network: Network
    style: Style
    settings: Mapping[str, str]

    @property
    def title(self) -> str:
        """The network as it was set: `preresnet(depth=110)`."""
        settings = ", ".join(f"{name}={text.strip()}" for name, text in self.settings.items())
        return f"{self.network.name}({settings})" if settings else self.network.name

    def weights_file(self, which: Which) -> Path:
        return self.folder / f"{which}.safetensors"

    def model(self, which: Which, device: torch.device) -> model.Model:
        """The network with weights of the run. Raises RunError where they are missing or don't fit."""
        state = checkpoint.load(self.weights_file(which))
        loaded = create_model(self.network, self.style, 0, device)
        loaded.load_state(state)
        return loaded

    def preprocessing(self, which: Which) -> Preprocessing:
        """How the images of the network with these weights are normalised. Raises RunError."""
        path = self.weights_file(which)
        found = Preprocessing.read(path)
        if (len(found.mean), len(found.classes)) != (self.network.input_shape[0], self.network.classes):
            raise RunError(
                f"{path} is of a network for {len(found.mean)} channels and {len(found.classes)} classes, "
                f"that of the run is for {self.network.input_shape[0]} and {self.network.classes}",
                "restore the file, or train again",
            )
        return found

    def speed(self, device: str) -> Speed:
        """How to compute on a device: in the training's precision if that ran on the same kind of device,
        else as `auto` chooses. Raises RunError if there is no such device.
        """
        precision = "auto"
        try:
            how = json.loads((self.folder / HOW).read_text(encoding="utf-8"))
            if how["device"] == choose_device(device).type and how["precision"] in SPEED_CHOICES["precision"]:
                precision = how["precision"]
        except (OSError, ValueError, TypeError, KeyError):
            pass  # the file is missing or damaged
        return choose(SpeedRequest(device=device, precision=precision), convolutions(self.network))

    def data(self, console: Console) -> data.Dataset:
        """The data set of the run, on the CPU. Raises RunError where it can't be had any more."""
        return load_data(self.network, console, room=data.room(torch.device("cpu")))


def open_run(folder: Path, overrides: Mapping[str, str] | None = None) -> OpenedRun:
    """The run in a folder, with keys of its recipe overridden as on the command line.

    Raises RunError where the folder holds no run or a damaged one, NetworkError where its network has
    errors.
    """
    record = _read_record(folder)
    source = Source(NETWORK_FILE, _read_text(folder / NETWORK_FILE))
    recipe = {**record.overrides, **(overrides or {})}
    network = Network(compile_network(source, record.settings, recipe, recorded(record.used, "run")))
    return OpenedRun(folder, network, record.style, record.settings)


def load_data(
    network: Network, console: Console, *, stream: bool | None = None, room: int | None = None
) -> data.Dataset:
    """The data of a network's recipe, as `data.load` reads them.

    Raises RunError where they can't be had or don't fit.
    """
    require_classes(network)
    source = data.read(network.recipe.data, network.input_shape, console, stream=stream, room=room)
    return divide(network, source)


def divide(network: Network, source: images.Source) -> data.Dataset:
    """What a network's recipe makes of the images, as `data.divide` says. Raises RunError."""
    recipe = network.recipe
    return data.divide(source, require_classes(network), recipe.validation, recipe.seed, recipe.images)


def require_classes(network: Network) -> int:
    """How many classes a network has. Raises RunError where it doesn't say."""
    if network.classes is None:
        raise RunError("the network has no `classes`", "add `classes 10` and end it in `linear(classes)`")
    return network.classes


def convolutions(network: Network) -> tuple[Convolution, ...]:
    """The facts of a network's convolutions that its layout depends on."""
    return tuple(
        Convolution(
            typed.input[0],
            typed.operation.kernel,
            typed.operation.stride,
            typed.operation.groups if isinstance(typed.operation, Conv) else typed.input[0],
        )
        for typed in operations(network.typed)
        if isinstance(typed.operation, (Conv, Depthwise))
    )


def create_model(
    network: Network,
    style: Style,
    seed: int,
    device: torch.device,
    layout: torch.memory_format | None = None,
) -> model.Model:
    """The network in a style, with the weights that `seed` gives; in the layout that is safe for it unless
    another is given.
    """
    if layout is None:
        layout, _ = choose_layout(convolutions(network), device)
    return model.create(vars(network.imported(style)), style, network.entry(style), seed, device, layout)


def require_style(name: str) -> Style:
    """The style of that name. Raises RunError where there is none."""
    if name not in STYLES:
        raise RunError(f"there is no style `{name}`", f"one of {', '.join(STYLES)}")
    return name


class _Record(NamedTuple):
    """What `run.json` remembers: the texts of `--set`, of the recipe's options and of the files that the
    network uses, by their path from the network's.
    """

    style: Style
    settings: dict[str, str]
    overrides: dict[str, str]
    used: dict[str, str]


def _read_record(folder: Path) -> _Record:
    """The run's settings; everything in them is checked, since a folder may come from anywhere."""
    text = _read_text(folder / RUN_FILE)
    damaged = RunError(f"{folder / RUN_FILE} is damaged", "train the network again")
    try:
        record = json.loads(text)
        style, settings, overrides = (record[key] for key in ("style", "settings", "overrides"))
        used = record.get("used", {})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise damaged from error
    for part in (settings, overrides, used):
        if not isinstance(part, dict) or not all(isinstance(value, str) for value in part.values()):
            raise damaged
    return _Record(require_style(str(style)), settings, overrides, used)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(
            f"{path} can't be read: {error}", "name the folder of a run, as runs/resnet32"
        ) from error
