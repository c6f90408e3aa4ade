"""The recipe: how a network is trained. Data only; the runtime gives it its meaning."""

from __future__ import annotations

from dataclasses import dataclass, field

from netdsl.arguments import Flag, Path, Real, Whole, Wholes, arg


@dataclass(frozen=True, slots=True)
class Cifar10:
    """CIFAR-10 (Krizhevsky 2009), downloaded by torchvision."""


@dataclass(frozen=True, slots=True)
class Cifar100:
    """CIFAR-100 (Krizhevsky 2009), downloaded by torchvision."""


@dataclass(frozen=True, slots=True)
class Digits:
    """The 1,797 handwritten digits of the UCI set, embedded in the package."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Images in `train/<class>/` and `test/<class>/`, or in `<class>/`."""

    path: str = arg(Path())


@dataclass(frozen=True, slots=True)
class Sgd:
    """`torch.optim.SGD`, with torch's own defaults."""

    lr: float = arg(Real(above=True), 1e-3)
    momentum: float = arg(Real(0, 1, below=True), 0.0)
    nesterov: bool = arg(Flag(), False)
    weight_decay: float = arg(Real(), 0.0)


@dataclass(frozen=True, slots=True)
class Adam:
    """`torch.optim.Adam`, with torch's own defaults."""

    lr: float = arg(Real(above=True), 1e-3)
    weight_decay: float = arg(Real(), 0.0)


@dataclass(frozen=True, slots=True)
class AdamW:
    """`torch.optim.AdamW`, with torch's own defaults."""

    lr: float = arg(Real(above=True), 1e-3)
    weight_decay: float = arg(Real(), 0.01)


@dataclass(frozen=True, slots=True)
class Constant:
    """The learning rate stays as it is."""


@dataclass(frozen=True, slots=True)
class Step:
    """The learning rate is multiplied by `factor` at the start of each epoch in `at` (counted from 0)."""

    at: tuple[int, ...] = arg(Wholes())
    factor: float = arg(Real(above=True), 0.1)


@dataclass(frozen=True, slots=True)
class Cosine:
    """Linear warm-up over `warmup` epochs, then a half cosine down to 0 (Loshchilov and Hutter 2017)."""

    warmup: float = arg(Real(), 0.0)


@dataclass(frozen=True, slots=True)
class OneCycle:
    """Linear up over `warmup` epochs, then linear down to 0 (Smith and Topin 2018)."""

    warmup: float = arg(Real(), 2.0)


@dataclass(frozen=True, slots=True)
class Flip:
    """Half of the images mirrored left to right."""


@dataclass(frozen=True, slots=True)
class Crop:
    """`padding` zero pixels around the image, then a random crop of the old size."""

    padding: int = arg(Whole())


@dataclass(frozen=True, slots=True)
class Cutout:
    """A square of `size` pixels at a random place set to the mean (DeVries and Taylor 2017)."""

    size: int = arg(Whole())


@dataclass(frozen=True, slots=True)
class CrossEntropy:
    """Cross entropy of the logits, with label smoothing (Szegedy et al. 2016, section 7)."""

    smoothing: float = arg(Real(0, 1, below=True), 0.0)


# The words of the recipe language and what they mean.
CHOICES: dict[str, dict[str, type]] = {
    "data": {"cifar10": Cifar10, "cifar100": Cifar100, "digits": Digits, "folder": Folder},
    "optimizer": {"sgd": Sgd, "adam": Adam, "adamw": AdamW},
    "schedule": {"constant": Constant, "step": Step, "cosine": Cosine, "onecycle": OneCycle},
    "augment": {"flip": Flip, "crop": Crop, "cutout": Cutout},
    "loss": {"cross_entropy": CrossEntropy},
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that `netdsl train` needs besides the network; the defaults are the language's."""

    data: Cifar10 | Cifar100 | Digits | Folder = field(default_factory=Cifar10)
    epochs: int = arg(Whole(), 10)
    batch: int = arg(Whole(), 64)
    optimizer: Sgd | Adam | AdamW = Sgd(lr=1e-2, momentum=0.9, weight_decay=1e-4)
    schedule: Constant | Step | Cosine | OneCycle = Constant()
    augment: tuple[Flip | Crop | Cutout, ...] = ()
    loss: CrossEntropy = CrossEntropy()
    # None: 1,000, but at most a tenth of the training images.
    validation: int | None = arg(Whole(0), None)
    seed: int = arg(Whole(0), 0)
