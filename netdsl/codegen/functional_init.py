"""The class `Init` of the functional style: a method for each rule of initialisation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from netdsl.base.values import Value
from netdsl.codegen import python as py
from netdsl.codegen.function_scope import Scope
from netdsl.codegen.init_calls import PYTORCH, constant, drawn, fill, rule_of
from netdsl.codegen.names import Names
from netdsl.codegen.template_models import FunctionView, ParameterView
from netdsl.ir.lowered import Layer
from netdsl.ir.resolved import Init, Rule
from netdsl.language.expressions import Const, Expr, operator
from netdsl.ops.operation import Weight

_TENSOR, _EMPTY = py.Name("tensor"), py.Call("self.empty", (py.Name("*shape"),))
_GENERATOR, _TRAINED = py.Name("self.generator"), py.Name("self.requires_grad")
_SHAPE = ParameterView("*shape", "int")

# Rules that need no call of `torch.nn.init`: the method of a tensor that does it.
_PLAIN = {
    "zeros": py.Method(_EMPTY, "zero_"),
    "ones": py.Method(_EMPTY, "fill_", (py.Name("1.0"),)),
    "full": py.Method(_EMPTY, "fill_", (py.Name("value"),)),
}


class FunctionalInit:
    """Returns the calls that make tensors, and keeps the methods that they need."""

    def __init__(self, init: Init) -> None:
        self._init = init
        self._names = Names({"self", "empty", "dtype", "device", "generator", "requires_grad"})
        self._methods: dict[Rule, FunctionView] = {}

    @property
    def methods(self) -> tuple[FunctionView, ...]:
        """The methods of `Init`: random ones first, then constants."""
        return tuple(sorted(self._methods.values(), key=lambda method: method.name in _PLAIN))

    def tensor(self, layer: Layer, weight: Weight, kernel: Weight | None, scope: Scope) -> py.Call:
        """The call that makes a tensor of a layer; a bias may depend on the fan-in of its `kernel`."""
        shape = tuple(map(scope, weight.shape))
        rule = PYTORCH if weight.kind == "buffers" else rule_of(self._init, layer, weight)
        rule = drawn(weight) if rule == PYTORCH else rule
        if rule == PYTORCH and weight.role in ("kernel", "bias") and kernel is not None:
            method = self._method(rule, _uniform_fan_in)
            return py.Call(f"init.{method}", shape, (("fan_in", scope(_fan_in(kernel))),))
        if rule == PYTORCH:
            if not isinstance(weight.fill, Const):
                return self._full(scope(weight.fill), shape)
            rule = constant(weight.fill.value)
        if rule.function == "constant":
            return self._full(py.Literal(rule.arguments[0][1]), shape)
        return py.Call(f"init.{self._method(rule, _plain if rule.function in _PLAIN else _drawn)}", shape)

    def _full(self, value: py.Expression, shape: tuple[py.Expression, ...]) -> py.Call:
        return py.Call(f"init.{self._method(Rule('full'), _plain)}", (value, *shape))

    def _method(self, rule: Rule, make: Callable[[str, Rule], FunctionView]) -> str:
        if rule not in self._methods:
            name = "uniform_fan_in" if rule == PYTORCH else rule.function
            self._methods[rule] = make(self._names.numbered(name), rule)
        return self._methods[rule].name


def _plain(name: str, rule: Rule) -> FunctionView:
    parameters = (ParameterView("value", "float"), _SHAPE) if rule.function == "full" else (_SHAPE,)
    made = py.Method(_PLAIN[rule.function], "requires_grad_", (_TRAINED,))
    return FunctionView(name, (), parameters, (py.Return(made),))


def _drawn(name: str, rule: Rule) -> FunctionView:
    body = (
        py.Assign("tensor", _EMPTY),
        py.Evaluate(fill(rule, _TENSOR, _GENERATOR)),
        py.Return(py.Method(_TENSOR, "requires_grad_", (_TRAINED,))),
    )
    return FunctionView(name, (_documentation(rule),), (_SHAPE,), body)


def _uniform_fan_in(name: str, rule: Rule) -> FunctionView:
    limits = (py.Operation("negative", (py.Name("bound"),)), py.Name("bound"))
    body = (
        py.Assign("bound", py.Name("fan_in**-0.5")),
        py.Assign("tensor", _EMPTY),
        py.Evaluate(py.Call("nn.init.uniform_", (_TENSOR, *limits), (("generator", _GENERATOR),))),
        py.Return(py.Method(_TENSOR, "requires_grad_", (_TRAINED,))),
    )
    text = "Uniform in +-1 / sqrt(fan_in), the default of torch's layers."
    return FunctionView(name, (text,), (_SHAPE, ParameterView("fan_in", "int")), body)


def _documentation(rule: Rule) -> str:
    """The docstring of the method for a rule."""
    given = dict(rule.arguments)
    law = "Uniform" if rule.function.endswith("uniform") else "Normal"
    match rule.function:
        case "kaiming_normal" | "kaiming_uniform":
            variance = "2" if given.get("nonlinearity") == "relu" else "gain**2"
            return f"{law} with std = sqrt({variance} / {given.get('mode', 'fan_in')}) (He et al. 2015)."
        case "xavier_normal" | "xavier_uniform":
            gain = "gain * " if "gain" in given else ""
            return f"{law} with std = {gain}sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio 2010)."
        case "trunc_normal":
            return f"Normal{_deviation(given)}, drawn again outside of -2 to 2."
        case "dirac" if given:
            return "The first filters leave the input as it is, the others are torch's default."
        case "dirac":
            return "The convolution that leaves its input as it is."
        case "normal":
            return f"Normal{_deviation(given)}."
        case _:
            return f"{law}."


def _deviation(given: Mapping[str, Value]) -> str:
    return f" with std = {py.literal(given['std'])}" if "std" in given else ""


def _fan_in(kernel: Weight) -> Expr:
    """The inputs of one output, as torch counts them: the product of all lengths but the first."""
    lengths = kernel.shape[1:]
    product: Expr = Const(
        math.prod(n.value for n in lengths if isinstance(n, Const) and isinstance(n.value, int))
    )
    for length in lengths:
        product = product if isinstance(length, Const) else operator("*", product, length)
    return product
