"""`netdsl.base.tree`: bodies are found and replaced by the declared types of fields."""

from __future__ import annotations

from typing import Any

import pytest

from netdsl.base.source import Source
from netdsl.base.tree import bodies, map_bodies, nested, steps, with_bodies
from netdsl.compiler import compile_network
from netdsl.ir import lowered, resolved, typed
from netdsl.syntax import nodes

TEXT = """
network n
input 4x8x8
classes 10
layers {
  skip { conv(4, 3), relu }
  skip { conv(8, 3) } shortcut { conv(8, 1) }
  concat { | conv(4, 1) | identity }
  when in > 100 { relu } else when in > 200 { tanh } else { gelu }
  repeat 2 { conv(12, 3), repeat 2 { sigmoid } }
}
head { global_avgpool, flatten, linear(classes) }
"""
COMPILED = compile_network(Source("n.net", TEXT))


def forms() -> list[Any]:
    """The body of `layers` in each form."""
    assert COMPILED.network is not None
    program = COMPILED.files["n.net"].program
    section = next(s for s in program.statements if isinstance(s, nodes.Section))
    return [
        section.body.steps,
        COMPILED.network.network.bodies[0],
        COMPILED.network.bodies[0].steps,
        COMPILED.lowered.parts[0].body,  # type: ignore[union-attr]
    ]


@pytest.mark.parametrize("body", forms())
def test_bodies_can_be_read_and_replaced(body: Any) -> None:
    assert [len(bodies(step)) for step in body[:3]] == [1, 2, 2]
    for step in body:
        assert with_bodies(step, bodies(step)) == step
        assert map_bodies(step, lambda body: body) == step


@pytest.mark.parametrize("body", [forms()[1], forms()[3]])
def test_a_replaced_body_is_in_its_place(body: Any) -> None:
    for step in body:
        changed = with_bodies(step, [() for _ in bodies(step)])
        assert not any(bodies(changed))
        assert [*steps([changed])] == [changed]


def test_steps_are_in_textual_order() -> None:
    names = [s.operation.name for s in steps(forms()[1]) if isinstance(s, resolved.OperationStep)]
    assert " ".join(names) == "conv relu conv conv conv identity relu tanh gelu conv sigmoid"
    chosen = [s.operation.name for s in steps(forms()[2]) if isinstance(s, typed.TypedOperation)]
    assert " ".join(chosen) == "conv relu conv conv conv identity gelu conv sigmoid"
    layers = [s.operation.name for s in steps(forms()[3]) if isinstance(s, lowered.Layer)]
    assert layers == chosen


def test_nested_nodes_are_in_textual_order() -> None:
    program = COMPILED.files["n.net"].program
    calls = [call.name.text for call in nested(program, nodes.Call)]
    assert calls[:6] == ["conv", "relu", "conv", "conv", "conv", "identity"]
    assert calls[-3:] == ["global_avgpool", "flatten", "linear"]
