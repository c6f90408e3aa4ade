"""Tokens: the positions of a map one after another, with a class token and embeddings of their places."""

from __future__ import annotations

from fractions import Fraction
from typing import ClassVar

from netdsl.base.lazy_dataclass import lazy_dataclass
from netdsl.language.argument_types import Whole, arg
from netdsl.language.expressions import Expr, operator
from netdsl.ops.operation import (
    VECTOR,
    Arguments,
    Operation,
    SavedForBackward,
    Shape,
    ShapeMismatch,
    Symbolic,
    Weight,
    Weighted,
    needs_map,
    show_shape,
)


@lazy_dataclass
class ClassToken(Weighted):
    """A learned token before the positions of the map, which are laid out in a row (Dosovitskiy et al. 2021,
    equation 1): CxHxW to C x 1 x HW + 1.
    """

    name: ClassVar[str] = "class_token"
    module_call: ClassVar[str] = "ClassToken(in)"
    function_call: ClassVar[str] = "class_token(x, weight)"

    def output(self, x: Shape) -> Shape | ShapeMismatch:
        return needs_map(self.name, x) or (x[0], 1, x[1] * x[2] + 1)

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        return SavedForBackward()

    def keeps_grid(self) -> bool:
        return False

    @classmethod
    def weights(cls, a: Arguments, x: Symbolic) -> tuple[Weight, ...]:
        return (Weight("weight", (x.size,), "embedding"),)


@lazy_dataclass
class Positions(Weighted):
    """Adds a learned embedding of each position (Dosovitskiy et al. 2021, equation 1). Its weights have the
    size of the map, so that the network takes images of one size.
    """

    name: ClassVar[str] = "positions"
    module_call: ClassVar[str] = "Positions(positions, in)"
    function_call: ClassVar[str] = "add_positions(x, weight)"
    sized: ClassVar[bool] = True

    def output(self, x: Shape) -> Shape | ShapeMismatch:
        return needs_map(self.name, x) or x

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        return SavedForBackward()

    @classmethod
    def weights(cls, a: Arguments, x: Symbolic) -> tuple[Weight, ...]:
        drawn = ("normal", (("std", Fraction(1, 50)),))
        return (Weight("weight", (x.positions, x.size), "embedding", drawn=drawn),)


@lazy_dataclass
class Token(Operation):
    """One position of the map as a vector, counted row by row from 0: CxHxW to C."""

    name: ClassVar[str] = "token"
    module_call: ClassVar[str] = "Token(i)"
    function_call: ClassVar[str] = "take_token(x, i)"

    i: int = arg(Whole(0), usual="0")

    def infer(self, x: Shape) -> Shape | ShapeMismatch:
        if mismatch := needs_map(self.name, x):
            return mismatch
        count = x[1] * x[2]
        if self.i < count:
            return (x[0],)
        has = f"its input of {show_shape(x)} has {count}"
        message = f"`token({self.i})` needs more than {self.i} positions, but {has}"
        own = f"i={count - 1}"
        return ShapeMismatch(message, f"write `{own}`: positions are counted from 0", (x[0],), own=own)

    def whatever(self) -> Shape:
        return VECTOR

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        return SavedForBackward(view=True)

    def keeps_grid(self) -> bool:
        return False

    @classmethod
    def flow(cls, a: Arguments, x: Symbolic) -> Symbolic:
        return Symbolic(x.size, is_map=False)


@lazy_dataclass
class Merge(Operation):
    """The n x n neighbours of each cell in channels, column by column, with zeros at the edges of maps that n
    doesn't divide (patch merging, Liu et al. 2021, section 3.1): CxHxW to n²C x H/n x W/n, rounded up.
    """

    name: ClassVar[str] = "merge"
    module_call: ClassVar[str] = "Merge(n)"
    function_call: ClassVar[str] = "merge(x, n)"

    n: int = arg(Whole(), usual="2")

    def infer(self, x: Shape) -> Shape | ShapeMismatch:
        height, width = (-(-side // self.n) for side in x[1:]) if len(x) == 3 else (0, 0)
        return needs_map(self.name, x) or (self.n**2 * x[0], height, width)

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        return SavedForBackward()

    def field(self) -> tuple[int, int]:
        return self.n, self.n

    @classmethod
    def reduction(cls, a: Arguments) -> Expr:
        return a["n"]

    @classmethod
    def flow(cls, a: Arguments, x: Symbolic) -> Symbolic:
        return Symbolic(operator("*", operator("*", a["n"], a["n"]), x.size), x.is_map)
