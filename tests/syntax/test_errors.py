"""Messages for other libraries' code, recovery from errors, and limits."""

from __future__ import annotations

import pytest

from netdsl.base.source import Source
from netdsl.compiler import Compiled, compile_network
from netdsl.diagnostics import Diagnostics
from netdsl.language.expressions import Const, constant
from netdsl.ops import OPERATIONS
from netdsl.ops.operation import Symbolic
from netdsl.other_frameworks.translation import translated
from netdsl.syntax.nodes import Call, Section, Stages, Unread
from netdsl.syntax.parser import parse

HEAD = "network wrong\n\ninput 3x8x8\nclasses 2\n\n"
# An argument of each kind that operations without defaults need.
VALUES = {"out": 8, "kernel": 3, "groups": 1, "size": 7, "p": 0.5, "factor": 2, "n": 1, "initial": 1}
# What torch has no module for, or whose module's name is ours already.
OWN = {
    *("depthwise", "layer_scale", "slice", "scale", "drop_path", "channel_shuffle", "global_avgpool", "pad"),
    *("attention", "attention_pool", "class_token", "merge", "mix", "positions", "token"),
}


def check(text: str) -> Compiled:
    return compile_network(Source("wrong.net", text))


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - OWN))
def test_every_torch_module_is_known_by_its_name(name: str) -> None:
    operation = OPERATIONS[name]
    fields = operation.__dataclass_fields__
    arguments = {
        field: constant(VALUES[field]) if field in VALUES else constant(fields[field].default)
        for field in fields
    }
    module = operation.module(arguments, Symbolic(Const(16), is_map=True)).target
    assert translated(module).partition("(")[0] in (name, f"{name}d", "global_avgpool", "global_maxpool")


@pytest.mark.parametrize(
    "theirs, ours",
    [
        ("nn.Conv2d(3, 64, kernel_size=3, padding=1, bias=False)", "conv(64, 3, bias=no)"),
        ("nn.Conv2d(3, 64, 3)", "conv(64, 3, padding=0)"),
        ("Conv2d(64, 3)", "conv(64, 3)"),
        ("nn.Conv2d(64, 64, 3, padding=1, groups=64)", "depthwise(3)"),
        ("nn.Conv2d(3, 8, (1, 7), padding=(0, 3))", "conv(8, 1x7, padding=0x3)"),
        ("nn.Linear(512, 10, bias=False)", "linear(10, bias=no)"),
        ("nn.AdaptiveAvgPool2d((1, 1))", "global_avgpool"),
        ("F.max_pool2d(x, 2)", "maxpool(2)"),
        ('Conv2D(64, (3, 3), activation="relu", padding="same")(x)', "conv(64, 3), relu"),
        ("MultiStepLR(milestones=[6, 8], gamma=0.1)", "step(at=[6, 8], factor=0.1)"),
        ("BatchNormalization(-1, 0.99, 1e-3)", "bn(momentum=0.01, eps=1e-3)"),
        ("layers.BatchNormalization(momentum=0.9, epsilon=1e-3)(x)", "bn(eps=1e-3)"),
        ("batch_normalization(momentum=m)", "bn"),
        ("nn.BatchNorm2d(64, momentum=0.9)", "bn(momentum=0.9)"),
        ("SGD(0.1, 0.9, True)", "sgd(lr=0.1, momentum=0.9, nesterov=yes)"),
        ("SGD(net.parameters(), 0.1, 0.9)", "sgd(lr=0.1, momentum=0.9)"),
        ("Adam(1e-3)", "adam(lr=1e-3)"),
        ("Transformer(8)", ""),
        ("__import__('os')", ""),
    ],
)
def test_layers_of_other_libraries(theirs: str, ours: str) -> None:
    assert translated(theirs) == ours


def test_what_can_be_read_of_a_body_is_kept() -> None:
    program = parse(
        Source("n", "stem {\n  conv(4 3), relu\n  skip { bn, conv(4 3), tanh }\n}\n"), Diagnostics()
    )
    (section,) = program.statements
    assert isinstance(section, Section)
    unread, relu, skip = section.body.steps
    assert isinstance(unread, Unread) and isinstance(relu, Call)
    assert [type(step) for step in skip.body.steps] == [Call, Unread, Call]  # type: ignore[union-attr]
    program = parse(Source("n", "stem { skip { bn, conv(4 } \n}"), Diagnostics())
    assert isinstance(program.statements[0], Unread)


def test_what_can_be_read_of_a_table_is_kept() -> None:
    diagnostics = Diagnostics()
    text = "stages residual {\n  out  stride\n  4    1\n  8    +\n  16   2\n}\n"
    (table,) = parse(Source("n", text), diagnostics).statements
    assert isinstance(table, Stages)
    assert len(table.rows) == 3 and diagnostics.errors == 1


@pytest.mark.parametrize(
    "text",
    [
        "stem { first: conv(4 3) }\ninit pytorch { first zeros }\n",
        "stem { let wide = 4 +\n conv(wide, 3) }\n",
        "stem { save early bad\n from early }\n",
        "let wide = = 4\nstem { conv(wide, 3) }\n",
        "block wide(out { conv(out, 3) }\nstem { conv(4, 3) }\nstage wide(4)\n",
        "stem { conv(3, 3\n}\n",
        "stages residual {\n out\n 4 +\n}\n",
        "order conv bn\nstem { unit(4, 3) }\n",
    ],
)
def test_one_mistake_is_one_error(text: str) -> None:
    assert len(check(HEAD + text + "head { global_avgpool, flatten, linear(classes) }\n").errors) == 1


def test_statements_may_stand_unindented_in_a_body() -> None:
    text = "stem {\nlet wide = 4\nconv(wide, 3)\n}\nhead { global_avgpool, flatten, linear(classes) }\n"
    assert check(HEAD + text).errors == ()


@pytest.mark.parametrize(
    "text, message",
    [
        ("stem { " + "skip { " * 63 + "x y" + " }" * 64, "unexpected `y`"),
        ("let n = " + "(" * 500 + "1" + ")" * 500, "brackets are nested more than 64 deep"),
        ("let n = " + "[" * 500 + "1" + "]" * 500, "brackets are nested more than 64 deep"),
        (
            "stem { add { " + "| relu\n" * 1001 + "} }",
            "`add` has 1,001 branches, more than the limit of 1,000",
        ),
        ("stem { repeat 1e12 { relu } }", "more than the limit of 100,000"),
        ("stem { conv(" + "a=1, " * 1500 + ") }", "`conv` has 1,500 arguments"),
        ("stem { " + "relu, " * 5000 + "}", "a line is longer than 10,000 characters"),
        ("relu\n" * 100_000, "longer than 100,000 characters"),
    ],
)
def test_bounds(text: str, message: str) -> None:
    errors = check(HEAD + text + "\n").errors
    assert any(message in error.message for error in errors)


def test_errors_are_bounded() -> None:
    assert len(check("x\n" * 5_000).errors) == 1000
    assert len(check(HEAD + "stem {\n" + "a b\n" * 2_000 + "}\n").errors) <= 1000


def test_a_constant_of_a_body_is_known_by_name_in_a_parameter() -> None:
    text = "let kind = shared\nblock b(out) {\n  let shared = out > 1\n  conv(out, 3)\n}\nstem { b(4) }\n"
    assert any("`shared`" in error.message for error in check(HEAD + text).errors)
