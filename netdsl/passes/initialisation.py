"""The `init` statement: a base, and the rules that refine it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import MISSING

from netdsl import syntax
from netdsl.arguments import Word, convert, schema, signature, usage
from netdsl.diagnostics import Diagnostics, Label, nearest
from netdsl.expressions import constant
from netdsl.initrules import FOR_KERNELS, RULES
from netdsl.ops import OPERATIONS
from netdsl.passes.binding import bind
from netdsl.passes.lastnorm import roles
from netdsl.passes.scope import Scope
from netdsl.resolved import Init, Rule
from netdsl.source import Span
from netdsl.values import Symbol, Value, show

BASES = ("kaiming", "pytorch")
# Keys that name no operation: all biases, and the last norm of every skip connection's body.
BIAS, LAST_NORM = "bias", "last_bn"


def read_init(
    statement: syntax.Init | None,
    labels: Mapping[str, Collection[str]],
    scope: Scope,
    diagnostics: Diagnostics,
) -> Init:
    """How weights start; Kaiming where the file doesn't say. `labels` are those of all steps, with what
    they stand before.
    """
    if statement is None:
        return Init("kaiming")
    return _InitReader(labels, scope, diagnostics).read(statement)


class _InitReader:
    def __init__(self, labels: Mapping[str, Collection[str]], scope: Scope, diagnostics: Diagnostics) -> None:
        self._labels = labels
        self._scope = scope
        self._diagnostics = diagnostics
        self._kinds = {
            **{name: roles(operation) for name, operation in OPERATIONS.items() if roles(operation)},
            BIAS: frozenset({"bias"}),
            LAST_NORM: frozenset({"scale"}),
        }

    def read(self, statement: syntax.Init) -> Init:
        kinds: dict[str, Rule] = {}
        labels: dict[str, Rule] = {}
        seen: dict[str, Span] = {}
        for key, call in statement.rules:
            if key.text in seen:
                also = [Label(seen[key.text], "first here")]
                message = f"`{key.text}` has two rules"
                self._diagnostics.error("NET305", message, key.span, also=also, help="remove one")
                continue
            seen[key.text] = key.span
            of_label = key.text in self._labels
            if not of_label and key.text not in self._kinds:
                self._unknown(key)
                continue
            rule = self._rule(call)
            if rule and self._applies(key, of_label, rule, call):
                (labels if of_label else kinds)[key.text] = rule
        base = "pytorch" if self._base(statement.base) == "pytorch" else "kaiming"
        return Init(base, tuple(kinds.items()), tuple(labels.items()))  # type: ignore[arg-type]

    def _base(self, base: syntax.Word | None) -> str:
        if base is not None and base.text not in BASES:
            self._diagnostics.error(
                "NET305",
                f"there is no initialisation `{base.text}`",
                base.span,
                help=_base_help(base.text),
            )
        return base.text if base else "kaiming"

    def _unknown(self, key: syntax.Word) -> None:
        what = f"`{key.text}` is no operation with weights, and no label of a step"
        known = [*self._kinds, *self._labels]
        help = nearest(key.text, known) or "as in `conv kaiming_normal(mode=fan_out)`"
        self._diagnostics.error("NET305", what, key.span, help=help)

    def _applies(self, key: syntax.Word, of_label: bool, rule: Rule, call: syntax.Call) -> bool:
        """Whether the rule can be used where the key says."""
        if of_label:
            steps = self._labels[key.text]
            if not steps:  # the step couldn't be read
                return True
            found = [roles(OPERATIONS[step]) for step in steps if step in OPERATIONS]
            if len(found) < len(steps) or not all(found):
                message = f"the step `{key.text}` has no weights of its own"
                help = "a rule is for an operation with weights, not for a block"
                self._diagnostics.error("NET305", message, key.span, help=help)
                return False
            kernels = all("kernel" in own for own in found)
        else:
            kernels = "kernel" in self._kinds[key.text]
        steps = self._labels[key.text] if of_label else (key.text,)
        matrix = rule.function == "dirac" and "linear" in steps
        if rule.function in FOR_KERNELS and (not kernels or matrix):
            message = f"`{rule.function}` is not for `{key.text}`"
            help = "it is for the weights of convolutions" + ("" if matrix else " and linear layers")
            self._diagnostics.error("NET305", message, call.span, help=help)
            return False
        return True

    def _rule(self, call: syntax.Call) -> Rule | None:
        name = call.name.text
        if name not in RULES:
            help = nearest(name, RULES) or f"one of {', '.join(usage(n, cls) for n, cls in RULES.items())}"
            self._diagnostics.error("NET305", f"there is no rule `{name}`", call.name.span, help=help)
            return None
        cls = RULES[name]
        given = bind(name, signature(cls), call.arguments, call.span, self._diagnostics)
        if given is None:
            return None
        places = {argument.parameter: argument for argument in given}
        values: dict[str, Value] = {}
        for field in schema(cls):
            if field.name in places:
                arg_type = field.metadata["type"]
                words = arg_type.words if isinstance(arg_type, Word) else ()
                value = self._scope.value(places[field.name].value, words)
                if value is None:
                    return None
                values[field.name] = value
            elif field.default is not MISSING:
                values[field.name] = constant(field.default).value
        result = convert(cls, values)
        if isinstance(result, dict):
            for parameter, mismatch in result.items():
                shown = f"`{parameter}` of `{name}` is {show(values[parameter])}"
                help = f"it must be {mismatch.expected}"
                self._diagnostics.error("NET302", shown, places[parameter].span, help=help)
            return None
        if name == "uniform" and values["a"] > values["b"]:
            message = f"`a` of `uniform` is {show(values['a'])}, and `b` is {show(values['b'])}"
            self._diagnostics.error("NET302", message, call.span, help="it goes from `a` up to `b`")
            return None
        return Rule(name, tuple((key, _plain(value)) for key, value in values.items()))


def _base_help(name: str) -> str:
    if name.lower() in ("he", "kaiming_normal", "msra"):
        return "write `init kaiming`"
    family = "xavier" if name.lower().startswith("glorot") else name.lower()
    rules = [rule for rule in RULES if rule.startswith(family) and rule != "pytorch"]
    if rules and not nearest(name, BASES):
        return f"write `init {{ conv {rules[0]}, linear {rules[0]} }}`"
    return nearest(name, BASES) or "write `init kaiming` or `init pytorch`"


def _plain(value: Value) -> Value:
    """A word as the text that torch takes."""
    return value.name if isinstance(value, Symbol) else value
