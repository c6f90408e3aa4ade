"""Initialisation of modules: statements at the end of a network's construction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import cast

from netdsl.base.named_tuple import NamedTuple
from netdsl.codegen import python as py
from netdsl.codegen.init_calls import PYTORCH, constant, drawn, fill, kind_rule, own_rule
from netdsl.codegen.names import Names, camel
from netdsl.codegen.operation_parameters import bodies
from netdsl.ir.lowered import Layer, LoweredNetwork, layers
from netdsl.ir.resolved import Init, Rule
from netdsl.language.expressions import NO, YES, Const
from netdsl.ops.operation import TorchCall, Weight


class Special(NamedTuple):
    """A weight with a rule of its own: the attribute of its layer, and the values of the class's flags with
    which the layer exists. To mypy a layer that isn't `typed` is any module. A `checked` weight may be None.
    """

    attribute: str
    weight: Weight
    rule: Rule
    typed: bool
    checked: bool = False
    flags: tuple[tuple[str, bool], ...] = ()


class _Kind(NamedTuple):
    """The rules for the weights of a class; `present` ones are not always missing, `checked` ones may be."""

    rules: dict[str, Rule]
    present: set[str]
    checked: set[str]


# Classes of generated code for maps and their bases for vectors, whose rules they have.
OF_VECTORS = {"Linear2d": "nn.Linear", "LayerNorm2d": "nn.LayerNorm"}


class ModuleInit:
    """The rules of one network in the styles that have modules.

    Operations that are one class in torch, but are initialised differently, need subclasses: `variants` has
    them, with their base classes.
    """

    def __init__(self, network: LoweredNetwork, names: Names) -> None:
        self._init = network.network.init
        self._kinds: dict[str, _Kind] = {}
        # The classes that contain linear layers.
        self._containers: dict[str, tuple[_Kind, Mapping[str, Weight]]] = {}
        self._called: dict[tuple[str, str], str] = {}
        self.variants: dict[str, str] = {}
        found: dict[tuple[str, str], list[Layer]] = {}
        for layer in (layer for body in bodies(network) for layer in layers(body)):
            target = OF_VECTORS.get(layer.module.target, layer.module.target)
            found.setdefault((target, layer.operation.name), []).append(layer)
        for (target, operation), same in found.items():
            kind = _kind(self._init, same)
            if same[0].operation.contains:
                self._containers[target] = kind, {own.name: own for layer in same for own in layer.weights}
                continue
            known = self._kinds.get(target, kind)
            name = target
            if any(known.rules[weight] != kind.rules[weight] for weight in known.rules.keys() & kind.rules):
                name = names.free(camel(operation))
                self.variants[name] = target
                weights = {weight.name: weight for layer in same for weight in layer.weights}
                explicit = {own: _explicit(rule, weights[own]) for own, rule in kind.rules.items()}
                self._kinds[name] = kind._replace(rules=explicit)
            else:
                self._kinds[target] = _union(known, kind)
            self._called[target, operation] = name

    def call(self, layer: Layer) -> TorchCall:
        """The call that makes a layer."""
        target = layer.module.target
        return layer.module._replace(target=self._called.get((target, layer.operation.name), target))

    def own_rules(self, layer: Layer) -> list[tuple[Weight, Rule]]:
        """The weights of a layer with another rule than the others of its kind."""
        rules = []
        for weight in layer.weights:
            rule = None if weight.present == NO else own_rule(self._init, layer, weight)
            if rule is not None and rule != kind_rule(self._init, layer, weight):
                rules.append((weight, _explicit(rule, weight)))
        return rules

    def statements(
        self,
        model: str,
        module: str,
        own: Iterable[Special],
        classes: Iterable[tuple[str, Sequence[Special]]],
    ) -> tuple[py.Statement, ...]:
        """Statements that initialise `model`: kinds, then what is its own, then what is of the classes of
        blocks; `module` is the variable of loops.
        """
        kinds = list(self._cases(module))
        blocks = [
            (_is_instance(module, [name]), tuple(_statement(special, module) for special in specials))
            for name, specials in classes
            if specials
        ]
        single = [_statement(special, model) for special in own]
        inside = list(self._inside(module))
        return (
            *_loop(model, module, kinds),
            *_loop(model, module, inside),
            *single,
            *_loop(model, module, blocks),
        )

    def _inside(self, module: str) -> Iterator[tuple[py.Expression, tuple[py.Statement, ...]]]:
        """The classes that contain linear layers, and statements for those weights that other linear layers
        initialise otherwise.
        """
        linear = self._kinds["nn.Linear"].rules if "nn.Linear" in self._kinds else {}
        alike: dict[tuple[py.Statement, ...], list[str]] = {}
        for name, (kind, weights) in self._containers.items():
            statements: list[py.Statement] = []
            for path, rule in kind.rules.items():
                *_, own = path.split(".")
                set_before = linear.get(own, PYTORCH) if path != own else PYTORCH
                if rule != set_before:
                    rule = _explicit(rule, weights[path])
                if path in kind.present and rule != set_before:
                    statements.append(py.Evaluate(fill(rule, _parameter(module, path))))
            if statements:
                alike.setdefault(tuple(statements), []).append(name)
        for same, names in alike.items():
            yield _is_instance(module, names), same

    def _cases(self, module: str) -> Iterator[tuple[py.Expression, tuple[py.Statement, ...]]]:
        """The classes with equal rules, and their statements; variants before their base classes."""
        alike: dict[tuple[tuple[str, Rule], ...], list[str]] = {}
        for name in (*self.variants, *(name for name in self._kinds if name not in self.variants)):
            rules = self._kinds[name].rules.items()
            told = tuple(own for own in rules if own[1] != PYTORCH)
            if not told and name in self.variants:  # else the case of its base class would apply
                told = tuple(own for own in rules if own[0] == "weight")
            alike.setdefault(told, []).append(name)
        for told, names in alike.items():
            kind = reduce(_union, (self._kinds[name] for name in names))
            statements = tuple(
                _checked(rule, py.Name(f"{module}.{weight}"), weight in kind.checked)
                for weight, rule in told
                if weight in kind.present
            )
            if statements:
                yield _is_instance(module, names), statements


def _kind(init: Init, layers: Iterable[Layer]) -> _Kind:
    kind = _Kind({}, set(), set())
    for layer in layers:
        for weight in layer.weights:
            if weight.kind == "buffers":
                continue
            kind.rules[weight.name] = kind_rule(init, layer, weight)
            if weight.present != NO:
                kind.present.add(weight.name)
            if may_be_none(layer, weight):
                kind.checked.add(weight.name)
    return kind


def may_be_none(layer: Layer, weight: Weight) -> bool:
    """True if a weight may be missing; to mypy a convolution's bias always may."""
    return (weight.role == "bias" and layer.module.target != "nn.Linear") or weight.present != YES


def _union(one: _Kind, other: _Kind) -> _Kind:
    rules = {**one.rules, **other.rules}
    return _Kind(rules, one.present | other.present, one.checked | other.checked)


def _explicit(rule: Rule, weight: Weight) -> Rule:
    """The rule, or the call that does the same as torch's module."""
    if rule == PYTORCH and weight.drawn:
        return drawn(weight)
    if rule == PYTORCH and weight.role in ("scale", "shift", "embedding"):
        return constant(cast(Const, weight.fill).value)
    return rule


def _statement(special: Special, owner: str) -> py.Statement:
    path = f"{special.attribute}.{special.weight.name}"
    tensor = _parameter(owner, path, special.typed)
    statement = _checked(special.rule, tensor, special.typed and special.checked)
    for flag, holds in reversed(special.flags):
        condition = py.Name(f"{owner}.{flag}")
        statement = py.If(condition if holds else py.negated(condition), (statement,))
    return statement


def _parameter(owner: str, path: str, typed: bool = True) -> py.Expression:
    """The parameter of a module as an attribute, if it can be written so and has a type to mypy."""
    if typed and not any(part.isdigit() for part in path.split(".")):
        return py.Name(f"{owner}.{path}")
    return py.Call(f"{owner}.get_parameter", (py.Literal(path),))


def _checked(rule: Rule, tensor: py.Expression, checked: bool) -> py.Statement:
    filled = py.Evaluate(fill(rule, tensor))
    return py.If(py.Operation("is not", (tensor, py.Literal(None))), (filled,)) if checked else filled


def _is_instance(module: str, classes: Sequence[str]) -> py.Expression:
    names = tuple(map(py.Name, classes))
    return py.Call("isinstance", (py.Name(module), names[0] if len(names) == 1 else py.Sequence("()", names)))


def _loop(
    model: str, module: str, cases: Sequence[tuple[py.Expression, tuple[py.Statement, ...]]]
) -> tuple[py.Statement, ...]:
    if not cases:
        return ()
    return (py.For(module, py.Call(f"{model}.modules"), (py.either(cases, ()),)),)
