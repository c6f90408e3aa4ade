"""The recipe: how a network is trained. Data only; the runtime interprets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias

from netdsl.base.lazy_dataclass import lazy_dataclass
from netdsl.language.argument_types import (
    Amount,
    ArgType,
    ClassWeights,
    Flag,
    Maybe,
    Names,
    Path,
    Real,
    Whole,
    Wholes,
    Word,
    arg,
)


@lazy_dataclass
class Cifar10:
    """CIFAR-10 (Krizhevsky 2009), downloaded by torchvision."""


@lazy_dataclass
class Cifar100:
    """CIFAR-100 (Krizhevsky 2009), downloaded by torchvision."""


@lazy_dataclass
class Digits:
    """The 1,797 handwritten digits of the UCI set, embedded in the package."""


@lazy_dataclass
class Folder:
    """Images in `train/<class>/` and `test/<class>/`, or in `<class>/`."""

    path: str = arg(Path(), usual='"images"')


@lazy_dataclass
class Scenes:
    """Scenes of the embedded digits at random places, with their boxes, or with masks of their pixels;
    `count` new ones in each epoch, and fixed ones for validation and test.
    """

    count: int = arg(Whole(), 1200)
    masks: bool = arg(Flag(), False, named=True)


@lazy_dataclass
class Boxes:
    """Images with boxes, as COCO JSON, Pascal VOC XML or YOLO text."""

    path: str = arg(Path(), usual='"images"')


@lazy_dataclass
class Masks:
    """Images in `train/images/`, with masks of their classes in `train/masks/`; likewise `test`, `val`."""

    path: str = arg(Path(), usual='"images"')


Data: TypeAlias = Cifar10 | Cifar100 | Digits | Folder | Scenes | Boxes | Masks

Labels: TypeAlias = Literal["classes", "boxes", "masks"]


def labels_of(data: Data) -> Labels:
    """The kind of labels that the images of a data set have."""
    match data:
        case Scenes(masks=False) | Boxes():
            return "boxes"
        case Scenes() | Masks():
            return "masks"
    return "classes"


@lazy_dataclass
class Optimizer:
    """The arguments of all optimizers.

    With `decay_norms=no` weight decay applies only to the weights of convolutions and linear layers, not to
    biases and the scales and shifts of norms (He et al. 2019, section 3.1).
    """

    decay_norms: bool = arg(Flag(), True, named=True, last=True)


@lazy_dataclass
class Sgd(Optimizer):
    """`torch.optim.SGD`, with torch's own defaults."""

    lr: float = arg(Real(above=True), 1e-3)
    momentum: float = arg(Real(0, 1, below=True), 0.0)
    nesterov: bool = arg(Flag(), False)
    weight_decay: float = arg(Real(), 0.0)


@lazy_dataclass
class Adam(Optimizer):
    """`torch.optim.Adam`, with torch's own defaults."""

    lr: float = arg(Real(above=True), 1e-3)
    weight_decay: float = arg(Real(), 0.0)


@lazy_dataclass
class AdamW(Optimizer):
    """`torch.optim.AdamW`, with torch's own defaults."""

    lr: float = arg(Real(above=True), 1e-3)
    weight_decay: float = arg(Real(), 0.01)


@lazy_dataclass
class Muon(Optimizer):
    """`torch.optim.Muon` for the hidden matrices, `torch.optim.AdamW` for all else: Muon with the
    conventions and defaults of its author (Jordan et al. 2024, https://github.com/KellerJordan/Muon).

    A convolution's weight counts as the matrix (out, in * height * width). Biases, norms and the weights of
    the first and the last layer are AdamW's, with betas of 0.9 and 0.95, at `adamw_lr`, which follows the
    schedule too. `weight_decay` is decoupled in both, so each multiplies it by its own learning rate.
    """

    lr: float = arg(Real(above=True), 0.02)
    momentum: float = arg(Real(0, 1, below=True), 0.95)
    nesterov: bool = arg(Flag(), True)
    weight_decay: float = arg(Real(), 0.0)
    adamw_lr: float = arg(Real(above=True), 3e-4)


@lazy_dataclass
class Constant:
    """Linear warm-up over `warmup` epochs, then the learning rate stays as it is."""

    warmup: float = arg(Real(), 0.0)


@lazy_dataclass
class Step:
    """The learning rate is multiplied by `factor` at the start of each epoch in `at` (counted from 0);
    linear warm-up over the first `warmup` epochs.
    """

    at: tuple[int, ...] = arg(Wholes(), usual="[6, 8]")
    factor: float = arg(Real(above=True), 0.1)
    warmup: float = arg(Real(), 0.0)


@lazy_dataclass
class Cosine:
    """Linear warm-up over `warmup` epochs, then a half cosine down to 0 (Loshchilov and Hutter 2017)."""

    warmup: float = arg(Real(), 0.0)


@lazy_dataclass
class OneCycle:
    """Linear up over `warmup` epochs, then linear down (Smith and Topin 2018); from `start` and to `end`,
    which are factors of the learning rate.
    """

    warmup: float = arg(Real(), 2.0)
    start: float = arg(Real(0, 1), 0.0, named=True)
    end: float = arg(Real(0, 1), 0.0, named=True)


@lazy_dataclass
class Exponential:
    """The learning rate is multiplied by `factor` after each epoch; linear warm-up over `warmup` epochs."""

    factor: float = arg(Real(0, 1, above=True), 0.95)
    warmup: float = arg(Real(), 0.0)


@lazy_dataclass
class Plateau:
    """The learning rate is multiplied by `factor` when the loss on the validation images has not fallen by a
    ten-thousandth for more than `patience` epochs (`torch.optim.lr_scheduler.ReduceLROnPlateau`).
    """

    factor: float = arg(Real(0, 1, above=True, below=True), 0.1)
    patience: int = arg(Whole(0), 10)
    warmup: float = arg(Real(), 0.0)


@lazy_dataclass
class Flip:
    """Half of the images mirrored left to right, or where `vertical` top to bottom; where `alternating`, a
    random half in the first epoch, the other half in the second, and so on in turns (Jordan 2024, section
    3.6).
    """

    alternating: bool = arg(Flag(), False)
    vertical: bool = arg(Flag(), False)


@lazy_dataclass
class Crop:
    """`padding` pixels around the image, then a random crop of the old size. The pixels are black
    (`zeros`) or the image's own, mirrored at its edges (`reflect`): the words of `nn.Conv2d`.
    """

    padding: int = arg(Whole(), usual="4")
    padding_mode: Literal["zeros", "reflect"] = arg(Word(("zeros", "reflect")), "zeros")


@lazy_dataclass
class Cutout:
    """A square of `size` pixels at a random place set to the mean (DeVries and Taylor 2017)."""

    size: int = arg(Whole(), usual="16")


@lazy_dataclass
class Zoom:
    """Images scaled by a random factor from `low` to `high` about a random place; the canvas around smaller
    ones has the mean colour. Boxes move along, and are lost with three quarters of their area.
    """

    low: float = arg(Real(above=True), usual="0.8")
    high: float = arg(Real(above=True), usual="1.25")


@lazy_dataclass
class Rotate:
    """Images rotated by up to `degrees` in both directions; the corners have the mean colour."""

    degrees: float = arg(Real(0, 180, above=True), 15.0)


@lazy_dataclass
class ResizeCrop:
    """A part with a share of the area from `low` to `high`, and a ratio of its sides from 3/4 to 4/3, resized
    to the size of the image (Szegedy et al. 2014, section 6).
    """

    low: float = arg(Real(0, 1, above=True), 0.08)
    high: float = arg(Real(0, 1, above=True), 1.0)


@lazy_dataclass
class Erase:
    """A rectangle with a share of the area from `low` to `high` set to the mean, with a `probability` (Zhong
    et al. 2020).
    """

    probability: float = arg(Real(0, 1, above=True), 0.5)
    low: float = arg(Real(0, 1, above=True), 0.02)
    high: float = arg(Real(0, 1, above=True), 0.33)


@lazy_dataclass
class Jitter:
    """Brightness, contrast and saturation multiplied by random factors that differ from 1 by up to these, and
    the hue turned by a share of its circle of up to `hue`.
    """

    brightness: float = arg(Real(), 0.4)
    contrast: float = arg(Real(), 0.4)
    saturation: float = arg(Real(), 0.4)
    hue: float = arg(Real(0, 0.5), 0.0)


@lazy_dataclass
class RandAugment:
    """Some of fourteen operations for each image, of a `magnitude` from 0 to 30 (Cubuk et al. 2020)."""

    operations: int = arg(Whole(), 2)
    magnitude: float = arg(Real(0, 30), 9.0)


@lazy_dataclass
class MixUp:
    """Images and classes mixed with those of another image of the batch, by shares of the distribution
    Beta(alpha, alpha) (Zhang et al. 2018).
    """

    alpha: float = arg(Real(above=True), 0.2)


@lazy_dataclass
class CutMix:
    """A rectangle of another image of the batch in each image, and their classes mixed by area (Yun et al.
    2019).
    """

    alpha: float = arg(Real(above=True), 1.0)


Augmentation: TypeAlias = (
    Flip | Crop | Cutout | Zoom | Rotate | ResizeCrop | Erase | Jitter | RandAugment | MixUp | CutMix
)


@lazy_dataclass
class NoAverage:
    """The weights are used as the last step left them."""


@lazy_dataclass
class Ema:
    """Exponential moving average of the weights (Polyak and Juditsky 1992; Tarvainen and Valpola 2017)."""

    decay: float = arg(Real(0, 1, below=True), 0.999)


@lazy_dataclass
class Lookahead:
    """Slow weights go the share `alpha` towards the fast ones `every` so many steps, and the fast ones
    start again from there (Zhang et al. 2019). With a `power`, the share falls from 1 to `alpha` over the
    training, as that power of the elapsed time (Jordan 2024, section 3.4); `statistics`: those of batch norms
    are averaged too.
    """

    every: int = arg(Whole(), 5)
    alpha: float = arg(Real(0, 1, above=True), 0.5)
    power: float = arg(Real(), 0.0, named=True)
    statistics: bool = arg(Flag(), False, named=True)


@lazy_dataclass
class Group:
    """Some of the weights, and their rates relative to the others: factors of the learning rate and of the
    weight decay, and the number of epochs after which they stay as they are. A weight in several groups has
    the product of the factors and the fewest epochs.
    """

    lr_factor: float = arg(Real(), 1.0, named=True, last=True)
    decay_factor: float = arg(Real(), 1.0, named=True, last=True)
    epochs: float | Literal["all"] = arg(Word(("all",), Real()), "all", named=True, last=True)


@lazy_dataclass
class Norms(Group):
    """The scales and shifts of norms."""


@lazy_dataclass
class Biases(Group):
    """The biases of convolutions and linear layers."""


@lazy_dataclass
class Part(Group):
    """All weights of a part, or of a layer in one."""

    path: str = arg(Path('"stem.conv1"'), usual='"stem.conv1"')


@lazy_dataclass
class FlipView:
    """The mirror image, with the weight of the image itself."""


@lazy_dataclass
class TranslateView:
    """The image moved by `pixels` up and left, and down and right, mirrored at its edges: each with half of
    the weight of the image itself (Jordan 2024, section 3.5).
    """

    pixels: int = arg(Whole(), 1)


View: TypeAlias = FlipView | TranslateView


@lazy_dataclass
class CrossEntropy:
    """Cross entropy of the logits, with label smoothing (Szegedy et al. 2016, section 7). The losses of
    further outputs that are logits are added with the weight `aux` (Szegedy et al. 2014, section 5).
    """

    smoothing: float = arg(Real(0, 1, below=True), 0.0)
    weights: Literal["none", "balanced"] | tuple[float, ...] = arg(ClassWeights(), "none", named=True)
    aux: float = arg(Real(), 0.3, named=True)


@lazy_dataclass
class Focal:
    """Cross entropy times (1 - p)^gamma, where p is the probability of the true class (Lin et al. 2017)."""

    gamma: float = arg(Real(), 2.0)
    weights: Literal["none", "balanced"] | tuple[float, ...] = arg(ClassWeights(), "none", named=True)
    aux: float = arg(Real(), 0.3, named=True)


@lazy_dataclass
class Binary:
    """Binary cross entropy of each class against the others, averaged over classes (Wightman et al. 2021)."""

    smoothing: float = arg(Real(0, 1, below=True), 0.0)
    weights: Literal["none", "balanced"] | tuple[float, ...] = arg(ClassWeights(), "none", named=True)
    aux: float = arg(Real(), 0.3, named=True)


ClassLoss: TypeAlias = CrossEntropy | Focal | Binary


@lazy_dataclass
class KeepBest:
    """The weights of the `count` best epochs."""

    count: int = arg(Whole(), 3)


@lazy_dataclass
class KeepEvery:
    """The weights of every `epochs`th epoch."""

    epochs: int = arg(Whole(), 10)


@lazy_dataclass
class YoloLoss:
    """The weights of the three parts of YOLO's loss (Redmon et al. 2016, equation 3): squared errors of the
    confidences and of the boxes, cross entropy of the classes.
    """

    confidence: float = arg(Real(), 1.0)
    box: float = arg(Real(), 1.0)
    classes: float = arg(Real(), 1.0)


@lazy_dataclass
class FcosLoss:
    """The weights of two parts of FCOS's loss beside the focal loss of the classes (Tian et al. 2019, section
    3.1): generalised IoU of the boxes, binary cross entropy of the centerness.
    """

    box: float = arg(Real(), 1.0)
    centerness: float = arg(Real(), 1.0)


Optimizers: TypeAlias = Sgd | Adam | AdamW | Muon
Schedule: TypeAlias = Constant | Step | Cosine | OneCycle | Exponential | Plateau
Loss: TypeAlias = ClassLoss | YoloLoss | FcosLoss


def key(type: ArgType, default: object, documentation: str, *, fixed: bool = False) -> Any:
    """A key with one value. A resumed run can't change `fixed` ones."""
    return field(default=default, metadata={"type": type, "documentation": documentation, "fixed": fixed})


def choice(choices: Mapping[str, type], default: object, documentation: str, *, fixed: bool = False) -> Any:
    """A key with a choice, or if the default is a tuple, with several or `none`."""
    metadata = {"choices": choices, "documentation": documentation, "fixed": fixed}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that `netdsl train` needs besides the network, with the defaults of the language.

    This is the table of the keys: the reader, its errors, completion, hover, the options of `netdsl train`,
    records and comparisons of recipes follow from it.
    """

    data: Data = choice(
        {
            "cifar10": Cifar10,
            "cifar100": Cifar100,
            "digits": Digits,
            "folder": Folder,
            "scenes": Scenes,
            "boxes": Boxes,
            "masks": Masks,
        },
        Cifar10(),
        "The data set.",
    )
    epochs: float = key(
        Amount(), 10, "The number of passes over the training images; the last may be a part."
    )
    batch: int = key(Whole(), 64, "The number of images of one optimizer step.")
    drop_last: bool = key(
        Flag(), False, "Whether the images of an epoch that are left after its last whole batch are not used."
    )
    accumulate: int = key(
        Whole(), 1, "The number of parts into which a batch is divided: less memory, the same step."
    )
    optimizer: Optimizers = choice(
        {"sgd": Sgd, "adam": Adam, "adamw": AdamW, "muon": Muon},
        Sgd(lr=1e-2, momentum=0.9, weight_decay=1e-4),
        "The optimizer, with its arguments.",
    )
    schedule: Schedule = choice(
        {
            "constant": Constant,
            "step": Step,
            "cosine": Cosine,
            "onecycle": OneCycle,
            "exponential": Exponential,
            "plateau": Plateau,
        },
        Constant(),
        "How the learning rate changes over the epochs.",
    )
    clip: float | None = key(
        Maybe(Real(above=True)), None, "The largest norm of the gradients of a step; larger ones are scaled."
    )
    sampling: Literal["shuffle", "balanced"] = key(
        Word(("shuffle", "balanced")),
        "shuffle",
        "The images of an epoch: each one once, or drawn so that the classes are equally frequent.",
    )
    augment: tuple[Augmentation, ...] = choice(
        {
            "flip": Flip,
            "crop": Crop,
            "cutout": Cutout,
            "zoom": Zoom,
            "rotate": Rotate,
            "resize_crop": ResizeCrop,
            "erase": Erase,
            "jitter": Jitter,
            "rand_augment": RandAugment,
            "mixup": MixUp,
            "cutmix": CutMix,
        },
        (),
        "Augmentations of the training images, in this order; or `none`.",
    )
    average: NoAverage | Ema | Lookahead = choice(
        {"none": NoAverage, "ema": Ema, "lookahead": Lookahead},
        NoAverage(),
        "Which average of the weights is validated, tested and saved.",
        fixed=True,
    )
    loss: Loss = choice(
        {
            "cross_entropy": CrossEntropy,
            "focal": Focal,
            "binary": Binary,
            "yolo": YoloLoss,
            "fcos": FcosLoss,
        },
        CrossEntropy(),
        "The loss function.",
    )
    patience: int | None = key(
        Maybe(Whole()), None, "Stop after this number of epochs without a better one on validation images."
    )
    keep: tuple[KeepBest | KeepEvery, ...] = choice(
        {"best": KeepBest, "every": KeepEvery},
        (),
        "Epochs whose weights are kept beside the best and the last ones; or `none`.",
    )
    tta: tuple[View, ...] = choice(
        {"flip": FlipView, "translate": TranslateView},
        (),
        "Test-time augmentation: the views of an image over which its logits are averaged; or `none`.",
    )
    weights: str | None = key(
        Maybe(Path('"runs/resnet32"')),
        None,
        "The weights to begin with: a run, a file, or `torchvision:NAME`.",
        fixed=True,
    )
    freeze: tuple[str, ...] = key(
        Names(), (), "Parts and layers whose weights are not trained; or `none`.", fixed=True
    )
    groups: tuple[Norms | Biases | Part, ...] = choice(
        {"norms": Norms, "biases": Biases, "part": Part},
        (),
        "Weights with a learning rate, a weight decay or a number of epochs of their own; or `none`.",
        fixed=True,
    )
    eval_norms: Literal["frozen", "all", "none"] = key(
        Word(("frozen", "all", "none")),
        "frozen",
        "Batch norms that keep their statistics, as in evaluation: in frozen layers, `all`, or `none`.",
        fixed=True,
    )
    lr_factor: float = key(
        Real(), 1.0, "The learning rate of weights that were taken, relative to that of new ones."
    )
    # None: 1,000, but at most a tenth of the training images.
    validation: int | None = key(
        Whole(0), None, "The number of training images that are held out for validation.", fixed=True
    )
    # None: all images that are left to train on.
    images: int | None = key(
        Whole(), None, "The number of training images to use; all of them by default.", fixed=True
    )
    seed: int = key(Whole(0), 0, "The seed of all random numbers.", fixed=True)


# The keys of a recipe, each with a line of documentation.
KEYS: Mapping[str, str] = {f.name: f.metadata["documentation"] for f in fields(Recipe)}
# The values of keys that take a choice, by name.
CHOICES: Mapping[str, Mapping[str, type]] = {
    f.name: f.metadata["choices"] for f in fields(Recipe) if "choices" in f.metadata
}
# The keys that take several choices, or `none`.
LISTS = tuple(f.name for f in fields(Recipe) if f.default == ())
# The keys that a resumed run can't change.
FIXED = tuple(f.name for f in fields(Recipe) if f.metadata["fixed"])


def key_type(key: str) -> ArgType | None:
    """The type of a key's value; None for a key with choices."""
    (found,) = (f for f in fields(Recipe) if f.name == key)
    return found.metadata.get("type")


def held_out(images: int, validation: int | None) -> int:
    """The number of training images that are held out for validation."""
    return min(1000, images // 10) if validation is None else validation
