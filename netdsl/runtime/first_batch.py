"""The first batch of a training, as the network sees it."""

from __future__ import annotations

import torch
from torch import Tensor

from netdsl.language.recipe import Recipe
from netdsl.runtime import augment, image_steps
from netdsl.runtime.batches import load_batch
from netdsl.runtime.data import Dataset
from netdsl.runtime.loop import draw_rows, order_of


def first_batch(data: Dataset, recipe: Recipe, most: int) -> tuple[Tensor, Tensor]:
    """The first images of the first epoch, at most `most`, after augmentation: (N, C, H, W), on the scale of
    0 to 1, and their targets. `data` is on the CPU.
    """
    count, size = len(data.train), (data.train.images.shape[2], data.train.images.shape[3])
    order = order_of(data, recipe, 0)[: recipe.batch]
    batch = load_batch(data.train.at(0), order, torch.device("cpu"))
    draws = augment.draw(recipe.augment, count, size, 0, recipe.seed)
    images, targets = augment.apply(
        data.floats(batch.images),
        batch.targets,
        recipe.augment,
        draws[draw_rows(recipe, batch.index, torch.arange(len(order)))],
        data.mean,
        image_steps.partner_distance(len(order), 1),
    )
    return images[:most], targets[:most]
