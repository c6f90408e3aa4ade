"""Translates lines of other libraries' training configurations into recipe lines."""

from __future__ import annotations

import re

from netdsl.language.recipe import KEYS
from netdsl.other_frameworks.translation import own_value, translated

_KEYS = {
    **dict.fromkeys(("batch_size", "batchsize"), "batch"),
    **dict.fromkeys(("num_epochs", "max_epochs", "n_epochs", "epoch"), "epochs"),
    **dict.fromkeys(("scheduler", "lr_scheduler", "lr_schedule", "policy"), "schedule"),
    **dict.fromkeys(("augmentation", "augmentations", "transform", "transforms"), "augment"),
    **dict.fromkeys(("criterion", "loss_function"), "loss"),
    **dict.fromkeys(("optim", "optimiser", "solver"), "optimizer"),
    **dict.fromkeys(("dataset", "train_data", "training_data"), "data"),
    "random_seed": "seed",
    "val_size": "validation",
}
_OF_OPTIMIZER = {
    **{name: name for name in ("lr", "momentum", "weight_decay", "nesterov")},
    "learning_rate": "lr",
    "wd": "weight_decay",
    "decay": "weight_decay",
}

_WITHOUT = "leave the line out"
# Keys without a counterpart, and what to do instead.
NO_KEYS = {
    **dict.fromkeys(
        ("num_workers", "workers", "pin_memory"), f"{_WITHOUT}: the number of workers is chosen automatically"
    ),
    **dict.fromkeys(
        ("device", "gpu", "cuda"), f"{_WITHOUT}, and choose it with `netdsl train --device cuda`"
    ),
    **dict.fromkeys(
        ("precision", "amp", "mixed_precision", "fp16", "bf16"),
        f"{_WITHOUT}, and choose it with `netdsl train --precision bf16`",
    ),
    **dict.fromkeys(("shuffle",), f"{_WITHOUT}: training images are always shuffled"),
    **dict.fromkeys(("metrics", "metric"), f"{_WITHOUT}: the accuracy is always reported"),
}


def recipe_line(key: str, value: str) -> str:
    """The recipe line for a key of the language or of another library; empty if unknown."""
    value = value.strip().rstrip(";,")
    if key in _OF_OPTIMIZER:
        return f"optimizer sgd({_OF_OPTIMIZER[key]}={own_value(value)})"
    if key == "label_smoothing":
        return f"loss cross_entropy(smoothing={own_value(value)})"
    own = _KEYS.get(key, key)
    if own == "schedule" and re.fullmatch(r"\[[\d\s,]+\]", value):
        return f"schedule step(at={value})"
    return f"{own} {own_choice(value) or own_value(value)}" if own in KEYS else ""


def own_choice(value: str) -> str:
    """An optimizer, a schedule or the like in the language; empty if unknown."""
    return translated(re.sub(r"^(?:\w+\.)*", "", value.strip("\"'")))
