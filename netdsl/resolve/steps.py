"""Resolves bodies: binds the names of steps, writes units out, fills in defaults."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import cast

from netdsl.base import tree
from netdsl.base.source import Span
from netdsl.base.tree import nested
from netdsl.diagnostics import Diagnostics, Fix, Help, Label, remove, write
from netdsl.ir.resolved import (
    BlockDefinition,
    BlockStep,
    Body,
    BranchesStep,
    EachStep,
    FromStep,
    Join,
    LetStep,
    OperationStep,
    RepeatStep,
    SaveStep,
    SkipStep,
    Step,
    WhenStep,
    WrongStep,
    names,
)
from netdsl.language.argument_types import Parameter
from netdsl.language.expressions import IN, Const, Ref
from netdsl.ops import OPERATIONS
from netdsl.resolve.bind_arguments import bind
from netdsl.resolve.bindings import Symbol
from netdsl.resolve.calls import CallResolver
from netdsl.resolve.counts import Counts
from netdsl.resolve.defaults import Defaults, read_defaults
from netdsl.resolve.labels import Labels
from netdsl.resolve.orders import UNIT, Order, is_placeholder, is_unit, plus_of, uses_units
from netdsl.resolve.scope import Scope, check_name
from netdsl.resolve.undefined_names import undefined_tensor
from netdsl.syntax import nodes

# Python can't compile a sum of many more.
MAX_BRANCHES = 1_000

# The name of the enclosing block's `in` in a repeated part that became a block.
OUTER_IN = "block_in"


@dataclass(frozen=True, slots=True)
class Local:
    """The context of the steps of a body: the block or section that owns them, its defaults, labels, and the
    tensors saved so far; those are `shared` if the sections after it know them. `direct`: an `each` can stand
    here, and holds to the end of what owns the steps.
    """

    owner: str
    defaults: Defaults = field(default_factory=dict)
    labels: dict[str, Span] = field(default_factory=dict)
    saved: dict[str, Span] = field(default_factory=dict)
    shared: bool = False
    direct: bool = True

    def inner(self) -> Local:
        """The context of a body inside."""
        return replace(self, saved=dict(self.saved), shared=False, direct=False)


class StepResolver:
    """Resolves the bodies of one file.

    `free_key` returns an unused key for a block. `outlined` collects the definitions of repeated parts.
    """

    def __init__(
        self,
        scope: Scope,
        calls: CallResolver,
        order: Order,
        counts: Counts,
        free_key: Callable[[str], str],
        diagnostics: Diagnostics,
    ) -> None:
        self._scope = scope
        self._calls = calls
        self._order = order
        self._counts = counts
        self._free_key = free_key
        self._diagnostics = diagnostics
        self.outlined: list[BlockDefinition] = []
        self.labels = Labels(diagnostics)
        self._saved: dict[str, Span] = {}

    def section(self, section: nodes.Section) -> Body:
        """The steps of a section of the network."""
        local = Local(section.kind.text, labels=self.labels.of_sections)
        if not section.name:  # A section with a name is a module of its own.
            local = replace(local, saved=self._saved, shared=True)
        return self._body(section.body, local)

    def block(self, body: nodes.Body, owner: str) -> Body:
        """The steps of a block; one with an error becomes a `WrongStep`."""
        return self._body(body, Local(owner))

    def _body(self, body: nodes.Body, local: Local) -> Body:
        defaults, steps = _apart(body.steps)
        return self._steps(steps, replace(local, defaults=read_defaults(defaults, self._diagnostics)))

    def _steps(self, steps: Sequence[nodes.Step], local: Local) -> Body:
        # A step without a result had an error.
        found = (self._step(step, local) or (WrongStep(step.span),) for step in steps)
        return tuple(step for steps in found for step in steps)

    def _step(self, step: nodes.Step, local: Local) -> Sequence[Step]:
        match step:
            case nodes.Call():
                return self._call(step, local, self._order)
            case nodes.Skip():
                return self._skip(step, local)
            case nodes.Branches():
                return self._branches(step, local)
            case nodes.Repeat():
                return self._repeat(step, local)
            case nodes.Each():
                return self._each(step, local)
            case nodes.When():
                return self._when(step, local)
            case nodes.Let():
                return self._let(step)
            case nodes.Save():
                return self._save(step, local)
            case nodes.From():
                return self._from(step, local)
            case nodes.Unread("save", name, span):
                local.saved.setdefault(name, span)
                return (SaveStep(name, span),)
            case nodes.Unread("label", name):
                self.labels.steps.setdefault(name, set())
            case nodes.Default():
                help = "write it at the top of the block or of the file"
                self._error("NET106", "`default` inside another step", step.span, help)
        return ()

    def _error(self, code: str, message: str, span: Span, help: Help, first: Span | None = None) -> None:
        also = [Label(first, "first here")] if first else []
        self._diagnostics.error(code, message, span, also=also, help=help)

    # calls

    def _call(self, step: nodes.Call, local: Local, order: Order) -> Sequence[Step]:
        if step.name.text == UNIT and not self._scope.names.callee(step.name):
            return self._unit(step, local, order)
        if step.label:
            self.labels.define(step.label, local.labels, step.name.text)
        return self._calls.call(step, local.defaults)

    def _unit(self, step: nodes.Call, local: Local, order: Order) -> list[Step]:
        """The order's steps, with this unit's arguments at its convolution."""
        steps: list[Step] = []
        for item in order:
            if isinstance(item, nodes.Plus):
                continue
            if is_placeholder(item):
                conv = nodes.Word("conv", step.name.span)
                call = nodes.Call(conv, step.arguments, step.span, step.label)
                found = self._call(call, local, order)
            else:
                found = [
                    own._replace(unit=step.span) if isinstance(own, OperationStep) else own
                    for own in self._calls.call(item, local.defaults)
                ]
            steps += found or (WrongStep(item.span),)
        return steps

    # constants and tensors of a body

    def _let(self, step: nodes.Let) -> Sequence[Step]:
        name = step.name.text
        self._check_new(step.name)
        value = self._scope.expression(step.value)
        return (
            (WrongStep(step.span, keeps_shape=True),) if value is None else (LetStep(name, value, step.span),)
        )

    def _check_new(self, name: nodes.Word) -> None:
        """Rejects a name that the body has already, or that generated code can't have."""
        found = self._scope.names.find(name.text, name.span)
        if found is None or found.is_constant:
            check_name(name, self._diagnostics)
        elif found.kind == "word":
            message = f"`{name.text}` is reserved: it is the size of the input"
            self._error("NET202", message, name.span, "rename it")
        else:
            self._error("NET202", f"`{name.text}` is defined twice", name.span, "rename one", found.span)

    def _save(self, step: nodes.Save, local: Local) -> Sequence[Step]:
        name = step.name
        check_name(name, self._diagnostics)
        if first := local.saved.get(name.text):
            self._error("NET202", f"`{name.text}` is saved twice", name.span, "rename one", first)
        local.saved.setdefault(name.text, name.span)
        return (SaveStep(name.text, step.span),)

    def _tensor(self, name: nodes.Word) -> Symbol | None:
        """The saved tensor that a name refers to."""
        text = self._scope.names.text(name.span)
        return text.find(name.text, name.span, tensor=True) if text else None

    def _from(self, step: nodes.From, local: Local) -> Sequence[Step]:
        return (FromStep(step.name.text, step.span),) if self._is_saved(step.name, local) else ()

    def _is_saved(self, name: nodes.Word, local: Local) -> bool:
        """True if a tensor with the name is saved; reports another name."""
        if name.text in local.saved:
            return True
        if not self._diagnostics.full:
            found = undefined_tensor(name, self._scope.names)
            self._diagnostics.error(
                "undefined-tensor", found.message, name.span, also=found.also, help=found.help
            )
        return False

    # steps with bodies

    def _branches(self, step: nodes.Branches, local: Local) -> Sequence[Step]:
        if len(step.branches) < 2:
            message = f"`{step.join.text}` needs at least two branches, but has one"
            self._error("NET404", message, step.join.span, "add `| …`, or write its steps without it")
            return ()
        if len(step.branches) > MAX_BRANCHES:
            count = f"{len(step.branches):,} branches, more than the limit of {MAX_BRANCHES:,}"
            help = "join some of them first, in a branch of their own"
            self._error("NET602", f"`{step.join.text}` has {count}", step.join.span, help)
            return ()
        branches = tuple(self._steps(branch.steps, local.inner()) for branch in step.branches)
        spans = tuple(branch.span for branch in step.branches)
        return (BranchesStep(cast(Join, step.join.text), branches, spans, step.join.span),)

    def _when(self, step: nodes.When, local: Local) -> Sequence[Step]:
        cases = []
        labels: dict[str, Span] = {}
        saved: dict[str, Span] = {}
        for condition, body in [*step.cases, *([(None, step.otherwise)] if step.otherwise else [])]:
            # Only one of the cases is in the network, so that each can have the same labels and tensors.
            inner = replace(
                local,
                labels=dict(local.labels),
                saved=dict(local.saved),
                direct=local.shared and local.direct,
            )
            cases.append((condition, self._steps(body.steps, inner)))
            labels |= inner.labels
            saved |= inner.saved
        local.labels.update(labels)
        if local.shared:
            local.saved.update(saved)
        otherwise = cases.pop()[1] if step.otherwise else ()
        chosen = []
        for condition, steps in cases:
            assert condition is not None
            if (expr := self._scope.expression(condition)) is not None:
                chosen.append((expr, steps))
        return (WhenStep(tuple(chosen), otherwise, step.keyword),) if len(chosen) == len(cases) else ()

    def _repeat(self, step: nodes.Repeat, local: Local) -> Sequence[Step]:
        times = self._scope.argument(step.times)
        if isinstance(times, Const) and isinstance(times.value, Fraction):
            self._counts.read(step.times, times.value)
            times = None
        if step.variable:
            self._check_new(step.variable)
        index = step.variable and step.variable.text
        inner = replace(local.inner(), labels={})
        outlined = _needs_block(step.body.steps) and not self._goes_back(step.body)
        if outlined:
            key, documentation = f"{local.owner}_unit", f"The repeated part of {local.owner}."
            body = self._outlined(step, key, documentation, OUTER_IN, inner)
        else:
            body = self._steps(step.body.steps, inner)
        return (RepeatStep(times, index, body, step.keyword),) if times is not None else ()

    def _each(self, step: nodes.Each, local: Local) -> Sequence[Step]:
        if not local.direct:
            message = "`each` inside another step, but it changes what names mean after it"
            self._error("NET106", message, step.keyword, "write it directly in the section or block")
        elif not step.body.steps:
            self._error("NET106", "`each` has no steps", step.keyword, remove(step.span))
        names: dict[str, Span] = {}
        for name in step.names:
            if first := names.get(name.text):
                self._error("NET202", f"`{name.text}` is named twice", name.span, remove(name.span), first)
            elif self._is_saved(name, local):
                names[name.text] = name.span
        key = f"shared_{local.owner}"
        documentation = f"A part of {local.owner} with the same weights for several tensors."
        body = self._outlined(step, key, documentation, IN.name, Local(key))
        return (EachStep(tuple(names), tuple(names.values()), body, step.keyword),)

    def _outlined(
        self, step: nodes.Repeat | nodes.Each, name: str, documentation: str, incoming: str, local: Local
    ) -> Body:
        """The call of a new block for the body of a step. The parameters of the block are the names that the
        body uses; `in` has there the name `incoming`.
        """
        key = self._free_key(name)
        outer, self._scope.incoming = self._scope.incoming, incoming
        body = self._steps(step.body.steps, replace(local, owner=key, labels={}))
        self._scope.incoming = outer
        own = {let.name for let in nested(body, LetStep)} | {r.variable for r in nested(body, RepeatStep)}
        used = [name for name in dict.fromkeys(names(body)) if name not in {*own, IN.name}]
        parameters = tuple((name, None) for name in used)
        self.outlined.append(BlockDefinition(key, key, parameters, body, documentation, step.keyword))
        arguments = tuple((name, Ref(outer if name == OUTER_IN else name)) for name in used)
        return (BlockStep(key, arguments, step.keyword),)

    def _goes_back(self, body: nodes.Body) -> bool:
        """True if a body goes back to a tensor that is saved outside of it."""
        found = (self._tensor(step.name) for step in nested(body, nodes.From))
        return any(tensor and not tensor.span.within(body.span) for tensor in found)

    # skip connections

    def _skip(self, step: nodes.Skip, local: Local) -> Sequence[Step]:
        drop_path = self._drop_path(step)
        if step.if_same and step.shortcut:
            message = "`skip if same` can't have a shortcut: if the shape changes, nothing is added"
            self._error("NET106", message, step.keyword, "remove `if same` or the shortcut")
            return ()
        steps, inner = step.body.steps, local.inner()
        plus = plus_of(self._order)
        after: list[Step] = []
        if plus is not None and uses_units(steps):
            last = steps[-1]
            if isinstance(last, nodes.Unread):
                self._steps(steps, inner)
                return ()
            if not is_unit(last):
                message = "with a `+` in the order, a `skip` body that uses units must end in one"
                help: Help = "end the body with a `unit`, or remove the `+` from the order"
                unit = next((s for s in reversed(steps) if is_unit(s)), None)
                if unit and "\n" not in last.span.text:
                    start = Span(unit.span.source, unit.span.start, unit.span.start)
                    edits = (*remove(last.span).edits, *write(start, f"{last.span.text}, ").edits)
                    help = Fix(f"move `{last.span.text}` up, before the last `unit`", edits, safe=False)
                self._error("NET304", message, last.span, help)
                return ()
            assert isinstance(last, nodes.Call)
            before = self._steps(steps[:-1], inner)
            body = (*before, *self._unit(last, inner, self._order[:plus]))
            after = self._unit(last, local, self._order[plus + 1 :])
        else:
            body = self._steps(steps, inner)
        shortcut = None if step.shortcut is None else self._steps(step.shortcut.steps, local.inner())
        return (SkipStep(body, shortcut, step.if_same, step.keyword, drop_path), *after)

    def _drop_path(self, step: nodes.Skip) -> OperationStep | None:
        if not step.arguments:
            return None
        parameters = [Parameter("drop_path", required=False, named=True)]
        given = bind("skip", parameters, step.arguments, step.keyword, self._diagnostics)
        if not given:
            return None
        argument = nodes.Argument(None, given[0].value)
        call = nodes.Call(nodes.Word("drop_path", step.keyword), (argument,), given[0].span)
        found = self._calls.operation(call, OPERATIONS["drop_path"], {})
        return found[0] if found else None


def _apart(steps: Sequence[nodes.Step]) -> tuple[list[nodes.Call], list[nodes.Step]]:
    """The calls of `default` lines, and the steps. A `default` extends to the end of its line:
    `default conv(bias=no), bn(eps=1e-3)`.
    """
    calls: list[nodes.Call] = []
    others: list[nodes.Step] = []
    last: nodes.Call | None = None
    for step in steps:
        if isinstance(step, nodes.Default):
            calls += step.calls
            last = step.calls[-1]
        elif last and isinstance(step, nodes.Call) and "\n" not in _between(last.span, step.span):
            calls.append(step)
            last = step
        else:
            others.append(step)
            last = None
    return calls, others


def _between(first: Span, second: Span) -> str:
    return first.source.text[first.end : second.start]


def _needs_block(steps: Iterable[nodes.Step]) -> bool:
    """True if a repeated part is more than a chain of layers, or has labels."""
    for step in steps:
        if isinstance(step, (nodes.Skip, nodes.Branches, nodes.Save, nodes.From)):
            return True
        if isinstance(step, nodes.Call) and step.label:
            return True
        inside = tree.bodies(step) if isinstance(step, nodes.When) else ()
        if any(_needs_block(body.steps) for body in inside):
            return True
    return False
