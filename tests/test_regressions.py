"""Small files that once gave wrong code; the styles must agree, and count what the compiler counts."""

from __future__ import annotations

import pytest

from netdsl.api.network import Network
from netdsl.base.source import Source
from netdsl.compiler import compile_network
from tests.support.building import build
from tests.support.equality import assert_styles_agree

HEAD = "network n\ninput 4x8x8\n"

SOURCES = {
    "a dropout whose p is the block's": "block b(p) { dropout(p) }\nstem { b(0.5), conv(4, 3) }",
    "a pool whose arguments are the block's": (
        "block d(k, stride=1) { skip { conv(in, 3) }, maxpool(k, stride) }\nstage d(3, stride=2)"
    ),
    "a width multiplier": "block b(m) { conv(in * m, 3), relu }\nstem { b(0.5), b(2), b(1.5) }",
    "a default width multiplier": "block b(m=0.5) { conv(in * m, 3), relu }\nstem { b, b(3) }",
    "a comparison that floats get wrong": (
        "block b(s) { conv(8, 3, bias=s + 0.2 == 0.3) }\nstem { b(0.1), b(0.5) }"
    ),
    "round_to, which Python lacks": (
        "block b(r) { conv(round_to(r, 8), 3, bias=round_to(r, 8) == 8), dropout(round_to(r, 8) / 64) }\n"
        "stem { b(9), b(20) }"
    ),
    "a kernel chosen by a comparison": (
        "block b(s) { conv(8, if s + 0.2 == 0.3 then 3x3 else 1x1) }\nstem { b(0.1), b(0.5) }"
    ),
    "a block called like a variable": (
        "block y2(out) { conv(out, 3), relu }\nblock b() { skip { y2(4), skip { y2(4) } } }\n"
        "stem { b, skip { y2(4), skip { y2(4) } } }"
    ),
    "a block called shortcut_": (
        "block shortcut2(out) { conv(out, 3) }\n"
        "stem { skip { skip { shortcut2(4) } shortcut { conv(4, 1) } } , shortcut2(4) }"
    ),
    "blocks called layer and model": (
        "block layer(out) { conv(out, 3), relu }\nblock model(out) { layer(out), bn }\n"
        "stem { layer(6), model(4) }"
    ),
    "a network called layer": "stem { conv(4, 3), relu }",
    "labels beside numbered names": "stem { conv1: conv(4, 3), conv(4, 3), conv(4, 1), conv11: conv(4, 1) }",
    "a list for a block": "block b(l) { conv(4, 3) }\nstem { b([0.5, 2]), b([3, 1]) }",
    "same label in a shortcut and a case": (
        "block b(out, s) { when s == 1 { skip { conv(out, 3) } shortcut { down: conv(out, 1) } } "
        "else { down: bn, relu } }\n"
        "stem { b(6, 1), b(6, 1), b(6, 2) }"
    ),
    "labelled shortcut with a rule": (
        "block b(out, s=1) { skip { conv(out, 3, s), bn } shortcut { down: conv(out, 1, s) }, relu }\n"
        "stem { b(4), b(6), b(6), b(6, 2) }\n"
        "init { down zeros\n"
        " last_bn zeros }"
    ),
    "shortcut of joins": (
        "block b(out) { skip { conv(out, 3) } shortcut { add { | conv(out, 1) | conv(out, 3), bn } } "
        ", relu }\n"
        "stem { b(4), b(6), b(6) }"
    ),
    "save y": (
        "block b(y) { save y2, conv(y, 3), save y3, from y2, conv(y, 1), add { | from y2, conv(y, 1) "
        "| from y3 | identity } }\n"
        "stem { b(4), b(6) }"
    ),
    "depthwise starts as torch's": (
        "stem { conv(8, 3), depthwise(3), bn(affine=no), bn }\n"
        "init {\n"
        " depthwise pytorch\n"
        " bias ones\n"
        " bn constant(3)\n"
        "}"
    ),
    "affine by parameter": (
        "block b(f) { skip { conv(4, 3), bn(affine=f) } }\n"
        "stem { b(yes), b(no) }\n"
        "init { last_bn zeros\n"
        " bn constant(2) }"
    ),
    "passed on": (
        "block i(act) { conv(4, 1), act }\n"
        "block o(act=relu, n=1) { i(act), when act == relu { bn } , repeat n { i(act=if n == 2 then "
        "tanh else act) } }\n"
        "stem { o, o(silu), o(gelu, n=2), o(prelu) }"
    ),
    "labelled held": (
        "block b(act) { a1: act, conv(4, 1), a2: act, skip { act, conv(4, 3) } }\n"
        "stem { b(relu), b(silu), b(bn) }"
    ),
    "held alone": (
        "block b(act) { act }\n"
        "block c(act) { skip { act } }\n"
        "stem { b(relu), b(silu), c(elu), c(tanh) }"
    ),
    "held in branches": (
        "block b(act) { concat { | act | conv(2, 1), act | identity }, conv(4, 1) }\n"
        "stem { b(relu), b(silu), b(bn) }"
    ),
    "drop path with if same": (
        "block b(out, p, s=1) { skip if same(drop_path=p) { conv(out, 3, s), bn } }\n"
        "stem { b(4, 0.1), b(6, 0.2), b(6, 0.3, 2) }"
    ),
    "when around saves": (
        "block b(f) { save a, conv(4, 3), when f { conv(4, 1), add { | | from a } } else { from a, "
        "relu } , relu }\n"
        "stem { b(yes), b(no) }"
    ),
    "a constant that both use": (
        "block b(n) { let h = n * 2, when n > 2 { let k = h + 1, conv(k, 3), skip { let m = k, "
        "conv(m, 3), relu } } , conv(h, 1) }\n"
        "stem { b(2), b(3) }"
    ),
    "empty everything": (
        "block b(f) { when f { } else { identity }, repeat 2 { }, skip { }, add { | | } }\n"
        "stem { b(yes), b(no), conv(4, 1) }"
    ),
    "frozen held": (
        "block b(f, n) { conv(n, 3, freeze=f), prelu(freeze=yes), linear_: bn(freeze=f) }\n"
        "stem { b(yes, 3), b(no, 4) }"
    ),
    "loop in a branch": (
        "block b(n) { concat { | repeat n as i { conv(4 + i, 3), relu } | repeat n { relu } | when n "
        "> 1 { conv(2, 1) } }, conv(4, 1) }\n"
        "stem { b(1), b(2), b(3) }"
    ),
    "flag names": (
        "block b(training, body, adds) { when training { l: conv(4, 1), skip { conv(4, 3), relu } } "
        ", when body { skip { relu }, relu } , when adds { skip if same { conv(4, 3) } , skip { relu "
        "} } }\n"
        "stem { b(yes, no, yes), b(no, yes, no), b(yes, yes, yes) }"
    ),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=list(SOURCES))
def test_styles_agree(source: str) -> None:
    head = HEAD.replace(" n\n", " layer\n") if source == SOURCES["a network called layer"] else HEAD
    assert_styles_agree(Network(compile_network(Source("n.net", head + source + "\n"))))


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("stem { _modules: conv(8, 3) }", "NET204"),
        ("stem { __class__: conv(8, 3) }", "NET204"),
        ("stem { a: conv(4, 3), a: conv(4, 3) }", "NET202"),
        ("let a = [1, 2]\nlet b = [a, a]\nstem { conv(4, 3) }", "NET303"),
        ("let a = 1e0000002000000\nstem { conv(4, 3) }", "NET103"),
    ],
)
def test_refused(source: str, code: str) -> None:
    compiled = compile_network(Source("n.net", HEAD + source + "\n"))
    assert code in [diagnostic.code for diagnostic in compiled.diagnostics]


@pytest.mark.parametrize(
    ("parameters", "recipe", "code"),
    [({"d": "4, 8"}, {}, "NET301"), ({}, {"epochs": ")"}, "NET101"), ({}, {"epochs": ""}, "NET101")],
)
def test_refused_overrides(parameters: dict[str, str], recipe: dict[str, str], code: str) -> None:
    source = Source("n.net", "network n(d=2)\ninput 4x8x8\nstem { conv(d, 3) }\n")
    compiled = compile_network(source, parameters, recipe)
    assert [diagnostic.code for diagnostic in compiled.diagnostics] == [code]


@pytest.mark.parametrize(
    "source",
    [
        "layers { repeat 2 { repeat 2 { conv(3, 1) } } }",
        "block b(out, stride) { conv(out, 3, stride) }\nstage b(4, stride=2, repeat=2)",
        "block b(conv=relu) { l: conv, bn }\nlayers { b, b(conv=silu) }",
        "block b(conv=3) { conv(conv, 1) }\nlayers { b, b(4) }",
    ],
)
def test_networks_that_were_refused_or_crashed(source: str) -> None:
    assert_styles_agree(Network(compile_network(Source("n.net", HEAD + source + "\n"))))


def test_a_loop_whose_fraction_is_whole_at_first_stays_a_loop() -> None:
    block = "block b(n) { repeat n as i { dropout(0.1 * i / n), conv(in, 1) } }\n"
    lines = {len(build(f"{HEAD}{block}layers {{ b({n}) }}\n").source().splitlines()) for n in (4, 12)}
    assert len(lines) == 1


def test_a_parameter_named_like_the_operation_is_the_argument_of_skip() -> None:
    block = "block b(drop_path) { skip(drop_path=drop_path) { conv(in, 3) } }"
    layers = build(f"{HEAD}{block}\nstem {{ b(0.25) }}\n").module().modules()
    assert [layer.p for layer in layers if type(layer).__name__ == "DropPath"] == [0.25]
