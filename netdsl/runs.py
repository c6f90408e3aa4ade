"""Run folders: what a training leaves behind. `netdsl.trained` reads them.

A run holds the `.net` file, `run.json` (the settings and the resolved recipe), the generated code,
`metrics.jsonl`, the `last` and `best` weights, `curves.png` and, of a whole training, `report.json`.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from itertools import count
from pathlib import Path

from rich.console import Console

from netdsl.api import Network
from netdsl.atomic import write
from netdsl.compiler import Compiled, Style
from netdsl.recipe import CHOICES, Recipe
from netdsl.runtime import report as report_file
from netdsl.runtime.errors import RunError
from netdsl.runtime.tensorboard import TensorBoard
from netdsl.runtime.train import choose_device, require_new, train
from netdsl.trained.run import NETWORK_FILE, RUN_FILE, create_model, load_data, require_style


def train_run(
    compiled: Compiled,
    settings: Mapping[str, str],
    overrides: Mapping[str, str],
    style: str,
    folder: Path | None,
    device_name: str,
    tensorboard: bool = False,
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
    dataset = load_data(network, console)
    chosen = require_style(style)
    board: AbstractContextManager[TensorBoard | None] = TensorBoard(folder) if tensorboard else nullcontext()
    _write_inputs(folder, network, compiled, chosen, settings, overrides)
    trainable = create_model(network, chosen, recipe.seed, device)
    images = f"{len(dataset.train):,} training, {len(dataset.validation):,} validation images"
    size = f"{network.parameters_count:,} parameters"
    console.print(f"{network.name} ({chosen}): {size}; {images}; {device}", highlight=False, soft_wrap=True)
    with board as each_epoch:
        report = train(trainable, dataset, recipe, folder, device, console, each_epoch=each_epoch)
    report_file.write(folder, report)
    if report.validation_accuracy is not None:
        console.print(f"best validation accuracy {report.validation_accuracy:.2%}", highlight=False)
    console.print(
        f"test accuracy {report.test_accuracy:.2%}, loss {report.test_loss:.4f} "
        f"({len(dataset.test):,} images, best weights)",
        highlight=False,
    )
    rate = f"{report.images_per_second:,.0f} images/s"
    console.print(f"{report.seconds:.0f} s, {rate}; the run is in {folder}", highlight=False, soft_wrap=True)


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
