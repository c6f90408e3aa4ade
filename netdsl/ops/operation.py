"""The base class of operations, and the data that their methods return.

An operation is a frozen dataclass whose fields are its arguments.
"""

from __future__ import annotations

from abc import ABC, ABCMeta
from ast import literal_eval
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import ClassVar, Literal, TypeAlias, cast

from netdsl.base.lazy_dataclass import lazy_dataclass
from netdsl.base.named_tuple import NamedTuple
from netdsl.base.values import Value, near_divisors
from netdsl.language.argument_types import Flag, Word, arg
from netdsl.language.expressions import ONE, YES, ZERO, Const, Expr, constant

# The shape of one example: (channels, height, width) of a map, (features,) of a vector.
Shape: TypeAlias = tuple[int, ...]
# The shape after an error. Errors of operations that depend on it are not reported.
UNKNOWN: Shape = ()
# The shape of a vector of unknown length.
VECTOR: Shape = (0,)
# The side of the receptive field of a position that sees all others.
EVERYWHERE = 10**12
Arguments: TypeAlias = Mapping[str, Expr]
# A rule of `torch.nn.init` and its arguments.
Drawn: TypeAlias = tuple[str, tuple[tuple[str, Value], ...]]


def show_shape(shape: Shape) -> str:
    return "x".join(map(str, shape))


def describe(shape: Shape) -> str:
    """The shape of a map or of a vector, for a message."""
    if shape == VECTOR:
        return "a vector"
    return show_shape(shape) if len(shape) > 1 else f"a vector of {shape[0]}"


class ShapeMismatch(NamedTuple):
    """An operation that doesn't fit its input: message, help, and the output that is most likely meant.

    `cause` is the input's shape, a map that became too small, a vector in place of a map, or the arguments.
    `own` is what is most likely meant: an argument, `padding=1`, or steps, in which `…` is the call itself;
    `safe` if hardly anything else can be meant.
    """

    message: str
    help: str = ""
    output: Shape = UNKNOWN
    cause: Literal["input", "size", "vector", "arguments"] = "input"
    own: str = ""
    safe: bool = False


class Symbolic(NamedTuple):
    """A tensor in a block, over the block's parameters.

    `size` is the length of its second dimension: channels of a map, features of a vector. `positions` is the
    number of positions of a map, for the operations that are `sized`.
    """

    size: Expr
    is_map: bool
    positions: Expr = ONE


# Parameters are trained; buffers are updated during training.
Kind: TypeAlias = Literal["parameters", "buffers"]


class Weight(NamedTuple):
    """A parameter of an operation, or a buffer: `name` is its path in the module.

    Without a rule of the `init` statement it is `drawn` as torch's module draws it, else a kernel or bias is
    uniform in +-1 / sqrt(fan_in), and others are initialised with `fill`. No rule reaches a `shift`.
    """

    name: str
    shape: tuple[Expr, ...]
    role: Literal["kernel", "bias", "scale", "shift", "embedding", "buffer"]
    fill: Expr = ZERO
    present: Expr = YES
    drawn: Drawn | None = None

    @property
    def kind(self) -> Kind:
        return "buffers" if self.role == "buffer" else "parameters"


class Slot(NamedTuple):
    """An argument of a torch call that isn't one of the language: `x`, `training`, the name of a weight."""

    name: str


class TorchCall(NamedTuple):
    """A call of torch as data."""

    target: str
    positional: tuple[Expr | Slot, ...] = ()
    named: tuple[tuple[str, Expr], ...] = ()


def torch_call(signature: str, given: Arguments) -> TorchCall:
    """The call for a signature such as `nn.GroupNorm(groups, in, eps=1e-5)`.

    Names that are not `given` are slots. A keyword's value is a name, or torch's default, which is left out.
    """
    target, _, arguments = signature.removesuffix(")").partition("(")
    positional: list[Expr | Slot] = []
    named: list[tuple[str, Expr]] = []
    for argument in filter(None, arguments.split(", ")):
        keyword, equals, default = argument.partition("=")
        if not equals:
            number = Const(int(argument)) if argument.isdigit() else None
            positional.append(number or given.get(argument) or Slot(argument))
        elif default in given:
            named.append((keyword, given[default]))
        elif given[keyword] != constant(literal_eval(default)):
            named.append((keyword, given[keyword]))
    return TorchCall(target, tuple(positional), tuple(named))


class SavedForBackward(NamedTuple):
    """The tensors that torch saves for the backward pass: the input, the output, and `numbers` more values of
    four bytes. `view`: the output shares the memory of the input.
    """

    input: bool = False
    output: bool = False
    numbers: int = 0
    view: bool = False


def kernel_and_bias(a: Arguments, *shape: Expr, out: Expr | None = None) -> tuple[Weight, Weight]:
    """The weights of a convolution or linear layer; the bias has `out` elements, or as many as the kernel has
    in its first dimension.
    """
    return (
        Weight("weight", shape, "kernel"),
        Weight("bias", (out or shape[0],), "bias", present=a["bias"]),
    )


@lazy_dataclass
class Operation(ABC):
    """Base of all operations; the fields of a subclass are its arguments (`arg`)."""

    name: ClassVar[str]
    # The calls of torch, as `torch_call` reads them; no function for an operation that does nothing.
    module_call: ClassVar[str]
    function_call: ClassVar[str]
    # Generated code writes an activation around the call before it: `F.relu(self.conv1(x))`.
    is_activation: ClassVar[bool] = False
    # Subtracts the mean of each channel, which makes a bias before it useless.
    centres: ClassVar[bool] = False
    # The name of such a layer in generated code, if it isn't the operation's.
    attribute: ClassVar[str] = ""
    # The operation whose `default` arguments apply to this one too, if it has the argument.
    inherits: ClassVar[str] = ""
    # The operation of the layers inside its module, whose rules of initialisation apply to these.
    contains: ClassVar[str] = ""
    # Computes each number from itself alone.
    by_number: ClassVar[bool] = False
    # Its weights have the number of positions of the map as a length.
    sized: ClassVar[bool] = False
    # Arguments whose words decide which code is generated: in a block they are constants.
    fixed: ClassVar[tuple[str, ...]] = ()

    def infer(self, x: Shape) -> Shape | ShapeMismatch:
        """Shape of the output for the shape of the input; by default the same."""
        return x

    def whatever(self) -> Shape:
        """Shape of the output for an unknown input, as far as it is known."""
        return UNKNOWN

    def macs(self, x: Shape, y: Shape) -> int:
        """Multiply-accumulates for one example with input shape x and output shape y."""
        return 0

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        """The tensors saved for the backward pass of one example with input shape x and output shape y."""
        return SavedForBackward()

    def keeps_grid(self) -> bool:
        """True if height and width are divided by `reduction`, rounded up or down, for every input size."""
        return True

    def field(self) -> tuple[int, int]:
        """Height and width of the receptive field of one position of the output."""
        return (1, 1)

    @classmethod
    def reduction(cls, a: Arguments) -> Expr:
        """The factor by which height and width shrink."""
        return ONE

    @classmethod
    def flow(cls, a: Arguments, x: Symbolic) -> Symbolic | None:
        """The output over the block's parameters; None if its size depends on height and width."""
        return x

    @classmethod
    def weights(cls, a: Arguments, x: Symbolic) -> tuple[Weight, ...]:
        """Parameters, then buffers, each in torch's order."""
        return ()

    @classmethod
    def torch_names(cls, a: Arguments, x: Symbolic) -> Arguments:
        """The names in the calls of torch: the arguments, the size of the input, `in`, and `positions`."""
        return {**a, "in": x.size, "positions": x.positions}

    @classmethod
    def module(cls, a: Arguments, x: Symbolic) -> TorchCall:
        """The `torch.nn` module."""
        return torch_call(cls.module_call, cls.torch_names(a, x))

    @classmethod
    def function(cls, a: Arguments, x: Symbolic) -> TorchCall | None:
        """The `torch.nn.functional` call; None for an operation that does nothing."""
        weights = {weight.name for weight in cls.weights(a, x)}  # these are slots: `bias` is an argument too
        given = {name: expr for name, expr in cls.torch_names(a, x).items() if name not in weights}
        return torch_call(cls.function_call, given) if cls.function_call else None


def defined(base: type[Operation], attributes: Sequence[str], name: str, *row: object) -> type[Operation]:
    """The operation of a row in a table: a subclass of `base` with a name, class attributes, and the
    documentation, which is the last in the row.
    """
    *values, documentation = row
    namespace: dict[str, object] = {
        "__doc__": documentation,
        "__module__": base.__module__,
        "__slots__": (),
        "name": name,
    }
    namespace |= dict(zip(attributes, values, strict=True))
    return cast(type[Operation], ABCMeta(name, (base,), namespace))


@lazy_dataclass
class Weighted(Operation):
    """Base of the operations with weights. `freeze` excludes them from training."""

    freeze: bool | Literal["weight", "bias"] = arg(
        Word(("weight", "bias"), Flag()), False, named=True, last=True
    )

    def output(self, x: Shape) -> Shape | ShapeMismatch:
        """Shape of the output, as `infer` returns it for a valid `freeze`."""
        return x

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        return SavedForBackward(input=True)

    def infer(self, x: Shape) -> Shape | ShapeMismatch:
        if isinstance(self.freeze, str) and self.freeze not in self.parameter_names():
            return ShapeMismatch(
                f"`freeze={self.freeze}`, but this `{self.name}` has no {self.freeze}",
                "write `freeze=yes` to freeze all its weights",
                self._unfrozen(x),
                "arguments",
                "freeze=yes",
                safe=True,
            )
        return self.output(x)

    def _unfrozen(self, x: Shape) -> Shape:
        output = self.output(x)
        return output.output if isinstance(output, ShapeMismatch) else output

    def parameter_names(self) -> list[str]:
        """The names of its parameters, in torch's order."""
        return [weight.name for weight in self.parameters()]

    def parameters(self) -> list[Weight]:
        """Its parameters, in torch's order; their shapes are those for an input of one channel."""
        arguments = {f.name: constant(getattr(self, f.name)) for f in fields(self)}
        weights = self.weights(arguments, Symbolic(ONE, is_map=True))
        return [weight for weight in weights if weight.present == YES and weight.role != "buffer"]


def unsplit(
    size: int, groups: int, what: str, output: Shape, argument: str = "groups"
) -> ShapeMismatch | None:
    """The mismatch of channels that can't be split evenly: `groups` must divide `size`.

    `argument` is the name of the number of groups.
    """
    if size % groups == 0:
        return None
    near_by = near_divisors(size, groups)
    below = max((n for n in near_by if n <= groups), default=1)
    above = min((n for n in near_by if n > groups), default=None)
    near = f"`{argument}={below}`" if above is None else f"`{argument}={below}` or `{argument}={above}`"
    help = f"write {near}"
    if below == 1 and above in (None, size):
        help = f"choose numbers of channels that {groups} divides, or write `{argument}=1`"
    message = f"{what} can't be split into {groups} {argument}"
    return ShapeMismatch(message, help, output, own=f"{argument}={below}")


def needs_map(name: str, x: Shape) -> ShapeMismatch | None:
    """The mismatch of an operation that needs a map and gets a vector."""
    if len(x) == 3:
        return None
    message = f"`{name}` needs a feature map, but its input is {describe(x)}"
    return ShapeMismatch(message, f"put `{name}` before `flatten`", cause="vector")
