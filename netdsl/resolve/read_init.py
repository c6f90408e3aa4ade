"""The `init` statement: a base and rules."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import MISSING
from fractions import Fraction
from functools import cached_property
from typing import cast

from netdsl.base.source import Span
from netdsl.base.values import Symbol, Value, show
from netdsl.diagnostics import Diagnostics, Edit, Fix, Help, Label, listing, misspelt, nearest, remove, write
from netdsl.ir.resolved import Init, Rule, Whitening
from netdsl.language.argument_types import convert, schema, usage
from netdsl.language.expressions import constant
from netdsl.language.init_rules import FOR_KERNELS, RULES, Whiten
from netdsl.language.words import INIT_BASES, INIT_KEYS
from netdsl.ops import OPERATIONS
from netdsl.other_frameworks.init_and_expect import LAST_LAYERS, own_rule
from netdsl.other_frameworks.translation import own_name
from netdsl.resolve.bind_arguments import argument_values
from netdsl.resolve.last_norm import roles
from netdsl.resolve.scope import Scope
from netdsl.syntax import nodes

# Keys that aren't operations: all biases, and the last norm of each skip connection's body.
BIAS, LAST_NORM = INIT_KEYS


def read_init(
    statement: nodes.Init | None,
    labels: Mapping[str, Collection[str]],
    scope: Scope,
    diagnostics: Diagnostics,
) -> Init:
    """The initialisation; Kaiming by default. `labels` are those of all steps, with their operations or
    blocks.
    """
    if statement is None:
        return Init("kaiming")
    return _InitReader(labels, scope, diagnostics).read(statement)


class _InitReader:
    def __init__(self, labels: Mapping[str, Collection[str]], scope: Scope, diagnostics: Diagnostics) -> None:
        self._labels = labels
        self._scope = scope
        self._diagnostics = diagnostics

    @cached_property
    def _kinds(self) -> dict[str, frozenset[str]]:
        """The roles of the weights that each key is for, of those that aren't labels."""
        return {
            **{name: roles(operation) for name, operation in OPERATIONS.items() if roles(operation)},
            BIAS: frozenset({"bias"}),
            **{
                f"{name}_{BIAS}": frozenset({"bias"})
                for name, operation in OPERATIONS.items()
                if "bias" in roles(operation)
            },
            LAST_NORM: frozenset({"scale"}),
        }

    def read(self, statement: nodes.Init) -> Init:
        kinds: dict[str, Rule] = {}
        labels: dict[str, Rule] = {}
        seen: dict[str, Span] = {}
        whitening: Whitening | None = None
        for key, call in (rule for rule in statement.rules if isinstance(rule, nodes.InitRule)):
            if key.text in seen:
                also = [Label(seen[key.text], "first here")]
                message = f"`{key.text}` has two rules"
                again = remove(key.span.to(call.span), "remove one", safe=False)
                self._diagnostics.error("NET305", message, key.span, also=also, help=again)
                continue
            seen[key.text] = key.span
            label = self._label(key.text)
            if label is None and key.text not in self._kinds:
                self._unknown(key, call)
                continue
            if call.name.text == "whiten":
                whitening = self._whitening(key, label, call) or whitening
                continue
            rule = self._rule(call)
            if call.name.text == "prior" and not key.text.endswith(BIAS):
                key = key._replace(text=f"{key.text}_{BIAS}")
            if rule and self._applies(key, label, rule, call):
                (kinds if label is None else labels)[key.text] = rule
        base = "pytorch" if self._base(statement.base) == "pytorch" else "kaiming"
        return Init(base, tuple(kinds.items()), tuple(labels.items()), whitening)  # type: ignore[arg-type]

    def _label(self, key: str) -> str | None:
        """The label of the steps whose weights (with `_bias`: biases) a key is for; None for others."""
        for label in (key, key.removesuffix(f"_{BIAS}")):
            # `conv: conv(…)`: what has the name of its kind has the rule of its kind; a block has none.
            operations = OPERATIONS.keys() & self._labels.get(label, ())
            if label in self._labels and not (label in self._kinds and operations <= {label}):
                return label
        return None

    def _base(self, base: nodes.Word | None) -> str:
        if base is not None and base.text not in INIT_BASES:
            self._diagnostics.error(
                "NET305",
                f"there is no initialisation `{base.text}`",
                base.span,
                help=_base_help(base),
            )
        return base.text if base else "kaiming"

    def _unknown(self, key: nodes.Word, call: nodes.Call) -> None:
        own = key.text if key.text in OPERATIONS else own_name(key.text)
        if own in OPERATIONS and own not in self._kinds:
            message = f"`{own}` has no weights"
            help: Help = remove(key.span.to(call.span), "leave the line out")
        else:
            message = f"`{key.text}` is neither an operation with weights nor the label of a step"
            help = self._meant(key, key.span.to(call.span))
        self._diagnostics.error("NET305", message, key.span, help=help)

    def _meant(self, word: nodes.Word, line: Span) -> Help:
        """The help for an unknown key."""
        key, known = word.text, [*self._kinds, *self._labels]
        if key in OPERATIONS:
            return remove(line, f"leave the line out: `{key}` has no weights")
        own = own_name(key)
        if own in self._kinds and own not in ("linear", *self._labels):
            return write(word.span, own)
        if (norm := key.removesuffix("_bias")) in self._kinds and norm != key:
            return remove(line, f"leave the line out: biases of `{norm}` start at 0")
        if near := misspelt(word.span, known):
            return near
        of_linear = [label for label, steps in self._labels.items() if "linear" in steps]
        if own == "linear" or key.lower() in LAST_LAYERS:
            if len(of_linear) == 1:
                return write(word.span, of_linear[0], ", the label of the last layer")
            return (write(word.span, "linear"), f"give the last layer the label `{key}`")
        if key.lower() in ("weight", "weights", "w"):
            rule = line.text.removeprefix(key).strip()
            indent = line.source.line(line.source.position(line.start)[0])
            indent = indent[: len(indent) - len(indent.lstrip())]
            lines = f"conv {rule}\n{indent}linear {rule}"
            return Fix("write `conv` and `linear`, each on a separate line", (Edit(line, lines),), safe=False)
        if self._labels:
            return f"the labels are {listing(self._labels)}"
        return f"give a step the label `{key}`"

    def _applies(self, key: nodes.Word, label: str | None, rule: Rule, call: nodes.Call) -> bool:
        """True if the rule is valid for what the key is for, which is a label's or an operation's."""
        steps: Collection[str] = (key.text,)
        if label is None:
            kernels = "kernel" in self._kinds[key.text]
        else:
            steps = self._labels[label]
            if not steps:  # the step has a syntax error
                return True
            what = "weights" if key.text == label else "a bias"
            found = [roles(OPERATIONS[step]) for step in steps if step in OPERATIONS]
            if len(found) < len(steps) or not all(
                own if what == "weights" else "bias" in own for own in found
            ):
                message = f"the step `{label}` isn't an operation with {what}"
                help = f"write the label of an operation with {what}"
                self._diagnostics.error("NET305", message, key.span, help=help)
                return False
            kernels = what == "weights" and all("kernel" in own for own in found)
        matrix = rule.function == "dirac" and "linear" in steps
        if rule.function in FOR_KERNELS and (not kernels or matrix):
            message = f"`{rule.function}` can't initialise `{key.text}`"
            help = "use it for the weights of convolutions" + ("" if matrix else " and linear layers")
            self._diagnostics.error("NET305", message, call.span, help=help)
            return False
        return True

    def _whitening(self, key: nodes.Word, label: str | None, call: nodes.Call) -> Whitening | None:
        """The rule `whiten`, for the label of a convolution."""
        if key.text != label or self._labels[label] not in ({"conv"}, set()):
            message = "`whiten` is for the first convolution, by its label"
            help = f"write a label before it, `whitening: conv(…)`, and `whitening {call.span.text}`"
            self._diagnostics.error("NET305", message, key.span, help=help)
            return None
        given = argument_values("whiten", Whiten, call.arguments, call.span, self._scope, self._diagnostics)
        if given is None:
            return None
        return Whitening(label, cast(Whiten, convert(Whiten, given)), key.span.to(call.span))

    def _rule(self, call: nodes.Call) -> Rule | None:
        name = call.name.text
        if name not in RULES:
            own = own_rule(name, ((a.name.text if a.name else "", a.value.span.text) for a in call.arguments))
            known = f"one of {', '.join(usage(n, cls) for n, cls in RULES.items())}"
            meant = write(call.span, own) if own else misspelt(call.name.span, RULES)
            self._diagnostics.error(
                "NET305", f"there is no rule `{name}`", call.name.span, help=meant or known
            )
            return None
        cls = RULES[name]
        given = argument_values(name, cls, call.arguments, call.span, self._scope, self._diagnostics)
        if given is None:
            return None
        defaults = {f.name: constant(f.default).value for f in schema(cls) if f.default is not MISSING}
        values = {f.name: given[f.name] if f.name in given else defaults[f.name] for f in schema(cls)}
        if name == "uniform" and cast(Fraction, values["a"]) > cast(Fraction, values["b"]):
            message = f"`a` of `uniform` is {show(values['a'])}, more than `b`, which is {show(values['b'])}"
            a, b = (argument.value.span for argument in call.arguments)
            fix = Fix("exchange `a` and `b`", (*write(a, b.text).edits, *write(b, a.text).edits))
            self._diagnostics.error("NET302", message, call.span, help=fix)
            return None
        if name == "prior":
            probability = float(cast(Fraction, values["p"]))
            logit = math.log(probability / (1 - probability))
            return Rule("constant", (("val", Fraction(str(round(logit, 5)))),))
        return Rule(name, tuple((key, _plain(value)) for key, value in values.items()))


def _base_help(base: nodes.Word) -> Help:
    name = base.text
    if name.lower() in ("he", "he_normal", "kaiming_normal", "msra"):
        return write(base.span, "kaiming")
    family = "xavier" if name.lower().startswith("glorot") else name.lower()
    rules = [rule for rule in RULES if rule.startswith(family) and rule != "pytorch"]
    if rules and not nearest(name, INIT_BASES):
        complete = all(f.default is not MISSING for f in schema(RULES[rules[0]]))
        return write(base.span, f"{{ conv {rules[0]}, linear {rules[0]} }}", safe=complete)
    return misspelt(base.span, INIT_BASES) or "write `init kaiming` or `init pytorch`"


def _plain(value: Value) -> Value:
    """A word as the string for torch."""
    return value.name if isinstance(value, Symbol) else value
