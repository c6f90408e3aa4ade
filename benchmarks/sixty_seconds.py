"""What a network reaches in a given CPU time, beside the course's convnet (75.18 % validation, 74.68 % test).

    python benchmarks/sixty_seconds.py FOLDER_OF_IMAGES [--network convnet] [--seconds 60] [--seed 0]

CPU time is that of all threads of the process, from the first batch to the last; decoding the images and
evaluating on the validation images after each epoch don't count. The weights at the end are reported.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console

import netdsl
from netdsl.recipe import Folder
from netdsl.runtime import data, model
from netdsl.runtime.evaluate import evaluate
from netdsl.runtime.train import choose_device, train


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images")
    parser.add_argument("--network", default="convnet")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    network = netdsl.load(arguments.network)
    assert network.classes is not None
    recipe = replace(network.recipe, data=Folder(arguments.images), seed=arguments.seed, epochs=1000)
    console, device = Console(), choose_device("cpu")
    shape, classes = network.input_shape, network.classes
    images = data.load(recipe.data, shape, classes, recipe.validation, recipe.seed, console)
    code, entry = vars(network.imported("module")), network.entry("module")
    trained = model.create(code, "module", entry, recipe.seed, device)
    started = time.process_time()
    with tempfile.TemporaryDirectory() as run:
        report = train(
            trained,
            images,
            recipe,
            Path(run),
            device,
            console,
            stop=lambda: time.process_time() - started > arguments.seconds,
        )
    validation = evaluate(trained, images, images.validation)
    budget = f"{arguments.seconds:.0f} s of CPU time, seed {arguments.seed}"
    print(f"{network.name}, {budget}: {report.epochs:.2f} epochs")
    print(f"validation {validation.accuracy:.2%}, test {report.test_accuracy:.2%}")


if __name__ == "__main__":
    main()
