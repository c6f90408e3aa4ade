"""The names and saved tensors at a point of a body, and the state where a block or section begins."""

from __future__ import annotations

from collections.abc import Mapping

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.values import Value, show
from netdsl.ir.resolved import BlockDefinition
from netdsl.ir.typed import Frame
from netdsl.shapes.tensor_state import TensorState


class BodyScope(NamedTuple):
    """The names and saved tensors at a point of a body. Steps add to both."""

    values: dict[str, Value]
    frame: Frame
    saved: dict[str, TensorState]

    @classmethod
    def root(cls, values: Mapping[str, Value], saved: dict[str, TensorState] | None = None) -> BodyScope:
        own = dict(values)
        return cls(own, Frame(own), {} if saved is None else saved)

    def inner(self, **more: Value) -> BodyScope:
        values = {**self.values, **more}
        return BodyScope(values, Frame(values, self.frame), dict(self.saved))


def beginning(state: TensorState) -> TensorState:
    """The state at the start of a block, whose reductions are relative to its input."""
    return TensorState(state.shape, made=state.made, sizes=state.sizes)


def entering(state: TensorState) -> dict[str, Value]:
    """The value of `in` in a block or section."""
    return {"in": state.shape[0]} if state.known else {}


def shown_arguments(block: BlockDefinition, values: Mapping[str, Value]) -> str:
    """The text of a block's arguments: required ones by position, the others by name."""
    return ", ".join(
        show(values[name]) if default is None else f"{name}={show(values[name])}"
        for name, default in block.parameters
        if name in values
    )
