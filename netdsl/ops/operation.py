"""What an operation is.

An operation is one frozen dataclass, written in one place: its arguments, its shape rule, its weights
and the torch call that it stands for. Nothing else in netdsl knows an operation by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, Literal, NamedTuple, TypeAlias

from netdsl.base.values import near_divisors
from netdsl.language.argument_types import Flag, Word, arg
from netdsl.language.expressions import ONE, YES, ZERO, Expr, constant

# The shape of one example: (channels, height, width) of a map, (features,) of a vector.
Shape: TypeAlias = tuple[int, ...]
# The shape of what came of an error. Nothing is known of it, and nothing is said of what depends on it.
UNKNOWN: Shape = ()
# The shape of a vector of which no more is known than that it is one.
VECTOR: Shape = (0,)
Arguments: TypeAlias = Mapping[str, Expr]


def show_shape(shape: Shape) -> str:
    return "x".join(map(str, shape))


def describe(shape: Shape) -> str:
    """A shape where it may be that of a map or of a vector."""
    if shape == VECTOR:
        return "a vector"
    return show_shape(shape) if len(shape) > 1 else f"a vector of {shape[0]}"


class ShapeMismatch(NamedTuple):
    """Why an operation doesn't fit its input, the way out, and the output that is meant all the same.

    `cause` is what it is about: the input's shape, how small that became, that it is no map any more, or
    the arguments alone.
    """

    message: str
    help: str = ""
    output: Shape = UNKNOWN
    cause: Literal["input", "size", "vector", "arguments"] = "input"


class Symbolic(NamedTuple):
    """What is known of a tensor in a block before the block's arguments are.

    `size` is the length of its second dimension: channels of a map, features of a vector.
    """

    size: Expr
    is_map: bool


# What a tensor of an operation is: trained, or kept up to date beside the training.
Kind: TypeAlias = Literal["parameters", "buffers"]


class Weight(NamedTuple):
    """A tensor that belongs to an operation: a parameter, or a buffer, which starts as its `fill`."""

    name: str
    shape: tuple[Expr, ...]
    role: Literal["kernel", "bias", "scale", "shift", "buffer"]
    fill: Expr = ZERO
    present: Expr = YES

    @property
    def kind(self) -> Kind:
        return "buffers" if self.role == "buffer" else "parameters"


class Slot(NamedTuple):
    """A place in a torch call for what is no argument of the language: `x`, `training`, a weight's name."""

    name: str


class TorchCall(NamedTuple):
    """A call of torch as data."""

    target: str
    positional: tuple[Expr | Slot, ...] = ()
    named: tuple[tuple[str, Expr], ...] = ()


def options(**given: tuple[Expr, object]) -> tuple[tuple[str, Expr], ...]:
    """Keyword arguments with torch's default beside each; what equals its default is left out."""
    return tuple((name, expr) for name, (expr, default) in given.items() if expr != constant(default))


class SavedForBackward(NamedTuple):
    """What torch keeps of an operation in training, for the backward pass: its input, its output, so many
    `numbers` of four bytes besides. `view`: the output lies in the memory of the input.
    """

    input: bool = False
    output: bool = False
    numbers: int = 0
    view: bool = False


@dataclass(frozen=True, slots=True)
class Operation(ABC):
    """Base of all operations; the fields of a subclass are its arguments (`arg`)."""

    name: ClassVar[str]
    # Generated code writes an activation around the call before it: `F.relu(self.conv1(x))`.
    is_activation: ClassVar[bool] = False
    # It takes the mean of each channel away, and with it a bias that was added before.
    centres: ClassVar[bool] = False
    # What a layer of this kind is called in generated code, where that isn't its name in the language.
    attribute: ClassVar[str] = ""
    # The operation whose `default`s this one takes too, as far as it has the arguments.
    inherits: ClassVar[str] = ""

    def infer(self, x: Shape) -> Shape | ShapeMismatch:
        """Shape of the output for the shape of the input: the same, where an operation doesn't say."""
        return x

    def whatever(self) -> Shape:
        """What is known of the output's shape whatever the input is."""
        return UNKNOWN

    def macs(self, x: Shape, y: Shape) -> int:
        """Multiply-accumulates for one example, input shape x, output shape y."""
        return 0

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        """What is kept for the backward pass of one example, input shape x, output shape y."""
        return SavedForBackward()

    def keeps_grid(self) -> bool:
        """Whether the output's size is size / reduction, rounded up or down, for every input size."""
        return True

    def field(self) -> tuple[int, int]:
        """Height and width of what one position of the output sees of the input."""
        return (1, 1)

    @classmethod
    def reduction(cls, a: Arguments) -> Expr:
        """How many times smaller height and width get."""
        return ONE

    @classmethod
    def flow(cls, a: Arguments, x: Symbolic) -> Symbolic | None:
        """What `infer` says before the arguments are known; None where it takes height and width to tell."""
        return x

    @classmethod
    def weights(cls, a: Arguments, x: Symbolic) -> tuple[Weight, ...]:
        """Parameters, then buffers, each in torch's order."""
        return ()

    @classmethod
    @abstractmethod
    def module(cls, a: Arguments, x: Symbolic) -> TorchCall:
        """The `torch.nn` module."""

    @classmethod
    @abstractmethod
    def function(cls, a: Arguments, x: Symbolic) -> TorchCall | None:
        """The `torch.nn.functional` call; None where the operation does nothing."""


@dataclass(frozen=True, slots=True)
class Weighted(Operation):
    """Base of the operations with weights: `freeze` keeps them as they start."""

    freeze: bool | Literal["weight", "bias"] = arg(
        Word(("weight", "bias"), Flag()), False, named=True, last=True
    )

    def output(self, x: Shape) -> Shape | ShapeMismatch:
        """What `infer` says of the shape."""
        return x

    def infer(self, x: Shape) -> Shape | ShapeMismatch:
        if isinstance(self.freeze, str) and self.freeze not in self._parameters():
            return ShapeMismatch(
                f"`freeze={self.freeze}`, and this `{self.name}` has no {self.freeze}",
                "`freeze=yes` freezes all that there is",
                self._unfrozen(x),
                "arguments",
            )
        return self.output(x)

    def _unfrozen(self, x: Shape) -> Shape:
        output = self.output(x)
        return output.output if isinstance(output, ShapeMismatch) else output

    def _parameters(self) -> list[str]:
        arguments = {f.name: constant(getattr(self, f.name)) for f in fields(self)}
        weights = self.weights(arguments, Symbolic(ONE, is_map=True))
        return [weight.name for weight in weights if weight.present == YES]


def unsplit(size: int, groups: int, what: str, output: Shape) -> ShapeMismatch | None:
    """The mismatch where channels can't be split evenly; `size` is what `groups` must divide."""
    if size % groups == 0:
        return None
    near_by = near_divisors(size, groups)
    below = max((n for n in near_by if n <= groups), default=1)
    above = min((n for n in near_by if n > groups), default=None)
    near = f"`groups={below}`" if above is None else f"`groups={below}` or `groups={above}`"
    help = f"write {near}"
    if below == 1 and above in (None, size):
        help = f"take numbers of channels that {groups} divides, or `groups=1`"
    return ShapeMismatch(f"{what} can't be split into {groups} groups", help, output)


def needs_map(name: str, x: Shape) -> ShapeMismatch | None:
    """The mismatch of an operation on maps with a vector."""
    if len(x) == 3:
        return None
    message = f"`{name}` needs a feature map, and its input is {describe(x)}"
    return ShapeMismatch(message, f"put `{name}` before `flatten`", cause="vector")
