"""Program to ResolvedNetwork: every name gets its meaning."""

from __future__ import annotations

import keyword
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

from netdsl import syntax
from netdsl.arguments import signature
from netdsl.diagnostics import Diagnostics, Label, listing, nearest
from netdsl.expressions import IN
from netdsl.ops import OPERATIONS
from netdsl.ops.base import Shape
from netdsl.passes.facts import read_expectation, read_init, read_input
from netdsl.passes.recipe import RecipeReader
from netdsl.passes.recursion import check_recursion
from netdsl.passes.scope import Scope, whole
from netdsl.passes.steps import UNIT, StepResolver, check_order
from netdsl.passes.tables import rows_of
from netdsl.resolved import BlockDefinition, Bound, Part, ResolvedNetwork, Section, Stage
from netdsl.source import Source, Span
from netdsl.values import Value

S = TypeVar("S")

# A stage has at most this many copies, so that a short file has a bounded cost.
MAX_REPEAT = 100_000


DEFAULT_ORDER = "conv bn + relu"


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the command line says over the file: `--set name=value`, and keys of the recipe."""

    parameters: Mapping[str, tuple[syntax.Expr, ...]] = field(default_factory=dict)
    recipe: Mapping[str, tuple[syntax.Expr, ...]] = field(default_factory=dict)


def resolve(
    program: syntax.Program, standard: syntax.Program, overrides: Overrides, diagnostics: Diagnostics
) -> ResolvedNetwork | None:
    """The network of a file, or None where the file is a library of blocks or has an error.

    `standard` are the standard blocks: they behave as if they stood in the file.
    """
    return _Resolver(program, standard, overrides, diagnostics).run()


class _Resolver:
    def __init__(
        self,
        program: syntax.Program,
        standard: syntax.Program,
        overrides: Overrides,
        diagnostics: Diagnostics,
    ) -> None:
        self._program = program
        self._overrides = overrides
        self._diagnostics = diagnostics
        self._network = self._single(syntax.Network)
        self._check_overrides()
        self._blocks = self._all_blocks(standard)
        unread = {name for _, name in program.unread}
        overrides_by_name = self._parameter_overrides()
        self._scope = Scope(self._definitions(), self._blocks, overrides_by_name, diagnostics, unread)
        self._steps = StepResolver(
            self._scope, self._blocks, self._order(), self._defaults(), diagnostics, unread
        )

    def run(self) -> ResolvedNetwork | None:
        before = len(self._diagnostics)
        constants = {name: self._scope.constant(name) for name in self._scope.names()}
        blocks = tuple(map(self._block, self._blocks.values()))
        check_recursion(self._blocks, self._steps.order, self._diagnostics)
        for use in self._of(syntax.Use):
            self._diagnostics.error(
                "NET105", "`use` is not supported yet", use.span, help="copy the blocks into this file"
            )
        if self._network is None:
            self._check_library()
            return None
        network = self._network
        shape = self._input()
        parts = self._parts()
        init = read_init(self._single(syntax.Init), self._diagnostics)
        train = self._single(syntax.Train)
        recipe = RecipeReader(self._scope, self._diagnostics).read(train, self._overrides.recipe)
        expected = (read_expectation(e, self._scope, self._diagnostics) for e in self._of(syntax.Expect))
        expectations = tuple(expectation for expectation in expected if expectation)
        classes = self._classes()
        if shape is None or len(self._diagnostics) > before:
            return None
        parameters = tuple((p.name.text, cast(Value, constants[p.name.text])) for p in network.parameters)
        return ResolvedNetwork(
            network.name.text, network.documentation, parameters, shape, classes, parts, blocks, init, recipe,
            expectations, network.name.span,
        )  # fmt: skip

    def _check_library(self) -> None:
        """A file without a network holds definitions, and nothing that belongs to a network."""
        if self._program.unread:
            return
        if not self._program.statements:
            help = "a network starts with `network NAME`"
            self._diagnostics.error("NET206", "the file is empty", help=help)
        for statement in self._program.statements:
            if not isinstance(statement, (syntax.Block, syntax.Let, syntax.Default, syntax.Use)):
                what = statement.span.text.split(None, 1)[0]
                help = "add `network NAME` at the top"
                message = f"`{what}` belongs to a network, and the file has none"
                self._diagnostics.error("NET206", message, statement.span, help=help)
                return

    # statements

    def _of(self, kind: type[S]) -> list[S]:
        return [statement for statement in self._program.statements if isinstance(statement, kind)]

    def _single(self, kind: type[S]) -> S | None:
        """The statement of a kind that may stand once."""
        found = self._of(kind)
        for again in found[1:]:
            span: Span = again.span  # type: ignore[attr-defined]
            first: Span = found[0].span  # type: ignore[attr-defined]
            what = kind.__name__.lower()
            self._diagnostics.error(
                "NET206", f"`{what}` stands twice", span, also=[Label(first, "first here")], help="remove one"
            )
        return found[0] if found else None

    def _check_overrides(self) -> None:
        known = [p.name.text for p in self._network.parameters] if self._network else []
        for name, values in self._overrides.parameters.items():
            if name not in known:
                span = values[0].span if values else None
                help = nearest(name, known) or (f"it has {listing(known)}" if known else "it has none")
                self._diagnostics.error("NET204", f"the network has no parameter `{name}`", span, help=help)
            elif len(values) > 1:
                message = f"`{name}` is set to {len(values)} values"
                self._diagnostics.error("NET204", message, values[1].span, help="give one")

    def _parameter_overrides(self) -> dict[str, syntax.Expr]:
        return {name: values[0] for name, values in self._overrides.parameters.items() if values}

    def _definitions(self) -> dict[str, tuple[syntax.Expr, Span]]:
        definitions: dict[str, tuple[syntax.Expr, Span]] = {}
        overridden = self._parameter_overrides()
        for parameter in self._network.parameters if self._network else ():
            value = overridden.get(parameter.name.text) or parameter.default
            if value is None:
                name = parameter.name.text
                self._diagnostics.error(
                    "NET204",
                    f"the network parameter `{name}` has no value",
                    parameter.name.span,
                    help=f"give it one: `--set {name}=…`, or a default in the file",
                )
                value = syntax.Literal(1, parameter.name.span)
            self._define(definitions, parameter.name, value)
        for let in self._of(syntax.Let):
            self._define(definitions, let.name, let.value)
        if classes := self._single(syntax.Classes):
            self._define(definitions, syntax.Word("classes", classes.span), classes.number)
        return definitions

    def _define(
        self, definitions: dict[str, tuple[syntax.Expr, Span]], name: syntax.Word, value: syntax.Expr
    ) -> None:
        self._usable(name)
        if name.text in definitions:
            also = [Label(definitions[name.text][1], "first defined here")]
            self._diagnostics.error(
                "NET202", f"`{name.text}` is defined twice", name.span, also=also, help="rename one"
            )
        definitions.setdefault(name.text, (value, name.span))

    def _usable(self, name: syntax.Word) -> None:
        """Names of the file become names in Python."""
        if keyword.iskeyword(name.text) or name.text.startswith("__") or name.text == "self":
            self._diagnostics.error(
                "NET210", f"`{name.text}` has a meaning in Python", name.span, help="choose another name"
            )

    def _all_blocks(self, standard: syntax.Program) -> dict[str, syntax.Block]:
        if self._network:
            self._usable(self._network.name)
        blocks: dict[str, syntax.Block] = {}
        for block in self._of(syntax.Block):
            name = block.name
            self._usable(name)
            if name.text in OPERATIONS or name.text == UNIT:
                self._diagnostics.error(
                    "NET202",
                    f"`{name.text}` is an operation, and can't be a block too",
                    name.span,
                    help="rename the block",
                )
            elif name.text in blocks:
                also = [Label(blocks[name.text].name.span, "first defined here")]
                self._diagnostics.error(
                    "NET202",
                    f"the block `{name.text}` is defined twice",
                    name.span,
                    also=also,
                    help="rename one",
                )
            else:
                blocks[name.text] = block
        for statement in standard.statements:
            if isinstance(statement, syntax.Block):
                blocks.setdefault(statement.name.text, statement)
        return blocks

    def _order(self) -> Sequence[syntax.Call | syntax.Plus]:
        order = self._single(syntax.Order)
        if order and check_order(order, self._diagnostics):
            return order.items
        source = Source("the default order", f"order {DEFAULT_ORDER}")
        span = Span(source, 0, len(source.text))
        return [
            syntax.Plus(span) if word == "+" else syntax.Call(syntax.Word(word, span), (), span)
            for word in DEFAULT_ORDER.split()
        ]

    def _defaults(self) -> dict[str, tuple[syntax.Argument, ...]]:
        defaults: dict[str, tuple[syntax.Argument, ...]] = {}
        for call in (call for statement in self._of(syntax.Default) for call in statement.calls):
            name = call.name.text
            known = [p.name for p in signature(OPERATIONS[name])] if name in OPERATIONS else []
            if name not in OPERATIONS:
                self._diagnostics.error(
                    "NET201",
                    f"there is no operation `{name}`",
                    call.name.span,
                    help=nearest(name, OPERATIONS),
                )
                continue
            for argument in call.arguments:
                if argument.name is None:
                    self._diagnostics.error(
                        "NET204",
                        "defaults are given by name",
                        argument.value.span,
                        help=f"as in `default {name}({known[-1]}=…)`" if known else "it takes none",
                    )
                elif argument.name.text not in known:
                    takes = f"it takes {listing(known)}" if known else "it takes none"
                    help = nearest(argument.name.text, known) or takes
                    self._diagnostics.error(
                        "NET204",
                        f"`{name}` has no argument `{argument.name.text}`",
                        argument.name.span,
                        help=help,
                    )
                else:
                    defaults[name] = (*defaults.get(name, ()), argument)
        return defaults

    def _input(self) -> Shape | None:
        statement = self._single(syntax.Input)
        if statement is not None:
            return read_input(statement, self._scope, self._diagnostics)
        assert self._network is not None
        if not any(word == "input" for word, _ in self._program.unread):
            self._diagnostics.error(
                "NET206", "the network has no `input`", self._network.span, help="add `input 3x32x32`"
            )
        return None

    def _classes(self) -> int | None:
        statement = self._single(syntax.Classes)
        if statement is None:
            return None
        return whole(
            self._scope.constant("classes"), "the number of classes", statement.number.span, self._diagnostics
        )

    # blocks and parts

    def _block(self, block: syntax.Block) -> BlockDefinition:
        local = ["in"]
        parameters = []
        for parameter in block.parameters:
            self._usable(parameter.name)
            name = parameter.name.text
            if name in local:
                self._diagnostics.error(
                    "NET202", f"the parameter `{name}` stands twice", parameter.name.span, help="rename one"
                )
            default = None if parameter.default is None else self._scope.expression(parameter.default, local)
            parameters.append((name, default))
            local.append(name)
        body = self._steps.body(block.body, local)
        return BlockDefinition(block.name.text, tuple(parameters), body, block.documentation, block.name.span)

    def _parts(self) -> tuple[Part, ...]:
        parts: list[Part] = []
        sections: dict[str, Span] = {}
        for statement in self._program.statements:
            match statement:
                case syntax.Section():
                    parts.append(self._section(statement, sections))
                case syntax.Stage(call):
                    parts += self._stage(call.name, call.arguments, statement.span)
                case syntax.Stages():
                    parts += self._stages(statement, sections)
        if not parts and self._network and not self._program.unread:
            self._diagnostics.error(
                "NET206",
                "the network has no layers",
                self._network.span,
                help="add `stem { … }`, `layers { … }` or `stages`",
            )
        return tuple(parts)

    def _section(self, statement: syntax.Section, seen: dict[str, Span]) -> Section:
        kind = statement.kind
        if kind.text != "layers":
            if kind.text in seen:
                also = [Label(seen[kind.text], "first here")]
                self._diagnostics.error(
                    "NET206",
                    f"`{kind.text}` stands twice",
                    kind.span,
                    also=also,
                    help="use `layers` for one of them",
                )
            seen.setdefault(kind.text, kind.span)
        return Section(kind.text, self._steps.body(statement.body, [IN.name]), statement.span)

    def _stages(self, statement: syntax.Stages, sections: dict[str, Span]) -> list[Part]:
        parts: list[Part] = []
        for row in rows_of(statement, self._diagnostics):
            if isinstance(row, syntax.Section):
                parts.append(self._section(row, sections))
            else:
                parts += self._stage(statement.block, row.arguments, row.span)
        return parts

    def _stage(self, name: syntax.Word, arguments: Sequence[syntax.Argument], span: Span) -> list[Stage]:
        """One row of blocks; a list, empty after a diagnostic."""
        block = self._stage_block(name)
        if block is None:
            return []
        repeat = [a for a in arguments if a.name and a.name.text == "repeat"]
        count = (
            whole(self._scope.value(repeat[0].value), "`repeat`", repeat[0].value.span, self._diagnostics)
            if repeat
            else 1
        )
        if count is not None and count > MAX_REPEAT:
            self._diagnostics.error(
                "NET405",
                f"a stage of {count:,} blocks is too long",
                repeat[0].value.span,
                help=f"{MAX_REPEAT:,} at most",
            )
            count = None
        rest = [a for a in arguments if not (a.name and a.name.text == "repeat")]
        first = self._steps.arguments(block, rest, span, [IN.name])
        others: Bound | None = None if first is None else tuple(pair for pair in first if pair[0] != "stride")
        if count is None or first is None or others is None:
            return []
        return [Stage(block, first, others, count, span)]

    def _stage_block(self, name: syntax.Word) -> str | None:
        """The block of a stage: by its name, or by a network parameter that holds it."""
        target: str | None = name.text
        if any(name.text == unread for _, unread in self._program.unread):
            return None
        if target not in self._blocks and self._scope.defines(name.text):
            value = self._scope.constant(name.text)
            target = None if value is None else str(value)
        if target is not None and target not in self._blocks:
            help = nearest(target, self._blocks) or f"define it with `block {target}(…) {{ … }}`"
            self._diagnostics.error("NET201", f"there is no block `{target}`", name.span, help=help)
            return None
        return target
