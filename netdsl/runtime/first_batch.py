"""The first batch of a training, as the network sees it."""

from __future__ import annotations

import torch
from torch import Tensor

from netdsl.language.recipe import Recipe
from netdsl.runtime import augment, seeds
from netdsl.runtime.batches import load_batch
from netdsl.runtime.data import Dataset


def first_batch(data: Dataset, recipe: Recipe, most: int) -> tuple[Tensor, Tensor]:
    """The first images of the first epoch, at most `most`, after augmentation: (N, C, H, W), on the scale of
    0 to 1, and their targets. `data` is on the CPU.
    """
    count, size = len(data.train), (data.train.images.shape[2], data.train.images.shape[3])
    order = torch.randperm(count, generator=seeds.generator("order", recipe.seed, 0))
    batch = load_batch(data.train.at(0), order[: min(most, recipe.batch)], torch.device("cpu"))
    draws = augment.draw(recipe.augment, count, size, 0, recipe.seed)[batch.index]
    return augment.apply(data.floats(batch.images), batch.targets, recipe.augment, draws, data.mean)
