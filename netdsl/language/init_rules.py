"""Initialisation rules by name, as in `torch.nn.init`, with their arguments."""

from __future__ import annotations

from typing import Literal

from netdsl.base.lazy_dataclass import lazy_dataclass
from netdsl.language.argument_types import Real, Whole, Word, arg

_ANY = Real(low=None)
_MODES = Word(("fan_in", "fan_out"))
_NONLINEARITIES = Word(("relu", "leaky_relu", "linear", "sigmoid", "tanh", "selu"))


@lazy_dataclass
class Kaiming:
    """Variance gain² / fan, the gain that of the nonlinearity (He et al. 2015)."""

    mode: Literal["fan_in", "fan_out"] = arg(_MODES, "fan_in")
    nonlinearity: str = arg(_NONLINEARITIES, "relu")


@lazy_dataclass
class Xavier:
    """Variance 2 gain² / (fan_in + fan_out) (Glorot and Bengio 2010)."""

    gain: float = arg(Real(above=True), 1.0)


@lazy_dataclass
class Normal:
    """Normal distribution."""

    mean: float = arg(_ANY, 0.0)
    std: float = arg(Real(), 1.0)


@lazy_dataclass
class Uniform:
    """Uniform between `a` and `b`."""

    a: float = arg(_ANY, usual="-0.05")
    b: float = arg(_ANY, usual="0.05")


@lazy_dataclass
class TruncNormal:
    """Normal distribution, drawn again outside of -2 … 2."""

    std: float = arg(Real(above=True), usual="0.02")


@lazy_dataclass
class Constant:
    """The same number everywhere."""

    val: float = arg(_ANY, usual="0")


@lazy_dataclass
class Prior:
    """Biases of -ln((1 - p) / p), with which a sigmoid begins at the probability `p` (Lin et al. 2017,
    section 4.1). The rule is for the biases of what it names, and leaves the weights alone.
    """

    p: float = arg(Real(0, 1, above=True, below=True), usual="0.01")


@lazy_dataclass
class Dirac:
    """The convolution that leaves its input as it is. If it has more filters than input channels, the others
    are zeros, or with `rest=pytorch` torch's default: a partial identity (Jordan 2024, section 3.3).
    """

    rest: Literal["zeros", "pytorch"] = arg(Word(("zeros", "pytorch")), "zeros")


@lazy_dataclass
class Whiten:
    """Filters that whiten the patches of the training images: the eigenvectors v of their covariance, those
    of the largest eigenvalues e first, as v / sqrt(e + eps), and then their negatives (Jordan 2024, section
    3.2).

    It is for the first convolution, whose weights are computed from the first `images` training images when a
    training begins; generated code draws them like those without a rule.
    """

    eps: float = arg(Real(above=True), 5e-4)
    images: int = arg(Whole(), 5000)


@lazy_dataclass
class Fixed:
    """A rule without arguments."""


RULES: dict[str, type] = {
    "kaiming_normal": Kaiming,
    "kaiming_uniform": Kaiming,
    "xavier_normal": Xavier,
    "xavier_uniform": Xavier,
    "normal": Normal,
    "uniform": Uniform,
    "trunc_normal": TruncNormal,
    "constant": Constant,
    "prior": Prior,
    "zeros": Fixed,
    "ones": Fixed,
    "dirac": Dirac,
    "whiten": Whiten,
    "pytorch": Fixed,
}

# Rules that count inputs and outputs, so they don't apply to biases and norms.
FOR_KERNELS = frozenset(name for name in RULES if RULES[name] in (Kaiming, Xavier)) | {"dirac", "whiten"}
