"""Binds the names of a network's files, which makes a ResolvedNetwork."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from netdsl.base.source import Span
from netdsl.base.tree import bodies, map_bodies, steps
from netdsl.base.values import Symbol, show
from netdsl.diagnostics import Diagnostics, Label, add_line, listing, write
from netdsl.diagnostics.spelling import closest
from netdsl.ir.resolved import (
    BlockDefinition,
    Bound,
    Detect,
    Init,
    Part,
    ResolvedNetwork,
    Section,
    Stage,
    WrongStep,
    part_names,
)
from netdsl.language.detectors import DETECTORS
from netdsl.language.expressions import ONE
from netdsl.language.words import SECTIONS
from netdsl.ops.operation import UNKNOWN, Shape
from netdsl.other_frameworks.translation import own_shape
from netdsl.resolve.bindings import Bindings
from netdsl.resolve.calls import unknown_block
from netdsl.resolve.check_recipe import Subject, check_recipe
from netdsl.resolve.file_scope import FileScope, Registry, names_in, statements, values_of
from netdsl.resolve.input_and_expect import read_expectation, read_input
from netdsl.resolve.last_norm import LastNorms
from netdsl.resolve.load_files import LIBRARY, File
from netdsl.resolve.read_detect import for_detector, read_detect
from netdsl.resolve.read_init import LAST_NORM, read_init
from netdsl.resolve.read_outputs import read_outputs
from netdsl.resolve.read_recipe import RecipeReader
from netdsl.resolve.recursion import check_recursion
from netdsl.resolve.stage_tables import has_columns, rows_of
from netdsl.resolve.variants import check_variants, chosen
from netdsl.syntax import nodes

# Statements that no shape in the sections and stages depends on, or whose names are known even after an
# error.
_APART = {"network", "classes", "order", "let", "block", "output", "detect", "init", "train", "expect"}


@dataclass(frozen=True, slots=True)
class Overrides:
    """Overrides of the command line: `--input`, `--set name=value`, keys of the recipe, and the name of the
    variant.
    """

    input: tuple[nodes.Expr, ...] = ()
    parameters: Mapping[str, tuple[nodes.Expr, ...]] = field(default_factory=dict)
    recipe: Mapping[str, tuple[nodes.Expr, ...]] = field(default_factory=dict)
    variant: tuple[nodes.Expr, ...] = ()


def resolve(
    files: Mapping[str, File], standard: nodes.Program, overrides: Overrides, diagnostics: Diagnostics
) -> tuple[ResolvedNetwork | None, Bindings]:
    """The network of the first file, and the names of all files. The network is None if the file is a library
    of blocks or has recursive blocks; after other errors, it has a `WrongStep` for each step with one.

    The blocks of `standard` are resolved as if they were in each file.
    """
    bindings = Bindings(files, standard)
    return _Resolver(bindings, overrides, diagnostics).run(), bindings


class _Resolver:
    def __init__(
        self,
        bindings: Bindings,
        overrides: Overrides,
        diagnostics: Diagnostics,
    ) -> None:
        self._overrides = overrides
        self._diagnostics = diagnostics
        self._bindings = bindings
        self._registry = Registry()
        main = bindings.main
        self._program = main.own.program
        self._variants = statements(self._program, nodes.Variant)
        networks = statements(self._program, nodes.Network)
        self._variant = chosen(
            networks[0] if networks else None, self._variants, overrides.variant, diagnostics
        )
        given = {name: values[0] for name, values in overrides.parameters.items() if values}
        values = {**self._variant.parameters, **given}
        self._input_shape = overrides.input or self._variant.input
        keys = {
            names.own: self._registry.add(
                block
                for block in statements(names.own.program, nodes.Block)
                if block.name.text in names.own.blocks
            )
            for names in bindings.files.values()
        }
        self._files: dict[str, FileScope] = {}
        held = cache(lambda: values_of(self._files, tuple(values.values())))
        for path, names in bindings.files.items():
            own = values if names is main else {}
            self._files[path] = FileScope(names, keys, own, held, self._registry, diagnostics)
        self._main = next(iter(self._files.values()))
        self._network = self._main.single(nodes.Network)
        self._check_parameters()
        if self._network:
            check_variants(self._network, self._variants, main, self._main.scope, diagnostics)

    def run(self) -> ResolvedNetwork | None:
        main = self._main
        blocks = [block for file in self._files.values() for block in file.block_definitions()]
        finite = True
        for file in self._files.values():
            known = {name: self._registry.blocks[key] for name, key in file.known.items()}
            finite &= check_recursion(file.names, known, file.order, self._diagnostics)
        if self._network is None:
            self._check_library()
            return None
        network = self._network
        entering, place = self._input()
        parts = self._parts()
        labels: dict[str, set[str]] = {}
        for file in self._files.values():
            blocks += file.steps.outlined
            for label, called in file.steps.labels.steps.items():
                labels.setdefault(label, set()).update(called)
        init = read_init(main.single(nodes.Init), labels, main.scope, self._diagnostics)
        train = main.single(nodes.Train)
        names = None if self._program.unread else part_names(parts)
        of_detector = main.single(nodes.Detect)
        kind = of_detector.kind.name.text if of_detector else ""
        reader = RecipeReader(main.scope, names, self._diagnostics, kind if kind in DETECTORS else "")
        recipe, places, wrong = reader.read(train, self._overrides.recipe)
        outputs = read_outputs(
            statements(self._program, nodes.Output), main.names.own, main.scope, self._diagnostics
        )
        classes = self._classes()
        detect = self._detect(classes)
        lost = detect is None and of_detector is not None
        if lost or any(found.kind in ("output", "detect") for found in self._program.unread):
            outputs = None
        expected = (
            read_expectation(e, main.scope, outputs or (), self._diagnostics)
            for e in statements(self._program, nodes.Expect)
        )
        # Expectations that depend on the input's size are for the file's own input.
        other = ("macs", "output") if self._input_shape else ()
        expectations = tuple(found for found in expected if found and found.quantity not in other)
        if detect:
            recipe = for_detector(recipe, places, detect)
        subject = Subject(recipe, places, wrong, self._program, entering, place, classes, detect)
        check_recipe(subject, self._diagnostics)
        if not finite:
            return None
        parts, blocks = self._marked(init, parts, blocks)
        values = ((p.name.text, main.scope.constant(p.name.text)) for p in network.parameters)
        parameters = tuple((name, value) for name, value in values if value is not None)
        if outputs is None:  # The output is unknown, and not compared with the classes.
            classes = None
        return ResolvedNetwork(
            self._variant.name, network.documentation, parameters, entering, place, classes, parts,
            tuple(blocks), init, recipe, expectations, network.name.span, self._is_sound(parts, blocks),
            network.class_name and network.class_name.text, self._open_classes(), outputs or (), detect,
            None if "data" in wrong else places.get("data"),
        )  # fmt: skip

    def _is_sound(self, parts: Sequence[Part], blocks: Sequence[BlockDefinition]) -> bool:
        """True if no shape or cost depends on an error."""
        bodies = [*(part.body for part in parts if isinstance(part, Section)), *(b.body for b in blocks)]
        wrong = any(isinstance(step, WrongStep) for body in bodies for step in steps(body))
        unread = {found.kind for found in self._program.unread} <= {"expect", "init", "train"}
        return unread and not wrong and all(file.sound for file in self._files.values())

    def _marked(
        self, init: Init, parts: tuple[Part, ...], blocks: list[BlockDefinition]
    ) -> tuple[tuple[Part, ...], list[BlockDefinition]]:
        """Parts and blocks with the last norms of skip connections marked, if there is a rule for them."""
        if LAST_NORM not in dict(init.kinds):
            return parts, blocks
        marked = LastNorms({block.key: block for block in blocks}, self._diagnostics).marked
        return tuple(map_bodies(part, marked) for part in parts), [map_bodies(b, marked) for b in blocks]

    def _open_classes(self) -> bool:
        """True if `classes` only decides arguments of steps in sections."""
        statements = [s for s in self._program.statements if not isinstance(s, nodes.Expect)]
        sections = [s.body for s in statements if isinstance(s, nodes.Section)]
        found = sum(map(_given_classes, sections))
        return found > 0 and found == sum(name == "classes" for name in names_in(statements))

    def _check_library(self) -> None:
        """Reports a statement that a file without a network can't have."""
        if self._program.unread:
            return
        if not self._program.statements:
            help = "start the file with `network NAME`"
            self._diagnostics.error("missing-statement", f"{next(iter(self._files))} is empty", help=help)
        for statement in self._program.statements:
            if not isinstance(statement, LIBRARY):
                what = statement.span.text.split(None, 1)[0]
                fix = add_line(statement.span, "network my_net", before=True, safe=False)
                message = f"`{what}` belongs to a network, but the file has none"
                self._diagnostics.error("missing-statement", message, statement.span, help=fix)
                return

    # statements

    def _check_parameters(self) -> None:
        """Reports values for unknown parameters, and parameters without a value."""
        given = self._overrides.parameters
        known = [p.name.text for p in self._network.parameters] if self._network else []
        for name, values in given.items():
            if name not in known:
                span = values[0].span if values else None
                help = f"it has {listing(known)}" if known else "it has none"
                if near := closest(name, known):
                    help = f"did you mean `--set {near}={values[0].span.text if values else '…'}`?"
                network = f"`{self._network.name.text}`" if self._network else "a library"
                self._diagnostics.error("NET301", f"{network} has no parameter `{name}`", span, help=help)
            elif len(values) > 1:
                message = f"`{name}` is set to {len(values)} values"
                self._diagnostics.error("NET301", message, values[1].span, help="give one value")
        for parameter in self._network.parameters if self._network else ():
            name = parameter.name.text
            if parameter.default is None and name not in {**given, **self._variant.parameters}:
                message = f"the network parameter `{name}` has no value"
                help = f"give it one: `--set {name}=…`, or a default in the file"
                self._diagnostics.error("NET301", message, parameter.name.span, help=help)

    def _input(self) -> tuple[Shape, Span]:
        """The shape of one example and its span; the shape is unknown after an error."""
        assert self._network is not None
        statement = self._main.single(nodes.Input)
        if self._input_shape:
            given, *more = self._input_shape
            if more:
                whole = given.span.to(more[-1].span)
                message = "the input has more than one shape"
                self._diagnostics.error(
                    "input-shape", message, whole, help=write(whole, own_shape(whole.text))
                )
                return UNKNOWN, whole
            statement = nodes.Input(given, given.span)
        unread = {found.kind for found in self._program.unread}
        if statement is not None:
            read = read_input(statement, self._main.scope, self._diagnostics)
            # An unread statement may change the shapes.
            return (read if read and unread <= _APART else UNKNOWN), statement.shape.span
        if unread <= _APART:
            self._diagnostics.error(
                "missing-statement",
                "the network has no `input`",
                self._network.span,
                help=add_line(self._network.span, "input 3x32x32", safe=False),
            )
        return UNKNOWN, self._network.span

    def _classes(self) -> int | None:
        statement = self._main.single(nodes.Classes)
        if statement is None:
            return None
        value = self._main.scope.constant("classes")
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
            return value
        message = f"the number of classes is {show(value)}, but must be a whole number of at least 1"
        help = "write a whole number, as `classes 10`"
        self._diagnostics.error("number-of-classes", message, statement.number.span, help=help)
        return None

    def _detect(self, classes: int | None) -> Detect | None:
        statement = self._main.single(nodes.Detect)
        if statement is None:
            return None
        if classes is None and self._main.single(nodes.Classes) is None:
            message, above = "a detector needs the number of classes", statement.span
            help = add_line(above, "classes 10", ", with the number of classes", before=True, safe=False)
            self._diagnostics.error("missing-statement", message, above, help=help)
        return read_detect(statement, classes, self._main.scope, self._diagnostics)

    # parts

    def _parts(self) -> tuple[Part, ...]:
        parts: list[Part] = []
        sections: dict[str, Span] = {}
        for statement in self._program.statements:
            match statement:
                case nodes.Section():
                    parts.append(self._section(statement, sections))
                case nodes.Stage(call):
                    parts.append(self._stage(call.name, call.arguments, statement.span, parts))
                case nodes.Unread(kind) if kind in (*SECTIONS, "stage", "stages"):
                    parts.append(_wrong(statement.span))
                case nodes.Stages():
                    rows = list(rows_of(statement, self._diagnostics))
                    block = self._registry.blocks.get(self._main.known.get(statement.block.text, ""))
                    whole = has_columns(statement, block, self._diagnostics)
                    if not rows or len(rows) < len(statement.rows) or not whole:
                        parts.append(_wrong(statement.span))
                    for row in rows:
                        if isinstance(row, nodes.Section):
                            parts.append(self._section(row, sections))
                        elif isinstance(row, nodes.Unread):
                            parts.append(_wrong(row.span))
                        elif whole:
                            parts.append(self._stage(statement.block, row.arguments, row.span, parts))
        kinds = (nodes.Section, nodes.Stage, nodes.Stages)
        said = any(isinstance(statement, kinds) for statement in self._program.statements)
        if not said and self._network and not self._program.unread:
            self._diagnostics.error(
                "missing-statement",
                "the network has no layers",
                self._network.span,
                help="add `stem { … }`, `layers { … }` or `stages`",
            )
        return tuple(parts)

    def _section(self, statement: nodes.Section, seen: dict[str, Span]) -> Section:
        kind = statement.kind
        body = self._main.steps.section(statement)
        if kind.text != "layers":
            if kind.text in seen:
                # The intended position, and the intended output, are unknown.
                wrong = WrongStep(kind.span)
                body = (wrong, *body, wrong)
                one = "a network has one output: remove one `head`"
                also = [Label(seen[kind.text], "first here")]
                self._diagnostics.error(
                    "duplicate-statement",
                    f"duplicate `{kind.text}`",
                    kind.span,
                    also=also,
                    help=one if kind.text == "head" else "rename one to `layers`",
                )
            seen.setdefault(kind.text, kind.span)
        name = statement.name and self._main.steps.labels.of_part(statement.name)
        return Section(kind.text, body, statement.span, name)

    def _stage(
        self, name: nodes.Word, arguments: Sequence[nodes.Argument], span: Span, parts: list[Part]
    ) -> Part:
        """The stage that follows the `parts`; a wrong part after a diagnostic."""
        block = self._stage_block(name)
        if block is None:
            return _wrong(span)
        repeat = [a for a in arguments if a.name and a.name.text == "repeat"]
        if len(repeat) > 1:
            message = "`repeat` is given twice"
            self._diagnostics.error("NET301", message, repeat[1].value.span, help="remove one")
        copies: int | None = 1
        if repeat:
            copies = self._main.counts.read(repeat[0].value, self._main.scope.value(repeat[0].value))
        label = self._stage_label(arguments, block)
        own = ("repeat",) if label is None else ("repeat", "label")
        rest = [a for a in arguments if not (a.name and a.name.text in own)]
        first = self._main.calls.arguments(block, name.text, rest, span)
        if copies is None or first is None:
            return _wrong(span)
        others: Bound = tuple(pair for pair in first if pair[0] != "stride")
        stride = next((p for p in self._registry.blocks[block].parameters if p.name.text == "stride"), None)
        if stride and stride.default is None:
            others = (*others, ("stride", ONE))
        last = next((part for part in reversed(parts) if isinstance(part, Stage)), None)
        before = last.before + last.copies if last else 0
        return Stage(block, first, others, copies, before, span, label)

    def _stage_label(self, arguments: Sequence[nodes.Argument], block: str) -> str | None:
        """The label that a stage is given: an argument or a column `label`, where the block has no parameter
        of that name.
        """
        if any(parameter.name.text == "label" for parameter in self._registry.blocks[block].parameters):
            return None
        for name, value, _ in arguments:
            if name and name.text == "label" and isinstance(value, nodes.Name):
                return self._main.steps.labels.of_part(nodes.Word(value.name, value.span))
        return None

    def _stage_block(self, name: nodes.Word) -> str | None:
        """The key of a stage's block; its name may be a network parameter that holds a block."""
        target = self._main.known.get(name.text)
        if target is None and self._main.names.is_lost(name.text):
            return None
        if target is None and name.text in self._main.names.constants:
            value = self._main.scope.constant(name.text)
            if value is None:
                return None
            target = value.name if isinstance(value, Symbol) else str(value)
        if target not in self._registry.blocks:
            target = target or name.text
            unknown_block(name, target, self._main.known, self._diagnostics)
            return None
        return target


def _given_classes(body: nodes.Body) -> int:
    """The number of arguments of steps that are `classes`, except in `repeat`, which may become a block."""
    found = 0
    for step in body.steps:
        if isinstance(step, nodes.Call):
            values = (argument.value for argument in step.arguments)
            found += sum(isinstance(value, nodes.Name) and value.name == "classes" for value in values)
        elif not isinstance(step, nodes.Repeat):
            found += sum(map(_given_classes, bodies(step)))
    return found


def _wrong(span: Span) -> Section:
    """A replacement for a part with an error."""
    return Section("layers", (WrongStep(span),), span)
