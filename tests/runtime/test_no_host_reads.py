"""A training step neither reads from its device nor copies numbers to it: a GPU and the CPU would wait.

Tensors are fake: they have shapes and no values, and reading one raises.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from netdsl.language import recipe
from netdsl.language.recipe import Recipe
from netdsl.runtime import augment
from netdsl.runtime.batches import Batch
from netdsl.runtime.detection.fcos import Fcos
from netdsl.runtime.detection.task import Detection
from netdsl.runtime.detection.yolo import Yolo
from netdsl.runtime.distributed import ALONE
from netdsl.runtime.model import ModuleModel
from netdsl.runtime.optim import learning_rate
from netdsl.runtime.segmentation.task import Segmentation
from netdsl.runtime.task import Task
from netdsl.runtime.train_step import TrainStep
from tests.support.samples import FP32, Tiny, dataset

PLAIN = Recipe(epochs=4, batch=8, optimizer=recipe.Sgd(lr=0.1, momentum=0.9, nesterov=True))
RECIPES = {
    "augmented": replace(
        PLAIN, augment=(recipe.Flip(), recipe.Crop(2), recipe.Crop(2, "reflect"), recipe.Cutout(2))
    ),
    "accumulated": replace(PLAIN, accumulate=2, loss=recipe.CrossEntropy(smoothing=0.1)),
    "averaged": replace(PLAIN, average=recipe.Ema(0.99)),
    "adam": replace(PLAIN, optimizer=recipe.Adam(lr=0.1)),
    "adamw": replace(PLAIN, optimizer=recipe.AdamW(lr=0.1)),
    "muon": replace(PLAIN, optimizer=recipe.Muon(lr=0.1), clip=1.0),
    "colours": replace(PLAIN, augment=(recipe.Jitter(hue=0.1), recipe.RandAugment())),
    "mixed": replace(PLAIN, augment=(recipe.MixUp(), recipe.CutMix()), loss=recipe.Binary()),
    "distorted": replace(
        PLAIN,
        augment=(recipe.Rotate(), recipe.ResizeCrop(), recipe.Erase(), recipe.Jitter()),
        loss=recipe.Focal(),
    ),
}

TASKS: dict[str, tuple[Task, tuple[tuple[int, ...], ...]]] = {
    "fcos": (Detection(Fcos(3, (8, 16)), (64, 64), 0.1, 0.5), ((2, 8, 8, 8), (2, 8, 4, 4))),
    "yolo": (Detection(Yolo(((32, 32), (16, 48)), 3, 16), (64, 64), 0.1, 0.5), ((2, 13, 4, 4),)),
    "segmentation": (Segmentation(3, (64, 64), 0.1), ((2, 3, 16, 16),)),
}


class NoCopies(TorchDispatchMode):
    """Inside, making a tensor from Python's numbers raises: on a GPU, it is copied from the CPU."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        assert func is not torch.ops.aten.lift_fresh.default, "a tensor is copied from the CPU"
        return func(*args, **(kwargs or {}))


# The optimizer lays its tensors together, and checks where they are.
@pytest.mark.filterwarnings("ignore:Accessing the data pointer")
@pytest.mark.parametrize("name", RECIPES)
def test_a_step_reads_nothing_from_its_device(name: str) -> None:
    own, data = RECIPES[name], dataset()
    draws = augment.draw(own.augment, 97, (8, 8), 0, 0)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:

        def fake(tensor: Tensor) -> Tensor:
            return mode.from_tensor(tensor)

        moved = replace(data, mean=fake(data.mean), deviation=fake(data.deviation))
        train_step = TrainStep(ModuleModel(Tiny()), own, FP32, ALONE)
        images, labels = data.train.images, data.train.labels
        assert isinstance(images, Tensor)
        index = torch.arange(8)
        batch = Batch(index, fake(images[:8]), fake(labels[:8]), 8)
        for step in range(2):  # the first one makes the optimizer's state
            rate = learning_rate(own.schedule, own.optimizer.lr, step / 2, own.epochs)
            drawn = augment.Draws(tuple(map(fake, draws[:8].steps)))
            with NoCopies() if step else nullcontext():  # type: ignore[no-untyped-call]
                sums = train_step.step(batch, drawn, moved, rate)
        assert sums.shape == (1 + len(train_step.task.figures),)
        with pytest.raises(DataDependentOutputException):
            sums[0].item()


@pytest.mark.parametrize("name", TASKS)
def test_an_objective_reads_nothing_from_its_device(name: str) -> None:
    task, shapes = TASKS[name]
    with FakeTensorMode():
        outputs = tuple(torch.zeros(shape, requires_grad=True) for shape in shapes)
        targets = task.example(2, torch.device("cpu"))
        with NoCopies():  # type: ignore[no-untyped-call]
            loss, figures = task.objective(outputs, targets)
            loss.backward()
        assert figures.shape == (len(task.figures),)
        assert all(output.grad is not None for output in outputs)
