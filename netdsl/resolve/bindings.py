"""The definitions of a network's files, and the names that refer to them.

A definition is known in one part of a text: a parameter in its block, a constant of a body from its line to
the end of the body. So the meaning of a name follows from its place, in a text with errors too.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias

from netdsl.base import tree
from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Span
from netdsl.base.tree import nested
from netdsl.language.words import STAGE_NAMES, STATEMENTS
from netdsl.ops import OPERATIONS
from netdsl.other_frameworks.translation import own_name, own_value
from netdsl.resolve.load_files import File
from netdsl.syntax import nodes

Kind: TypeAlias = Literal[
    "network", "block", "parameter", "constant", "local", "index", "tensor", "label", "word"
]

# Statements that define their second word.
_DEFINING = {"network", "let", "block"}


@dataclass(frozen=True, eq=False, slots=True)
class Symbol:
    """A definition, or a `word` such as `in`, which the language defines.

    `whole` is the statement or step that defines it, `known` the part of the text that knows it. `owner` is
    its block or network, `value` the expression of a constant or the default of a parameter; `values` are
    those that a parameter declares.
    """

    kind: Kind
    name: str
    span: Span
    whole: Span
    known: Span
    owner: Symbol | None = None
    value: nodes.Expr | None = None
    values: tuple[nodes.Expr, ...] = ()
    documentation: str = ""
    parameters: dict[str, Symbol] = field(default_factory=dict, repr=False)

    @property
    def is_constant(self) -> bool:
        """True if its value is known before any block is called."""
        of_network = self.kind == "parameter" and self.owner is not None and self.owner.kind == "network"
        return self.kind == "constant" or of_network


class Occurrence(NamedTuple):
    """A place of a symbol's name: its definition, a use, an argument by name, or its name in an `each`, from
    where on it means another tensor.
    """

    span: Span
    symbol: Symbol
    role: Literal["definition", "use", "argument", "change"] = "use"


class Definitions:
    """The definitions of one text. The labels in `shared` are those of all texts, in the table `labels`."""

    def __init__(
        self, program: nodes.Program, shared: Collection[str] = (), labels: dict[str, Symbol] | None = None
    ) -> None:
        self.program = program
        self.source = program.statements[0].span.source if program.statements else None
        self.symbols: list[Symbol] = []
        self.blocks: dict[str, Symbol] = {}
        self.constants: dict[str, Symbol] = {}
        # The second definitions of a name of the file, each with the first.
        self.duplicates: list[tuple[Symbol, Symbol]] = []
        # Names of which it is unknown what they mean: they may be defined in unread statements, or are twice.
        self.unknown = {
            word
            for first, second, _ in program.unread
            for word in ((first,) if first in STATEMENTS.keys() - _DEFINING else (first, second))
        }
        # Labels and saved tensors that are defined at another place, too.
        self.further: list[Occurrence] = []
        self._shared, self._of_all = shared, {} if labels is None else labels
        # Values and tensors by name, in the order of the text, with the index of the one around each.
        self._known: dict[tuple[bool, str], list[tuple[Symbol, int]]] = {}
        of_sections: dict[str, Symbol] = {}
        for statement in program.statements:
            self._statement(statement, of_sections)

    @property
    def is_whole(self) -> bool:
        """True if all of it can be parsed."""
        return not any(nested(self.program, nodes.Unread))

    def find(self, name: str, place: Span, *, tensor: bool = False) -> Symbol | None:
        """The definition inside of a block or section that a name at a place refers to."""
        found = self._known.get((tensor, name), [])
        index = bisect_right(found, place.start, key=lambda pair: pair[0].known.start) - 1
        while index >= 0 and found[index][0].known.end < place.end:
            index = found[index][1]
        return found[index][0] if index >= 0 else None

    def saved_at_end(self, name: str) -> Symbol | None:
        """The tensor that is known to the end of the text, which an `output` can name."""
        return self.find(name, self.end, tensor=True) if self.source else None

    @property
    def end(self) -> Span:
        """The empty span at the end of the text."""
        assert self.source is not None
        return Span(self.source, len(self.source.text), len(self.source.text))

    def known_at(self, place: Span, *, tensor: bool = False) -> list[str]:
        """The names of values or tensors that are known at a place."""
        return [name for of, name in self._known if of == tensor and self.find(name, place, tensor=tensor)]

    def _define(self, symbol: Symbol) -> Symbol:
        if symbol.kind != "word":
            self.symbols.append(symbol)
        if symbol.is_constant or (symbol.kind == "block" and symbol.name not in OPERATIONS):
            first = (self.constants if symbol.is_constant else self.blocks).setdefault(symbol.name, symbol)
            if first is not symbol:
                self.duplicates.append((symbol, first))
                self.unknown.add(symbol.name)
        elif symbol.kind in ("parameter", "local", "index", "tensor", "word"):
            found = self._known.setdefault((symbol.kind == "tensor", symbol.name), [])
            outer = len(found) - 1
            while outer >= 0 and found[outer][0].known.end < symbol.known.end:
                outer = found[outer][1]
            found.append((symbol, outer))
        return symbol

    def _words(self, words: Iterable[str], known: Span) -> None:
        for word in words:
            self._define(Symbol("word", word, known, known, known))

    def _statement(self, statement: nodes.Statement, of_sections: dict[str, Symbol]) -> None:
        span = statement.span
        file = Span(span.source, 0, len(span.source.text))
        match statement:
            case nodes.Network():
                self._head("network", statement, file)
            case nodes.Block():
                self._body(statement.body, self._head("block", statement, file), {})
            case nodes.Let(name, value):
                self._define(Symbol("constant", name.text, name.span, span, file, value=value))
            case nodes.Classes(number) if "classes" not in self.constants:
                word = Span(span.source, span.start, span.start + len("classes"))
                self._define(Symbol("constant", "classes", word, span, file, value=number))
            case nodes.Detect(call) if "anchors" not in self.constants:
                # The number of the anchors, whose list is the first argument.
                for name, value, _ in call.arguments:
                    if isinstance(value, nodes.ListOf):
                        number, place = nodes.Literal(len(value.items), value.span), name or value
                        self._define(Symbol("constant", "anchors", place.span, span, file, value=number))
                        break
            case nodes.Section(body=body, name=name):
                self._words(("in",), body.span)
                # A section with a name is a module of its own, which keeps its tensors to itself.
                self._body(body, None, of_sections, None if name else file.end)
            case nodes.Output(condition=condition) if condition:
                self._words(("training",), condition.span)
            case nodes.Stage():
                self._words(("in", *STAGE_NAMES), span)
            case nodes.Stages():
                for argument in statement.fixed:
                    self._words(("in", *STAGE_NAMES), argument.value.span)
                for row in statement.rows:
                    if isinstance(row, nodes.Row):
                        self._words(("in", *STAGE_NAMES), row.span)
                    else:
                        self._statement(row, of_sections)

    def _head(self, kind: Kind, node: nodes.Network | nodes.Block, file: Span) -> Symbol:
        """The symbol of a network or block, with those of its parameters."""
        head = Symbol(kind, node.name.text, node.name.span, node.span, file, documentation=node.documentation)
        self._define(head)
        if kind == "block":
            self._words(("in",), node.span)
        for parameter in node.parameters:
            name, whole = parameter.name, parameter.span
            known = Span(whole.source, whole.end, node.span.end)
            symbol = Symbol(
                "parameter", name.text, name.span, whole, known, head, parameter.default, parameter.values
            )
            head.parameters.setdefault(name.text, self._define(symbol))
        return head

    def _body(
        self, body: nodes.Body, owner: Symbol | None, labels: dict[str, Symbol], end: int | None = None
    ) -> None:
        """Defines the names of a body; the tensors that it saves itself are known up to `end`, if given."""
        for step in body.steps:
            rest = Span(body.span.source, step.span.end, body.span.end)
            further = Span(body.span.source, step.span.end, body.span.end if end is None else end)
            inside = labels
            match step:
                case nodes.Let(name, value):
                    self._define(Symbol("local", name.text, name.span, step.span, rest, owner, value))
                case nodes.Save(name) if end is not None and (first := self.saved_at_end(name.text)):
                    # In the other case of a `when`, if it isn't an error.
                    self.further.append(Occurrence(name.span, first))
                case nodes.Save(name):
                    self._define(Symbol("tensor", name.text, name.span, step.span, further, owner))
                case nodes.Unread("let", text):
                    self._define(Symbol("local", text, step.span, step.span, rest, owner))
                case nodes.Unread("save", text):
                    self._define(Symbol("tensor", text, step.span, step.span, further, owner))
                case nodes.Call(label=nodes.Word() as label):
                    self._label(label, step.span, owner, labels)
                case nodes.Each():
                    inside = {}
                case nodes.Repeat(variable=variable, body=inner):
                    inside = {}
                    if variable:
                        index = Symbol(
                            "index", variable.text, variable.span, variable.span, inner.span, owner
                        )
                        self._define(index)
            for inner in tree.bodies(step):
                self._body(inner, owner, inside, end if isinstance(step, nodes.When) else None)

    def _label(self, label: nodes.Word, step: Span, owner: Symbol | None, labels: dict[str, Symbol]) -> None:
        labels = self._of_all if label.text in self._shared else labels
        if known := labels.get(label.text):
            self.further.append(Occurrence(label.span, known))
        else:
            labels[label.text] = self._define(Symbol("label", label.text, label.span, step, step, owner))


class FileNames:
    """The names that a file knows: its `own`, the blocks of the files that it uses, and the standard blocks,
    in this order. `uses` are the spans of its `use` statements; `missing` is true if a used file couldn't be
    read.
    """

    def __init__(
        self,
        own: Definitions,
        used: Sequence[tuple[Definitions, Span]],
        standard: Definitions,
        missing: bool = False,
    ) -> None:
        self.own, self.standard, self.missing = own, standard, missing
        self.used = [text for text, _ in used]
        self.uses = [place for _, place in used]
        self.blocks: dict[str, Symbol] = dict(own.blocks)
        for other in (*self.used, standard):
            self.blocks = {**other.blocks, **self.blocks}

    def is_lost(self, name: str) -> bool:
        """True if a name has a definition, but it is unknown which."""
        return name in self.own.unknown or (self.missing and not own_name(name) and own_value(name) == name)

    @property
    def constants(self) -> Mapping[str, Symbol]:
        return self.own.constants

    def text(self, place: Span) -> Definitions | None:
        """The text that a place is in; None for a place on the command line."""
        return next((text for text in (self.own, self.standard) if text.source is place.source), None)

    def find(self, name: str, place: Span) -> Symbol | None:
        """The parameter, constant or word that a name at a place refers to."""
        text = self.text(place)
        return (text and text.find(name, place)) or self.constants.get(name)

    def callee(self, word: nodes.Word) -> Symbol | None:
        """The parameter, constant or block that a call refers to; None for an operation."""
        found, block = self.find(word.text, word.span), self.blocks.get(word.text)
        number = found and found.is_constant and not isinstance(found.value, nodes.Name)
        return block if number and (block or word.text in OPERATIONS) else found or block

    def known_at(self, place: Span) -> list[str]:
        """The names of the parameters and constants that are known at a place."""
        text = self.text(place)
        return [*(text.known_at(place) if text else ()), *self.constants]

    def named(self, name: str, place: Span) -> list[Symbol]:
        """All definitions of a name in the text of a place."""
        return [symbol for symbol in (self.text(place) or self.own).symbols if symbol.name == name]

    def owner(self, place: Span) -> Symbol | None:
        """The block around a place."""
        return next((block for block in self.own.blocks.values() if place.within(block.whole)), None)

    def occurrences(self, labels: Mapping[str, Symbol]) -> Iterator[Occurrence]:
        """All places of names in the file's own text; `labels` are those that init rules name."""
        for symbol in self.own.symbols:
            yield Occurrence(symbol.span, symbol, "definition")
        yield from self.own.further
        for statement in self.own.program.statements:
            if isinstance(statement, nodes.Init):
                for rule in nested(statement, nodes.InitRule):
                    yield from _at(rule.key.span, labels.get(rule.key.text))
                    yield from self.references(rule.rule.arguments)
            else:
                yield from self.references(statement)

    def references(self, node: object) -> Iterator[Occurrence]:
        """The places in a part of the file's tree where names are used."""
        kinds = (nodes.Name, nodes.Call, nodes.Stages, nodes.From, nodes.Each, nodes.Output, nodes.Variant)
        for found in nested(node, kinds):
            match found:
                case nodes.Name(name, span):
                    yield from _at(span, self.find(name, span) or self.blocks.get(name))
                case nodes.Call(name, arguments):
                    yield from self._call(name, (argument.name for argument in arguments))
                case nodes.Stages(block, fixed, header):
                    yield from self._call(block, (*(argument.name for argument in fixed), *header))
                case nodes.Variant(arguments=arguments):
                    for argument in arguments:
                        if word := argument.name:
                            yield from _at(word.span, self.constants.get(word.text))
                case nodes.From(name, span):
                    yield from _at(name.span, self.own.find(name.text, span, tensor=True))
                case nodes.Each(names=names):
                    for name in names:
                        if tensor := self.own.find(name.text, name.span, tensor=True):
                            yield Occurrence(name.span, tensor, "change")
                case nodes.Output(names):
                    for name in names:
                        yield from _at(name.span, self.own.saved_at_end(name.text))

    def _call(self, name: nodes.Word, arguments: Iterable[nodes.Word | None]) -> Iterator[Occurrence]:
        target = self.callee(name)
        yield from _at(name.span, target)
        for argument in arguments if target and target.kind == "block" else ():
            if argument and argument.text in target.parameters:  # type: ignore[union-attr]
                parameter = target.parameters[argument.text]  # type: ignore[union-attr]
                yield Occurrence(argument.span, parameter, "argument")


def _at(span: Span, symbol: Symbol | None) -> Iterator[Occurrence]:
    if symbol is not None and symbol.kind != "word":
        yield Occurrence(span, symbol)


class Bindings:
    """The names of all files of a network, the main file first."""

    def __init__(self, files: Mapping[str, File], standard: nodes.Program) -> None:
        rules = nested([file.program.statements for file in files.values()], nodes.InitRule)
        shared = {rule.key.text for rule in rules}
        self._labels: dict[str, Symbol] = {}
        std = Definitions(standard, shared, self._labels)
        texts = {path: Definitions(file.program, shared, self._labels) for path, file in files.items()}
        self._standard = FileNames(std, (), std)
        self.files = {
            path: FileNames(texts[path], [(texts[used], at) for used, at in file.used], std, file.missing)
            for path, file in files.items()
        }

    @property
    def main(self) -> FileNames:
        return next(iter(self.files.values()))

    @cached_property
    def occurrences(self) -> tuple[Occurrence, ...]:
        files = (*self.files.values(), self._standard)
        return tuple(found for file in files for found in file.occurrences(self._labels))

    @property
    def definitions(self) -> list[Symbol]:
        return [found.symbol for found in self.occurrences if found.role == "definition"]

    def at(self, path: str, offset: int) -> Occurrence | None:
        """The occurrence at an offset; a name still counts directly behind its end."""
        found = self._by_path.get(path, [])
        index = bisect_left(found, offset, key=lambda occurrence: occurrence.span.end)
        return found[index] if index < len(found) and found[index].span.start <= offset else None

    @cached_property
    def _by_path(self) -> Mapping[str, Sequence[Occurrence]]:
        """The occurrences of each text in its order; they don't overlap."""
        found: dict[str, list[Occurrence]] = {}
        for occurrence in sorted(self.occurrences, key=lambda occurrence: occurrence.span.start):
            found.setdefault(occurrence.span.source.name, []).append(occurrence)
        return found

    def of(self, symbol: Symbol) -> list[Span]:
        """All places of a symbol's name."""
        return [found.span for found in self.occurrences if found.symbol is symbol]
