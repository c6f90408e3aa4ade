"""Accuracy of a network after a given CPU time; the course's convnet has 75.18 % validation, 74.68 % test.

    python benchmarks/sixty_seconds.py FOLDER_OF_IMAGES [--network convnet] [--seconds 60] [--seed 0]
                                       [--precision auto]

CPU time is that of all threads of the process, from the first batch to the last; decoding the images and
evaluation don't count. Nothing is compiled, since compiling would have to repay its start-up within the
minute. The accuracy is that of the last weights; the schedule doesn't depend on the time limit.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

from rich.console import Console

import netdsl
from netdsl.language.recipe import Folder
from netdsl.runtime import data
from netdsl.runtime.distributed import ALONE
from netdsl.runtime.evaluate import evaluate
from netdsl.runtime.loop import Progress, train_epoch
from netdsl.runtime.memory import keep_freed_memory
from netdsl.runtime.speed import SpeedRequest, choose
from netdsl.runtime.train_step import TrainStep
from netdsl.trained.open_run import convolutions, create_model


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images")
    parser.add_argument("--network", default="convnet")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--precision", choices=["auto", "fp32", "bf16"], default="auto")
    options = parser.parse_args()
    network = netdsl.load(options.network)
    assert network.classes is not None
    recipe = replace(network.recipe, data=Folder(options.images), seed=options.seed, epochs=1000)
    speed = choose(SpeedRequest(device="cpu", precision=options.precision), convolutions(network))
    source = data.read(recipe.data, network.input_shape, Console())
    images = data.divide(source, network.classes, recipe.validation, recipe.seed, None)
    keep_freed_memory()
    model = create_model(network, "module", recipe.seed, speed.device)
    train_step = TrainStep(model, recipe, speed, ALONE)

    progress = Progress(0, len(images.train))
    started, seconds = time.process_time(), float(options.seconds)

    def over(_: bool) -> bool:
        return time.process_time() - started > seconds

    train_epoch(train_step, images, progress, over)
    while progress.complete and not over(True):
        progress = Progress(progress.epoch + 1, len(images.train))
        train_epoch(train_step, images, progress, over)

    with train_step.averaged():
        validation, test = (
            evaluate(model, images, part, speed, views=recipe.tta)
            for part in (images.validation, images.test)
        )
    epochs = progress.epoch + progress.seen / progress.end
    budget = f"{seconds:.0f} s of CPU time in {speed.reasons[0]}, seed {options.seed}"
    print(f"{network.name}, {budget}: {epochs:.2f} epochs")
    print(f"validation {validation['accuracy']:.2%}, test {test['accuracy']:.2%}")


if __name__ == "__main__":
    main()
