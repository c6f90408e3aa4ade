"""Run folders: what a training leaves behind, and what `eval` takes up again.

A run holds the `.net` file, `run.json` (the settings and the resolved recipe), the generated code,
`metrics.jsonl`, the `last` and `best` weights and `curves.png`.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from dataclasses import asdict
from errno import ENOENT
from itertools import count
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console

from netdsl.api import Network
from netdsl.atomic import write
from netdsl.compiler import STYLES, Compiled, Style, compile_network
from netdsl.recipe import CHOICES, Recipe
from netdsl.runtime import checkpoint, data, model
from netdsl.runtime.errors import RunError
from netdsl.runtime.evaluate import evaluate
from netdsl.runtime.train import choose_device, require_new, train
from netdsl.source import Source

NETWORK_FILE, RUN_FILE = "network.net", "run.json"


class _Record(NamedTuple):
    """What `run.json` remembers for `eval`: the texts of `--set`, of the recipe's options and of the
    files that the network uses, by their path from the network's.
    """

    style: Style
    settings: dict[str, str]
    overrides: dict[str, str]
    used: dict[str, str]

    def read(self, path: str) -> str:
        """The text of a used file. Raises FileNotFoundError where the run has none of that path."""
        if path not in self.used:
            raise FileNotFoundError(ENOENT, "it is not in the run", path)
        return self.used[path]


def train_run(
    compiled: Compiled,
    settings: Mapping[str, str],
    overrides: Mapping[str, str],
    style: str,
    folder: Path | None,
    device_name: str,
) -> None:
    """Trains the network into a run folder, and prints what came of it. Raises RunError."""
    console = Console()
    network = Network(compiled)
    recipe = network.recipe
    device = choose_device(device_name)
    folder = folder or _free_folder(network.name)
    require_new(folder)
    if any((folder / name).exists() for name in (NETWORK_FILE, RUN_FILE)):
        raise RunError(
            f"{folder} already holds a {NETWORK_FILE} or {RUN_FILE}", "choose another folder: `--run`"
        )
    dataset = _data(network, recipe, console)
    chosen = _style(style)
    _write_inputs(folder, network, compiled, chosen, settings, overrides)
    trainable = _create(network, chosen, recipe.seed, device)
    images = f"{len(dataset.train):,} training, {len(dataset.validation):,} validation images"
    size = f"{network.parameters_count:,} parameters"
    console.print(f"{network.name} ({chosen}): {size}; {images}; {device}", highlight=False, soft_wrap=True)
    report = train(trainable, dataset, recipe, folder, device, console)
    if report.validation_accuracy is not None:
        console.print(f"best validation accuracy {report.validation_accuracy:.2%}", highlight=False)
    console.print(
        f"test accuracy {report.test_accuracy:.2%}, loss {report.test_loss:.4f} "
        f"({len(dataset.test):,} images, best weights)",
        highlight=False,
    )
    rate = f"{report.images_per_second:,.0f} images/s"
    console.print(f"{report.seconds:.0f} s, {rate}; the run is in {folder}", highlight=False, soft_wrap=True)


def evaluate_run(folder: Path, weights: str, data_override: str | None, device_name: str) -> None:
    """Prints loss and accuracy of a run's weights on the test images. Raises RunError and NetworkError.

    The code is generated anew from the run's `.net` file: no Python of the folder is executed.
    """
    console = Console()
    record = _read_record(folder)
    overrides = {**record.overrides, **({"data": data_override} if data_override else {})}
    source = Source(NETWORK_FILE, _read_text(folder / NETWORK_FILE))
    network = Network(compile_network(source, record.settings, overrides, record.read))
    device = choose_device(device_name)
    state = checkpoint.load(folder / f"{weights}.safetensors")
    trainable = _create(network, record.style, 0, device)
    trainable.load_state(state)
    dataset = _data(network, network.recipe, console).to(device)
    scores = evaluate(trainable, dataset, dataset.test, flip=network.recipe.tta == "flip")
    console.print(
        f"{network.name}, {weights} weights: test accuracy {scores.accuracy:.2%}, loss {scores.loss:.4f} "
        f"({len(dataset.test):,} images)",
        highlight=False,
    )


def _data(network: Network, recipe: Recipe, console: Console) -> data.Dataset:
    if network.classes is None:
        raise RunError("the network has no `classes`", "add `classes 10` and end it in `linear(classes)`")
    return data.load(
        recipe.data, network.input_shape, network.classes, recipe.validation, recipe.seed, console
    )


def _create(network: Network, style: Style, seed: int, device: torch.device) -> model.Model:
    return model.create(vars(network.imported(style)), style, network.entry(style), seed, device)


def _free_folder(name: str) -> Path:
    """`runs/resnet32`, or with the first number that is free."""
    candidates = (Path("runs") / (name if n == 1 else f"{name}-{n}") for n in count(1))
    return next(path for path in candidates if not path.exists())


def _write_inputs(
    folder: Path,
    network: Network,
    compiled: Compiled,
    style: Style,
    settings: Mapping[str, str],
    overrides: Mapping[str, str],
) -> None:
    start = posixpath.dirname(posixpath.normpath(compiled.source.name.replace("\\", "/"))) or "."
    record = {
        "network": network.name,
        "style": style,
        "settings": dict(settings),
        "overrides": dict(overrides),
        "recipe": _recipe_record(network.recipe),
        "used": {posixpath.relpath(path, start): text for path, text in compiled.used.items()},
    }
    try:
        write(folder / NETWORK_FILE, compiled.source.text.encode())
        write(folder / RUN_FILE, (json.dumps(record, indent=2) + "\n").encode())
        write(folder / f"{network.name}.py", network.source(style).encode())
    except OSError as error:
        raise RunError(
            f"{folder} can't be written: {error.strerror}", "choose another folder: `--run`"
        ) from error


def _recipe_record(recipe: Recipe) -> dict[str, object]:
    """The resolved recipe, each choice with its word: `{"optimizer": {"sgd": {"lr": 0.01, …}}}`."""
    words = {cls: word for choices in CHOICES.values() for word, cls in choices.items()}

    def worded(value: object) -> object:
        return {words[type(value)]: asdict(value)} if type(value) in words else value  # type: ignore[call-overload]

    values = {name: getattr(recipe, name) for name in Recipe.__dataclass_fields__}
    return {
        name: [worded(item) for item in value] if isinstance(value, tuple) else worded(value)
        for name, value in values.items()
    }


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
    return _Record(_style(str(style)), settings, overrides, used)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(
            f"{path} can't be read: {error}", "name the folder of a run, as runs/resnet32"
        ) from error


def _style(name: str) -> Style:
    if name not in STYLES:
        raise RunError(f"there is no style `{name}`", f"one of {', '.join(STYLES)}")
    return name
