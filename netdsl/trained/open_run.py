"""Opens run folders: the network of a run and its weights.

A folder may come from anywhere, so no Python code in it is executed: the code is generated again from the
run's `.net` file.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import torch
from rich.console import Console

from netdsl.compiler import Style
from netdsl.ir.typed import operations
from netdsl.language.recipe import labels_of
from netdsl.language.words import VARIANT
from netdsl.network import CompiledNetwork
from netdsl.ops.conv import Conv, Depthwise
from netdsl.ops.operation import describe
from netdsl.runtime import checkpoint, data, images, model
from netdsl.runtime.console import warn
from netdsl.runtime.errors import RunError
from netdsl.runtime.layout import Convolution, choose_layout
from netdsl.runtime.preprocessing import Preprocessing
from netdsl.runtime.run_files import HOW
from netdsl.runtime.speed import Speed, SpeedRequest, choose, choose_device
from netdsl.runtime.speed_choices import SPEED_CHOICES
from netdsl.runtime.storage import read_json, read_text
from netdsl.trained.run_settings import NETWORK_FILE, RUN_FILE, RunSettings

# The weights of a run: `best`, of the best epoch on validation images, `last`, or `epoch7` of those kept.
Which: TypeAlias = str


@dataclass(frozen=True, slots=True)
class OpenedRun:
    """A run folder and the network that was trained in it; made by `open_run`.

    `trained_on` is the fingerprint of its data, empty if unknown; `renamed` is whether the data were named
    anew; `dataset` are its data if they are in memory already.
    """

    folder: Path
    network: CompiledNetwork
    style: Style
    settings: Mapping[str, str]
    rules: images.Rules = images.RULES
    trained_on: str = ""
    renamed: bool = False
    dataset: data.Dataset | None = None

    @property
    def title(self) -> str:
        """The network with its settings: `preresnet(depth=110)`. The name of a variant is its own."""
        given = (f"{name}={text.strip()}" for name, text in self.settings.items() if name != VARIANT)
        settings = ", ".join(given)
        return f"{self.network.name}({settings})" if settings else self.network.name

    def weights_file(self, which: Which) -> Path:
        return self.folder / f"{which}.safetensors"

    def model(self, which: Which, device: torch.device) -> model.Model:
        """The network with weights of the run. Raises RunError if they are missing or don't match."""
        state = checkpoint.load(self.weights_file(which))
        loaded = create_model(self.network, self.style, 0, device)
        loaded.load_state(state)
        return loaded

    def preprocessing(self, which: Which) -> Preprocessing:
        """The normalisation that belongs to these weights. Raises RunError."""
        path = self.weights_file(which)
        found = Preprocessing.read(path)
        if (len(found.mean), len(found.classes)) != (self.network.input_shape[0], self.network.classes):
            raise RunError(
                f"{path} is of a network for {len(found.mean)} channels and {len(found.classes)} classes, "
                f"but the run's is for {self.network.input_shape[0]} and {self.network.classes}",
                "restore the file, or train again",
            )
        return found

    def speed(self, device: str) -> Speed:
        """The speed for a device: in the training's precision if that ran on the same kind of device,
        else as `auto` chooses. Raises RunError if there is no such device.
        """
        how: Mapping[str, object] = {}
        with suppress(RunError):  # a damaged file
            how = read_json(self.folder / HOW, dict[str, object]) or how
        same = how.get("device") == choose_device(device).type
        precision = how.get("precision") if same else "auto"
        if precision not in SPEED_CHOICES["precision"]:
            precision = "auto"
        return choose(SpeedRequest(device=device, precision=str(precision)), convolutions(self.network))

    def data(self, console: Console) -> data.Dataset:
        """The data set of the run, on the CPU if it has to be read. Raises RunError if it is not available
        any more.
        """
        if self.dataset is not None:
            return self.dataset
        source = read_data(self.network, console, self.rules)
        given, learned = len(source.classes), self.network.classes
        if given != learned:
            raise RunError(
                f"the data have {given} classes, but the network was trained on {learned}",
                "name images of the same classes; for others, "
                f"`netdsl train MINE.net --weights {self.folder}` trains a new head",
            )
        found = divide(self.network, source)
        if not source.test_split_off or self.trained_on in ("", found.fingerprint()):
            return found
        if self.renamed:
            taken, left = len(source.test), len(source.train)
            warn(
                console,
                f"the data have no test images of their own: {taken} of {taken + left} are taken",
                "to evaluate on all, move the classes into a folder `test`, with a folder `train` beside it",
            )
        else:
            warn(
                console,
                "the images are not those of the training: some of the test may have been trained on",
                "restore them, or name a folder with `train` and `test`: `--data folder:PATH`",
            )
        return found


def open_run(folder: Path, overrides: Mapping[str, str] | None = None) -> OpenedRun:
    """The run in a folder, with keys of its recipe overridden as on the command line.

    Raises RunError if the folder holds no run or a damaged one, NetworkError if its network has errors.
    """
    if folder.suffix == ".net":
        help = f"train it with `netdsl train {folder}`, and name the folder of the run"
        raise RunError(f"{folder} is a network, not a run", help)
    settings = read_json(folder / RUN_FILE, RunSettings)
    text = read_text(folder / NETWORK_FILE)
    if settings is None or text is None:
        missing = folder / (RUN_FILE if settings is None else NETWORK_FILE)
        raise RunError(f"there is no {missing}", "name the folder of a run, such as runs/resnet32")
    network = CompiledNetwork(settings.compiled(text, overrides or {}))
    renamed = "data" in (overrides or {})
    return OpenedRun(
        folder, network, settings.style, settings.settings, settings.rules, settings.data, renamed
    )


def read_data(
    network: CompiledNetwork, console: Console, rules: images.Rules = images.RULES
) -> images.Source:
    """The images of a network's recipe, on the CPU. Raises RunError if they are not available."""
    require_classes(network)
    room = data.room(torch.device("cpu"))
    return data.read(network.recipe.data, network.input_shape, console, room=room, rules=rules)


def divide(network: CompiledNetwork, source: images.Source) -> data.Dataset:
    """Divides images by a network's recipe: `data.divide`. Raises RunError."""
    recipe = network.recipe
    return data.divide(source, require_classes(network), recipe.validation, recipe.seed, recipe.images)


def require_classes(network: CompiledNetwork) -> int:
    """The number of a network's classes. Raises RunError if it has no `classes`, or its outputs don't fit the
    labels of its data: a vector of scores for one class an image, a map of them, with any height and width,
    for masks. Outputs of training only, which are for the loss, must be like the first one. Where `detect`
    gives the outputs another meaning, the compiler has checked all this.
    """
    classes = network.classes
    if classes is None:
        raise RunError("the network has no `classes`", "add `classes 10` and end it in `linear(classes)`")
    if network.typed.network.detect:
        return classes
    first, *others = network.typed.outputs
    masks = labels_of(network.recipe.data) == "masks"
    for output in (first, *(other for other in others if other.in_training_only)):
        name = f" `{output.name}`" if output.name else ""
        fits = output.shape[0] == classes and len(output.shape) == (3 if masks else 1)
        if not fits and masks:
            raise RunError(
                f"the output{name} is {describe(output.shape)}, but each pixel of a mask has a label",
                f"end it in a map, `conv({classes}, 1), save scores`, and add `output scores`",
            )
        if not fits:
            also = "; or train on masks: `--data masks:PATH` or `--data scenes(masks=yes)`"
            raise RunError(
                f"the output{name} is {describe(output.shape)}, but an image has one label",
                f"end it in a vector of {classes} scores: `global_avgpool, flatten, linear(classes)`"
                + also * (output.shape[0] == classes),
            )
    return classes


def convolutions(network: CompiledNetwork) -> tuple[Convolution, ...]:
    """The properties of a network's convolutions that its layout depends on."""
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
    network: CompiledNetwork,
    style: Style,
    seed: int,
    device: torch.device,
    layout: torch.memory_format | None = None,
) -> model.Model:
    """The network in a style, with weights drawn with `seed`, in the given layout, else in a safe one."""
    if layout is None:
        layout, _ = choose_layout(convolutions(network), device)
    return model.create(vars(network.imported(style)), style, network.entry(style), seed, device, layout)
