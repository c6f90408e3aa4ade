"""airbench94 beside the same training as a plain loop of PyTorch: accuracy over seeds, and time.

    python benchmarks/airbench.py FOLDER [--width 64] [--images 50000] [--batch 1024] [--seeds 3]

The loop is written from the paper (Jordan 2024, arXiv 2404.00498) with the numbers of the repository
KellerJordan/cifar10-airbench: whole batches, all images augmented at once in each epoch, summed losses.
Both train in fp32 without compiling, on the same images, in turns. The time is the processor's for the
training, without evaluation. Smaller widths, fewer images and smaller batches are for CPUs; learning rates
are for one image, and follow the batch as in the paper.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from dataclasses import replace

import torch
import torch._dynamo  # Optimizers import it, which is no part of a training.
import torch.nn.functional as F
from rich.console import Console
from torch import Tensor, nn

import netdsl
from netdsl.language.recipe import Folder, OneCycle, Recipe, Sgd
from netdsl.runtime import data
from netdsl.runtime.data import Dataset
from netdsl.runtime.distributed import ALONE
from netdsl.runtime.evaluate import evaluate
from netdsl.runtime.loop import Progress, train_epoch
from netdsl.runtime.memory import keep_freed_memory
from netdsl.runtime.speed import SpeedRequest, choose
from netdsl.runtime.train_step import TrainStep
from netdsl.trained import initial_weights
from netdsl.trained.open_run import convolutions, create_model

EPOCHS, MOMENTUM, DECAY = 9.9, 0.85, 0.0153
# A step is this many times as long as the gradient of one image, with Nesterov's momentum.
STEP = 1024 * (1 + 1 / (1 - MOMENTUM))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder")
    for name, usual in (("width", 64), ("images", 50_000), ("batch", 1024), ("seeds", 3)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    options = parser.parse_args()
    keep_freed_memory()
    network = netdsl.load("airbench94", width=options.width)
    recipe = _recipe(network.recipe, options.batch, options.images)
    source = data.read(Folder(options.folder), network.input_shape, Console())
    images = data.divide(source, 10, 0, 0, options.images)
    print(f"{len(images.train):,} training images, {len(images.test):,} test images, width {options.width}")
    found: dict[str, list[tuple[float, float]]] = {"netdsl": [], "loop": []}
    for seed in range(options.seeds):
        found["netdsl"].append(_ours(network, replace(recipe, seed=seed), images))
        found["loop"].append(_loop(options.width, options.batch, images, seed))
        for name, results in found.items():
            accuracy, seconds = results[-1]
            print(f"seed {seed}, {name}: {accuracy:.2%} in {seconds:.1f} s", flush=True)
    for name, results in found.items():
        accuracies, times = zip(*results, strict=True)
        spread = statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0
        print(f"{name}: {statistics.mean(accuracies):.2%} +- {spread:.2%}, {statistics.median(times):.1f} s")


def _recipe(recipe: Recipe, batch: int, images: int) -> Recipe:
    """The recipe for another batch and number of images."""
    assert isinstance(recipe.optimizer, Sgd) and isinstance(recipe.schedule, OneCycle)
    whole = images // batch
    warmup = int(0.23 * math.ceil(EPOCHS * whole)) / whole
    return replace(
        recipe,
        batch=batch,
        optimizer=replace(recipe.optimizer, lr=11.5 / STEP * batch),
        schedule=replace(recipe.schedule, warmup=warmup),
    )


def _ours(network: netdsl.Network, recipe: Recipe, images: Dataset) -> tuple[float, float]:
    """The accuracy, and the seconds of training."""
    speed = choose(SpeedRequest(device="cpu", precision="fp32", compile="off"), convolutions(network))
    started = time.process_time()
    model = create_model(network, "module", recipe.seed, speed.device)
    initial_weights.whiten(network, model, images, None)
    model.to(speed.device, speed.layout)
    train_step = TrainStep(model, recipe, speed, ALONE, tuning=initial_weights.tuning(network, None))
    for epoch in range(math.ceil(recipe.epochs)):
        train_epoch(train_step, images, Progress(epoch, len(images.train)), lambda _: False)
    seconds = time.process_time() - started
    with train_step.averaged():
        return evaluate(model, images, images.test, speed, views=recipe.tta)["accuracy"], seconds


def _loop(width: int, batch: int, images: Dataset, seed: int) -> tuple[float, float]:
    """The same of the plain loop."""
    torch.manual_seed(seed)
    started = time.process_time()
    assert isinstance(images.train.images, Tensor) and isinstance(images.test.images, Tensor)
    x, labels = _normalised(images.train.images, images), images.train.labels
    model = _network(width, x[:5000]).to(memory_format=torch.channels_last)
    bias = model.get_parameter("0.bias")
    trained = [p for p in model.parameters() if p.requires_grad]
    lr, decay = 11.5 / STEP, DECAY * batch / STEP
    norms = [p for p in trained if p.dim() == 1 and p is not bias]
    others = [p for p in trained if p.dim() > 1 or p is bias]
    optimizer = torch.optim.SGD(
        [
            {"params": norms, "lr": 64 * lr, "weight_decay": decay / (64 * lr)},
            {"params": others, "lr": lr, "weight_decay": decay / lr},
        ],
        momentum=MOMENTUM,
        nesterov=True,
    )
    rates = [group["lr"] for group in optimizer.param_groups]
    whole = len(x) // batch
    steps, step = math.ceil(EPOCHS * whole), 0
    rise = int(0.23 * steps)
    slow = {n: t.clone() for n, t in model.state_dict().items() if t.is_floating_point()}
    mirrored = torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x.flip(3), x)
    padded = F.pad(mirrored, (2,) * 4, mode="reflect")
    for epoch in range(math.ceil(EPOCHS)):
        bias.requires_grad_(epoch < 3)
        augmented = _cropped(padded)
        augmented = augmented.flip(3) if epoch % 2 else augmented
        order = torch.randperm(len(x))
        model.train()
        for rows in order[: whole * batch].split(batch)[: steps - step]:
            falling = 1 - 0.93 * (step - rise) / (steps - rise)
            share = 0.2 + 0.8 * step / rise if step < rise else falling
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * share
            inputs = augmented[rows].contiguous(memory_format=torch.channels_last)
            loss = F.cross_entropy(model(inputs), labels[rows], label_smoothing=0.2, reduction="sum")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            if step % 5 == 0:
                for name, tensor in model.state_dict().items():
                    if name in slow:
                        slow[name].lerp_(tensor, 1 - 0.95**5 * (step / steps) ** 3)
                        tensor.copy_(slow[name])
    seconds = time.process_time() - started
    model.load_state_dict(slow, strict=False)
    model.eval()
    right = 0
    with torch.no_grad():
        for part, own in zip(images.test.images.split(500), images.test.labels.split(500), strict=True):
            right += int((_six_views(model, _normalised(part, images)).argmax(1) == own).sum())
    return right / len(images.test), seconds


def _normalised(images: Tensor, of: Dataset) -> Tensor:
    return (images.float() / 255 - of.mean[:, None, None]) / of.deviation[:, None, None]


def _network(width: int, images: Tensor) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(3, 24, 2), nn.GELU()]
    channels = 24
    for outputs in (width, 4 * width, 4 * width):
        for inputs, pool in ((channels, [nn.MaxPool2d(2)]), (outputs, [])):
            convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
            nn.init.dirac_(convolution.weight.detach()[:inputs])
            norm = nn.BatchNorm2d(outputs, eps=1e-12, momentum=0.4)
            norm.weight.requires_grad_(False)
            layers += [convolution, *pool, norm, nn.GELU()]
        channels = outputs
    head = nn.Linear(channels, 10, bias=False)
    first = layers[0]
    assert isinstance(first, nn.Conv2d)
    patches = F.unfold(images, 2).transpose(1, 2).flatten(0, 1)
    values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
    filters = (vectors / (values + 5e-4).sqrt()).T.reshape(12, 3, 2, 2)
    first.weight.detach().copy_(torch.cat((filters, -filters)))
    first.weight.requires_grad_(False)
    return nn.Sequential(*layers, nn.MaxPool2d(3), nn.Flatten(), head, _Times())


class _Times(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x / 9


def _cropped(padded: Tensor) -> Tensor:
    """A random crop of each image: all that have the same one at a time."""
    height, width = padded.shape[2] - 4, padded.shape[3] - 4
    corners = torch.randint(5, (len(padded), 2))
    crops = torch.empty(len(padded), padded.shape[1], height, width)
    for top in range(5):
        for left in range(5):
            rows = ((corners[:, 0] == top) & (corners[:, 1] == left)).nonzero()[:, 0]
            crops[rows] = padded[rows, :, top : top + height, left : left + width]
    return crops


def _six_views(model: nn.Module, x: Tensor) -> Tensor:
    padded, height, width = F.pad(x, (1,) * 4, mode="reflect"), x.shape[2], x.shape[3]
    moved = (padded[:, :, :height, :width], padded[:, :, 2:, 2:])

    def both(images: Tensor) -> Tensor:
        mean: Tensor = (model(images) + model(images.flip(3))) / 2
        return mean

    return both(x) / 2 + (both(moved[0]) + both(moved[1])) / 4


if __name__ == "__main__":
    main()
