"""Initialisation: decides the rule of a weight, and writes rules as calls of torch."""

from __future__ import annotations

from collections.abc import Mapping

from netdsl.base.values import Value
from netdsl.codegen import python as py
from netdsl.ir.lowered import Layer
from netdsl.ir.resolved import Init, Rule
from netdsl.ops.operation import Weight

# The roles of the weights that the rules of operations and labels are for.
_REACHED = ("kernel", "scale", "embedding")
PYTORCH, ZEROS = Rule("pytorch"), Rule("zeros")
PARTIAL_DIRAC = Rule("dirac", (("rest", "pytorch"),))
_BASES: Mapping[str, Mapping[str, Rule]] = {
    "kaiming": {"kernel": Rule("kaiming_normal", (("nonlinearity", "relu"),)), "bias": ZEROS},
    "pytorch": {},
}

# Arguments that torch's functions have by default.
_DEFAULTS: Mapping[tuple[str, Value], tuple[str, ...]] = {
    ("mode", "fan_in"): ("kaiming_normal", "kaiming_uniform"),
    ("nonlinearity", "leaky_relu"): ("kaiming_normal", "kaiming_uniform"),
    ("gain", 1): ("xavier_normal", "xavier_uniform"),
    ("mean", 0): ("normal",),
    ("std", 1): ("normal", "trunc_normal"),
    ("rest", "zeros"): ("dirac",),
}
_CONSTANTS: Mapping[Value, Rule] = {0: ZEROS, 1: Rule("ones")}
FIXED = frozenset({"constant", "zeros", "ones", "dirac"})


def rule_of(init: Init, layer: Layer, weight: Weight) -> Rule:
    """The rule that initialises a parameter of a layer; `pytorch` is the initialisation of torch's module."""
    return own_rule(init, layer, weight) or kind_rule(init, layer, weight)


def own_rule(init: Init, layer: Layer, weight: Weight) -> Rule | None:
    """The rule for this very layer: by its label, else as the last norm of a skip connection's body."""
    rule: Rule | None = None
    if layer.label and weight.role in (*_REACHED, "bias"):
        rule = dict(init.labels).get(f"{layer.label}_bias" if weight.role == "bias" else layer.label)
    if rule is None and layer.last_norm and weight.role in _REACHED:
        rule = dict(init.kinds).get("last_bn")
    return rule and _plain(rule)


def kind_rule(init: Init, layer: Layer, weight: Weight) -> Rule:
    """The rule for all layers of the kind."""
    kinds, operation = dict(init.kinds), layer.operation
    rule: Rule | None = None
    like = operation.inherits or operation.contains
    if weight.role in _REACHED:
        rule = kinds.get(operation.name) or kinds.get(like)
    elif weight.role == "bias":
        rule = kinds.get(f"{operation.name}_bias") or kinds.get(f"{like}_bias") or kinds.get("bias")
    return _plain(rule or _BASES[init.base].get(weight.role, PYTORCH))


def drawn(weight: Weight) -> Rule:
    """The rule with which torch's module draws a weight."""
    return _plain(Rule(*weight.drawn)) if weight.drawn else PYTORCH


def constant(value: Value) -> Rule:
    """The same number everywhere."""
    return _CONSTANTS.get(value) or Rule("constant", (("val", value),))


def _plain(rule: Rule) -> Rule:
    """The rule without the arguments that are torch's defaults."""
    given = tuple(own for own in rule.arguments if rule.function not in _DEFAULTS.get(own, ()))
    return constant(given[0][1]) if rule.function == "constant" else Rule(rule.function, given)


def fill(rule: Rule, tensor: py.Expression, generator: py.Expression | None = None) -> py.Call:
    """The call of torch that fills a tensor, with a `generator` if it draws."""
    if rule == PYTORCH:  # of a kernel: uniform in +-1 / sqrt(fan_in)
        gain = py.Operation("**", (py.Literal(5), py.Literal(0.5)))
        return py.Call("nn.init.kaiming_uniform_", (tensor,), (("a", gain),))
    if rule == PARTIAL_DIRAC:
        return py.Call("partial_dirac_", (tensor,), () if generator is None else (("generator", generator),))
    if rule.function == "constant":
        return py.Call("nn.init.constant_", (tensor, py.Literal(rule.arguments[0][1])))
    named: tuple[tuple[str, py.Expression], ...]
    named = tuple((name, py.Literal(value)) for name, value in rule.arguments)
    if generator is not None and rule.function not in FIXED:
        named = (*named, ("generator", generator))
    return py.Call(f"nn.init.{rule.function}_", (tensor,), named)
