"""Measures the accuracy of each placement of batch norm and ReLU (He et al. 2016, fig. 4 and table 2).

    python -m benchmarks.placements FOLDER_OF_IMAGES [--depth 20] [--epochs 4] [--seeds 2]

Trains networks/placements.net with each of its five `order` lines, everything else equal, and prints a table
in Markdown: the accuracy on the test images after a short training, over several seeds. docs/zoo.py includes
it from docs/results/placements.md.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from netdsl.api.network import Network
from netdsl.base.source import Source
from netdsl.compiler import compile_network
from netdsl.language.recipe import Cosine, Crop, Flip, Folder, Recipe, Sgd
from netdsl.runtime import data
from netdsl.runtime.run_files import Run
from netdsl.runtime.speed import SpeedRequest, choose
from netdsl.runtime.train import train
from netdsl.syntax.net_files import shipped
from netdsl.trained.open_run import convolutions, create_model

ORDER = re.compile(r"^(?:# )?(order .*?) +# \((\w)\) (.*)$", re.MULTILINE)


def orders() -> dict[str, tuple[str, str]]:
    """Returns the `order` lines of placements.net with their names, by letter."""
    text = shipped()["placements"].read_text(encoding="utf-8")
    return {letter: (order, name) for order, letter, name in ORDER.findall(text)}


def placement(letter: str, depth: int) -> Network:
    """Returns placements.net with another of its `order` lines."""
    text = shipped()["placements"].read_text(encoding="utf-8")
    order, _ = orders()[letter]
    active, count = re.subn(r"^order .*$", order, text, flags=re.MULTILINE)
    assert count == 1
    return Network(compile_network(Source(f"placements_{letter}.net", active), {"depth": str(depth)}))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images")
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    recipe = Recipe(
        data=Folder(arguments.images),
        epochs=arguments.epochs,
        batch=arguments.batch,
        optimizer=Sgd(lr=arguments.lr, momentum=0.9, nesterov=True, weight_decay=1e-4),
        schedule=Cosine(warmup=0.5),
        augment=(Flip(), Crop(4)),
    )
    console = Console(stderr=True)
    images = data.divide(data.read(recipe.data, (3, 32, 32), console), 10, recipe.validation, 0, None)
    print(f"Depth {arguments.depth}, {len(images.train):,} training images, {arguments.epochs} epochs.\n")
    print("| placement | `order` | test accuracy | seeds |")
    print("| --- | --- | ---: | --- |")
    for letter, (order, name) in orders().items():
        network = placement(letter, arguments.depth)
        scores = [
            accuracy(network, replace(recipe, seed=seed), images, console) for seed in range(arguments.seeds)
        ]
        each = ", ".join(f"{score:.1%}" for score in scores)
        line = order.removeprefix("order ")
        print(f"| ({letter}) {name} | `{line}` | {statistics.mean(scores):.1%} | {each} |")
        sys.stdout.flush()


def accuracy(network: Network, recipe: Recipe, images: data.Dataset, console: Console) -> float:
    """Returns the test accuracy of the weights with the best validation accuracy."""
    speed = choose(SpeedRequest(device="cpu", precision="fp32"), convolutions(network))
    trained = create_model(network, "module", recipe.seed, speed.device)
    with tempfile.TemporaryDirectory() as folder:
        return train(trained, images, recipe, Run(Path(folder)), speed, console).test_score


if __name__ == "__main__":
    main()
