"""The state at a point of a body while it is lowered."""

from __future__ import annotations

from dataclasses import dataclass, field

from netdsl.base.named_tuple import NamedTuple
from netdsl.language.expressions import ONE, Expr, operator
from netdsl.ops.operation import Symbolic


class Saved(NamedTuple):
    """A saved tensor: its unique name, and its state. In another section this is None: the size there is a
    number.
    """

    name: str
    tensor: Symbolic | None = None
    reduction: Expr | None = None


@dataclass(slots=True)
class Flow:
    """The current tensor, names and saved tensors; `reduction` is None after a step that starts a new
    grid. `running` is the variable of the last loop of the body, and the size that it has after it.
    """

    tensor: Symbolic
    reduction: Expr | None = ONE
    names: dict[str, Expr] = field(default_factory=dict)
    saved: dict[str, Saved] = field(default_factory=dict)
    running: tuple[str, Expr] | None = None

    def inner(self) -> Flow:
        """A copy for an inner body, with its own definitions."""
        return Flow(self.tensor, self.reduction, dict(self.names), dict(self.saved))

    def go(self, other: Flow) -> None:
        self.tensor, self.reduction, self.running = other.tensor, other.reduction, other.running

    def advance(self, tensor: Symbolic, reduction: Expr | None) -> None:
        self.tensor = tensor
        both = self.reduction is not None and reduction is not None
        self.reduction = operator("*", self.reduction, reduction) if both else None  # type: ignore[arg-type]
