"""Calls in bodies: each is bound to an operation, a block, or a parameter that holds one."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import cast

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Span
from netdsl.base.tree import nested
from netdsl.base.values import Symbol, Value, is_number, normal, show
from netdsl.diagnostics import Diagnostic, Diagnostics, Fix, Help, Label, add, misspelt, remove, write
from netdsl.ir.resolved import BlockStep, Bound, OperationStep, ParameterCallStep, Step, WrongStep
from netdsl.language.argument_types import (
    Flag,
    Mismatch,
    Parameter,
    Real,
    Whole,
    Word,
    example,
    schema,
    signature,
)
from netdsl.language.expressions import Const, Expr, constant
from netdsl.language.words import STATEMENTS
from netdsl.ops import OPERATIONS, Operation
from netdsl.other_frameworks.translation import own_name, own_parameter, translated
from netdsl.other_frameworks.untranslated import no_step
from netdsl.resolve.argument_suggestions import write_call
from netdsl.resolve.bind_arguments import Given, bind, meant, words_of, wrong_argument
from netdsl.resolve.defaults import Defaults, inherited_defaults
from netdsl.resolve.orders import UNIT
from netdsl.resolve.scope import Scope
from netdsl.syntax import nodes


class Blocks(NamedTuple):
    """The blocks of all files by key, and the keys of those that a file knows, by name.

    `values` returns the operations and blocks that a parameter can hold: those that any expression names.
    """

    all: dict[str, nodes.Block]
    known: Mapping[str, str]
    values: Callable[[], Collection[str]]


class CallResolver:
    """Resolves the calls of one file."""

    def __init__(
        self,
        scope: Scope,
        blocks: Blocks,
        defaults: Defaults,
        diagnostics: Diagnostics,
    ) -> None:
        self._scope = scope
        self._blocks = blocks
        self._defaults = defaults
        self._diagnostics = diagnostics

    def call(self, step: nodes.Call, defaults: Defaults) -> Sequence[Step]:
        """The step, or none after a diagnostic. `defaults` are those of the enclosing block."""
        name = step.name.text
        found = self._scope.names.callee(step.name)
        if found and found.kind != "block" and not found.is_constant:
            return self._parameter_call(step, defaults)
        target = self._named(name)
        if found and found.is_constant:
            value = self._scope.constant(name)
            if value is None:
                return ()
            if not isinstance(value, Symbol):
                message, help = not_callable(name, value)
                also = [Label(step.name.span, "called here")]
                self._diagnostics.error("NET302", message, self._scope.written(name), also=also, help=help)
                return ()
            target = value.name
        if target is not None:
            return self._target(step, target, defaults) or _wrong(step, target)
        if not self._scope.names.is_lost(name) and not self._diagnostics.full:
            self._unknown(step)
        return ()

    def _named(self, name: str) -> str | None:
        """The key of the block, or the operation, of a name."""
        return self._blocks.known.get(name) or (name if name in OPERATIONS else None)

    def _target(
        self, step: nodes.Call, target: str, defaults: Defaults
    ) -> tuple[OperationStep | BlockStep] | tuple[()]:
        if target in self._blocks.all:
            return self._block(step, target)
        return self.operation(step, OPERATIONS[target], defaults)

    def _unknown(self, step: nodes.Call) -> None:
        word = step.name
        known = [*OPERATIONS, *self._blocks.known, UNIT]
        call = word.span.to(step.span)
        own = translated(call.text)
        help: Help = (
            _spelt(word.span, self._blocks.known)
            or self._without_translation(step)
            or (_complete(write(call, own)) if own and "\n" not in own and own.split("(")[0] in known else "")
            or misspelt(word.span, known)
            or f"use another operation, or define a block `{word.text}`"
        )
        before = word.span.source.text[: word.span.start].rpartition("\n")[2]
        if re.search(r"\bsave\s+\w+\s*,\s*$", before) and not step.arguments:  # `save a, b`
            help = write(word.span, f"save {word.text}")
        symbols = {symbol.kind: symbol for symbol in self._scope.names.named(word.text, word.span)}
        if "tensor" in symbols:
            help = write(call, f"from {word.text}")
        elif "label" in symbols:
            saved = add(symbols["label"].whole, f", save {word.text}").edits
            title = f"write `, save {word.text}` after the step of that label, and `from {word.text}` here"
            help = Fix(title, (*saved, *write(call, f"from {word.text}").edits), safe=False)
        if word.text in STATEMENTS and f"my_{word.text}" in self._blocks.known:
            help = write(word.span, f"my_{word.text}")
        elif word.text in STATEMENTS:
            help = "move it to the top level of the file: it is a statement"
        self._diagnostics.error(
            "undefined-operation", f"there is no operation or block `{word.text}`", word.span, help=help
        )

    def _without_translation(self, step: nodes.Call) -> Help:
        """The help for a layer of another library that has no translation."""
        given = [argument.value.span.text for argument in step.arguments]
        saved = self._scope.names.text(step.span)
        lost = no_step(step.name.text, given or (saved.known_at(step.span, tensor=True) if saved else ()))
        if lost is None:
            return ""
        if "…" in lost.steps:
            return lost.help
        fix = write(step.span, lost.steps) if lost.steps else remove(step.span)
        return replace(fix, title=lost.help, safe=lost.safe)

    def _parameter_call(self, step: nodes.Call, defaults: Defaults) -> Sequence[Step]:
        """A call of a parameter, resolved for each operation and block that it can hold."""
        name = step.name.text
        cases: list[tuple[str, OperationStep | BlockStep]] = []
        shape_errors: list[tuple[str, Diagnostic]] = []
        for value in self._blocks.values():
            with self._diagnostics.captured() as found:
                resolved = self._target(step, value, defaults)
            cases += [(value, case) for case in resolved]
            shape_errors += [(value, diagnostic) for diagnostic in found]
        own = self._named(name)
        # If the parameter holds a number, the operation or block of its own name is called.
        with self._diagnostics.captured() as found:
            fallback = self._target(step, own, defaults) if own else ()
        shape_errors += [("", diagnostic) for diagnostic in found]
        if not cases and not fallback:
            # The call is wrong for all of them, or there are none.
            for _, diagnostic in shape_errors:
                self._diagnostics.add(diagnostic)
            if not shape_errors and self._scope.names.own.is_whole and not self._given_unknown(name):
                self._diagnostics.error(
                    "undefined-operation", f"`{name}` holds no operation or block", step.name.span,
                    help=f"give it one, as in `{name}=relu`",
                )  # fmt: skip
            return ()
        other = fallback[0] if fallback else None
        return (ParameterCallStep(name, tuple(cases), tuple(shape_errors), other, step.span),)

    def _given_unknown(self, parameter: str) -> bool:
        """True if a parameter is given an undefined name, which is an error of its own."""
        names, program = self._scope.names, self._scope.names.own.program
        given = (a.value for a in nested(program, nodes.Argument) if a.name and a.name.text == parameter)
        defaults = (p.default for p in nested(program, nodes.Parameter) if p.name.text == parameter)
        values = (value for value in (*given, *defaults) if isinstance(value, nodes.Name))
        return any(not names.find(value.name, value.span) and not self._named(value.name) for value in values)

    # operations

    def operation(
        self, step: nodes.Call, operation: type[Operation], own: Defaults
    ) -> tuple[OperationStep] | tuple[()]:
        """The step, or none after a diagnostic, whatever the name of `operation` means at `step`."""
        if out := _after_input(step):
            message = f"`{step.name.text}` takes no number of input channels or features"
            fix = write(step.name.span.to(step.span), out, ": the input is known")
            self._diagnostics.error("NET301", message, step.span, help=fix)
            return ()
        inherited = inherited_defaults(operation, self._defaults)
        local = inherited_defaults(operation, own)
        filled = frozenset({*inherited, *local})
        parameters = signature(operation)
        given = bind(step.name.text, parameters, step.arguments, step.span, self._diagnostics, filled=filled)
        if given is None:
            return ()
        found = {**inherited, **local, **{argument.parameter: argument for argument in given}}
        bound: list[tuple[str, Expr]] = []
        for field in schema(operation):
            arg_type = field.metadata["type"]
            if field.name not in found:
                bound.append((field.name, constant(field.default)))
                continue
            argument = found[field.name]
            words = words_of(arg_type)
            if not self._is_value(operation, argument.value, words):
                return ()
            if field.name == "kernel" and not self._is_kernel(argument.value):
                return ()
            expr = self._scope.argument(argument.value, words)
            if expr is None or not self._fits(step, argument, expr, arg_type):
                return ()
            bound.append((field.name, expr))
        label = step.label.text if step.label else None
        return (OperationStep(operation, tuple(bound), step.span, label),)

    def _fits(self, step: nodes.Call, given: Given, expr: Expr, arg_type: object) -> bool:
        """Checks a constant. Other arguments are checked with the shapes, when their values are known."""
        if not isinstance(expr, Const):
            return True
        result = arg_type.convert(expr.value)  # type: ignore[attr-defined]
        if isinstance(result, Mismatch):
            result = meant(expr.value, arg_type) or result
            help = _without(step, given, expr.value, arg_type) or _share(given, expr.value, arg_type) or ""
            name, argument = step.name.text, given.parameter
            origin = given.value.name if isinstance(given.value, nodes.Name) else ""
            if origin == "classes" and isinstance(Whole().convert(expr.value), Mismatch):
                return False  # reported at `classes`
            defined = origin in self._scope.names.constants
            also = [Label(self._scope.written(origin), "comes from here")] if defined else []
            wrong_argument(name, argument, expr, result, self._diagnostics, help=help, also=also)
            return False
        return True

    def _is_value(self, operation: type[Operation], node: nodes.Expr, words: Collection[str]) -> bool:
        """Rejects the name of a flag or a word of another argument: `conv(16, 3, freeze)`, `conv(16, 3,
        same)`.
        """
        word = node.name if isinstance(node, nodes.Name) else ""
        if word in words or self._scope.names.find(word, node.span):
            return True
        for parameter in signature(operation):
            name, arg_type = parameter.name, parameter.type
            if name == word and isinstance(getattr(arg_type, "other", arg_type), Flag):
                message, own = f"the argument `{word}` has no value", f"{word}=yes"
            elif isinstance(arg_type, Word) and word in arg_type.words:
                message, own = f"`{word}` is a value of `{name}`", f"{name}={word}"
            else:
                continue
            last = node.span.source.text[node.span.end :].lstrip().startswith(")")
            self._diagnostics.error("NET302", message, node.span, help=write(node.span, own, safe=last))
            return False
        return True

    def _is_kernel(self, node: nodes.Expr) -> bool:
        """Rejects `3*3` as a kernel: it is the number 9."""
        match node:
            case nodes.Binary("*", nodes.Literal(int(height)), nodes.Literal(int(width)), span):
                message = f"`{span.text}` is the number {height * width}, not a size"
                self._diagnostics.error("NET302", message, span, help=write(span, f"{height}x{width}"))
                return False
        return True

    # blocks

    def _block(self, step: nodes.Call, block: str) -> tuple[BlockStep] | tuple[()]:
        bound = self.arguments(block, step.name.text, step.arguments, step.span)
        if bound is None:
            return ()
        return (BlockStep(block, bound, step.span, step.label.text if step.label else None),)

    def arguments(
        self, block: str, shown: str, arguments: Sequence[nodes.Argument], span: Span
    ) -> Bound | None:
        """The arguments of a block by parameter, without those that have their default."""
        parameters = [
            Parameter(p.name.text, p.default is None, default=p.default.span.text if p.default else "")
            for p in self._blocks.all[block].parameters
        ]
        given = bind(shown, parameters, arguments, span, self._diagnostics)
        if given is None:
            return None
        exprs = [
            (
                argument.parameter,
                self._scope.held(nodes.Word(argument.parameter, argument.span), argument.value),
            )
            for argument in given
        ]
        bound = [(name, expr) for name, expr in exprs if expr is not None]
        return tuple(bound) if len(bound) == len(exprs) else None


def _wrong(step: nodes.Call, target: str) -> tuple[WrongStep]:
    """A wrong call, which keeps the shape if all calls of the operation do."""
    keeps = target in OPERATIONS and OPERATIONS[target].infer is Operation.infer
    return (WrongStep(step.span, keeps),)


def _without(step: nodes.Call, given: Given, value: Value, arg_type: object) -> Fix | None:
    """The fix for a number in place of a word, as in `upsample(2, 2)`, `linear(10, 512)`: the call without
    it.
    """
    if not is_number(value) or not isinstance(arg_type, (Flag, Word)) or getattr(arg_type, "other", None):
        return None
    left = [a for a in step.arguments if a.value is not given.value]
    if len(left) == len(step.arguments) or any(a.name for a in step.arguments if a not in left):
        return None
    shown = [f"{a.name.text}={a.value.span.text}" if a.name else a.value.span.text for a in left]
    return write_call(step.name.text, step.arguments, shown)


def _share(given: Given, value: Value, arg_type: object) -> Fix | None:
    """The fix for a percentage in place of a fraction."""
    if isinstance(arg_type, Real) and arg_type.high == 1 and is_number(value):
        percent = cast(Fraction, value)
        if 5 <= percent < 100:
            return write(given.value.span, show(normal(Fraction(percent) / 100)))
    return None


def _after_input(step: nodes.Call) -> str:
    """The call without the number of input channels, where it seems to be given as in torch; else empty."""
    shown = [argument.value.span.text for argument in step.arguments if argument.name is None]
    numbers = [text for text in shown if text.isdigit()]
    match step.name.text, numbers:
        case "linear", [_, _] if len(shown) == 2:
            wrong = True
        case "linear", [_] if shown[1:] == ["classes"]:
            wrong = True
        case "conv", [_, out, kernel, *_] if len(numbers) == len(shown):
            wrong = int(out) > 11 and int(out) % 2 == 0 and int(kernel) < 12
        case "conv", _ if shown[:1] == ["in"] and len(shown) > 2:
            wrong = own_parameter(shown[1], ["out"]) == "out"
        case _:
            wrong = False
    named = [f"{a.name.text}={a.value.span.text}" for a in step.arguments if a.name]
    return f"{step.name.text}({', '.join([*shown[1:], *named])})" if wrong else ""


def _spelt(word: Span, known: Collection[str]) -> Fix | None:
    """The fix for a block in another case: `ResBlock` for `res_block`."""
    plain = word.text.replace("_", "").lower()
    found = next((block for block in known if block.replace("_", "").lower() == plain), "")
    return write(word, found) if found else None


def _complete(fix: Fix) -> Fix:
    """The fix that writes an operation, with usual values where it needs arguments."""
    place, name = fix.edits[0]
    needed = [p.name for p in signature(OPERATIONS[name]) if p.required] if name in OPERATIONS else []
    return write(place, example(name, OPERATIONS[name]), safe=needed == ["kernel"]) if needed else fix


def not_callable(name: str, value: Value) -> tuple[str, str]:
    """Message and help for the call of a name with a value that is neither an operation nor a block."""
    help = "give it an operation or a block, as `relu`"
    if isinstance(value, str):
        help = f"write `{value}` without quotes"
    return f"`{name}` is {show(value)}, not an operation or a block", help


def unknown_block(word: nodes.Word, name: str, known: Collection[str], diagnostics: Diagnostics) -> None:
    """Reports the name of a stage's block."""
    own = own_name(name)
    if name != word.text and name not in known:
        message = f"`{word.text}` is {name}, not a block"
        diagnostics.error("undefined-block", message, word.span, help="give it a block, as `residual`")
        return
    help: Help = _spelt(word.span, known) or (write(word.span, own) if own in known else "")
    help = help or misspelt(word.span, known, name) or f"define a block `{name}`"
    if (own or name) in OPERATIONS:
        source = word.span.source
        call = Span(source, word.span.start, len(source.text)).first_line
        step = call.text if name in OPERATIONS else translated(call.text) or own
        help = f"write `layers {{ {step} }}`"
        if keyword := re.compile(r"stage[ \t]+$").search(source.text, 0, call.start):
            help = write(Span(source, keyword.start(), call.end), f"layers {{ {step} }}")
    diagnostics.error("undefined-block", f"there is no block `{name}`", word.span, help=help)
