"""Names and what they mean, from the syntax tree: where each is defined, and all its occurrences.

It follows the scopes of `netdsl.resolve`, but continues after errors, since a text is incomplete
most of the time while it is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from netdsl.base import tree
from netdsl.base.source import Span
from netdsl.base.tree import nested
from netdsl.ops import OPERATIONS
from netdsl.resolve.load_files import File
from netdsl.syntax import nodes

Kind: TypeAlias = Literal["network", "block", "parameter", "constant", "local", "index", "tensor", "label"]


@dataclass(frozen=True, eq=False)
class Symbol:
    """A name with a definition. `whole` is the statement or step that defines it, `owner` the block that
    it belongs to, `parameters` those of a block or network, `value` a constant's expression or a
    parameter's default.
    """

    kind: Kind
    name: str
    span: Span
    whole: Span
    owner: Symbol | None = None
    value: nodes.Expr | None = None
    parameters: dict[str, Symbol] = field(default_factory=dict, repr=False)
    documentation: str = ""


class Occurrence(NamedTuple):
    span: Span
    symbol: Symbol


Names: TypeAlias = Mapping[str, Symbol]


@dataclass(frozen=True)
class Table:
    """All names of a network's files. `blocks` and `constants` are those that the first file knows."""

    occurrences: tuple[Occurrence, ...]
    blocks: Names
    constants: Names

    def at(self, path: str, offset: int) -> Occurrence | None:
        """The occurrence at an offset; a name still counts directly behind its end."""
        for found in self.occurrences:
            span = found.span
            if span.start <= offset <= span.end and span.source.name == path:
                return found
        return None

    def of(self, symbol: Symbol) -> list[Span]:
        return [found.span for found in self.occurrences if found.symbol is symbol]

    @property
    def definitions(self) -> list[Symbol]:
        return [found.symbol for found in self.occurrences if found.span is found.symbol.span]


def read_symbols(files: Mapping[str, File], standard: nodes.Program) -> Table:
    """The names of files, the main one first, and of the standard blocks."""
    occurrences: list[Occurrence] = []
    std = _blocks(standard, occurrences)
    own = {path: _blocks(file.program, occurrences) for path, file in files.items()}
    readers = []
    shared = {
        rule.key.text
        for file in files.values()
        for statement in file.program.statements
        if isinstance(statement, nodes.Init)
        for rule in statement.rules
        if isinstance(rule, nodes.InitRule)
    }
    labels: dict[str, Symbol] = {}
    for path, file in files.items():
        known = dict(std)
        for used, _ in reversed(file.used):
            known.update(own.get(used, {}))
        known.update(own[path])
        readers.append(_Reader(file.program, known, own[path], shared, labels, occurrences))
    _Reader(standard, std, std, shared, labels, occurrences).read()
    # Initialisation rules refer to labels of all files, so the main file comes last.
    for reader in reversed(readers):
        reader.read()
    return Table(tuple(occurrences), readers[0].blocks, readers[0].constants)


def _blocks(program: nodes.Program, occurrences: list[Occurrence]) -> dict[str, Symbol]:
    """The blocks that a file defines; of two with one name the first."""
    found: dict[str, Symbol] = {}
    for block in program.statements:
        if not isinstance(block, nodes.Block):
            continue
        name = block.name
        symbol = Symbol("block", name.text, name.span, block.span, documentation=block.documentation)
        for parameter in block.parameters:
            _parameter(symbol, parameter)
        occurrences += [Occurrence(one.span, one) for one in (symbol, *symbol.parameters.values())]
        found.setdefault(name.text, symbol)
    return found


def _parameter(owner: Symbol, parameter: nodes.Parameter) -> Symbol:
    name, default = parameter
    whole = name.span.to(default.span) if default else name.span
    symbol = Symbol("parameter", name.text, name.span, whole, owner, default)
    return owner.parameters.setdefault(name.text, symbol)


class _Scope(NamedTuple):
    """The scope of a body: names, saved tensors, and the labels of its block."""

    owner: Symbol | None
    names: Names
    saved: Names
    labels: dict[str, Symbol]


class _Reader:
    """Reads one file. `labels` are those of all files that a rule of initialisation names."""

    def __init__(
        self,
        program: nodes.Program,
        blocks: Names,
        own: Names,
        shared: Iterable[str],
        labels: dict[str, Symbol],
        occurrences: list[Occurrence],
    ) -> None:
        self._program = program
        self.blocks = blocks
        self._own = {symbol.span: symbol for symbol in own.values()}
        self._shared = frozenset(shared)
        self._labels = labels
        self._found = occurrences
        self._of_sections: dict[str, Symbol] = {}
        self.constants = self._constants()

    def _constants(self) -> dict[str, Symbol]:
        found: dict[str, Symbol] = {}
        for statement in self._program.statements:
            match statement:
                case nodes.Network(name, parameters, documentation, span):
                    network = Symbol("network", name.text, name.span, span, documentation=documentation)
                    self._define(network)
                    for parameter in parameters:
                        symbol = _parameter(network, parameter)
                        self._define(symbol)
                        found.setdefault(symbol.name, symbol)
                case nodes.Let(name, value, span):
                    found.setdefault(
                        name.text, self._define(Symbol("constant", name.text, name.span, span, value=value))
                    )
                case nodes.Classes(number, span):
                    word = Span(span.source, span.start, span.start + len("classes"))
                    classes = Symbol("constant", "classes", word, span, value=number)
                    found.setdefault("classes", self._define(classes))
                case _:
                    pass
        return found

    def _define(self, symbol: Symbol) -> Symbol:
        self._found.append(Occurrence(symbol.span, symbol))
        return symbol

    def _refer(self, span: Span, symbol: Symbol | None) -> None:
        if symbol is not None:
            self._found.append(Occurrence(span, symbol))

    # statements

    def read(self) -> None:
        rules: list[nodes.InitRule] = []
        for statement in self._program.statements:
            self._statement(statement)
            if isinstance(statement, nodes.Init):
                rules += [rule for rule in statement.rules if isinstance(rule, nodes.InitRule)]
        for key, call in rules:
            self._refer(key.span, self._labels.get(key.text))
            self._names(call, {})

    def _statement(self, statement: nodes.Statement) -> None:
        match statement:
            case nodes.Block():
                self._block(statement)
            case nodes.Section():
                self._section(statement)
            case nodes.Stage(call):
                self._call(call, _Scope(None, {}, {}, {}), block_first=True)
            case nodes.Stages():
                self._table(statement)
            case nodes.Order(items):
                for item in items:
                    if isinstance(item, nodes.Call):
                        self._call(item, _Scope(None, {}, {}, {}))
            case nodes.Train(entries):
                for entry in (entry for entry in entries if isinstance(entry, nodes.Entry)):
                    for value in entry.values:
                        self._recipe(value)
            case nodes.Init():
                pass  # read last: the rules may name labels of all files
            case _:
                self._names(statement, {})

    def _block(self, block: nodes.Block) -> None:
        symbol = self._own.get(block.name.span)
        known: dict[str, Symbol] = {}
        for parameter in block.parameters:
            self._names(parameter, known)
            if symbol and parameter.name.text in symbol.parameters:
                known[parameter.name.text] = symbol.parameters[parameter.name.text]
        self._body(block.body, _Scope(symbol, known, {}, {}))

    def _section(self, section: nodes.Section) -> None:
        self._body(section.body, _Scope(None, {}, {}, self._of_sections))

    def _table(self, table: nodes.Stages) -> None:
        block = self.blocks.get(table.block.text)
        self._refer(table.block.span, block or self.constants.get(table.block.text))
        self._arguments(table.fixed, block, {})
        for word in table.header:
            self._refer(word.span, block and block.parameters.get(word.text))
        for row in table.rows:
            if isinstance(row, nodes.Section):
                self._section(row)
            else:
                self._names(row, {})

    def _recipe(self, value: nodes.Expr) -> None:
        """A recipe's `sgd(lr=…)` and `flip` are words of the recipe; only arguments are expressions."""
        if isinstance(value, nodes.Name):
            self._refer(value.span, self.constants.get(value.name))
        else:
            self._names(value, {})

    # steps

    def _body(self, body: nodes.Body, scope: _Scope) -> None:
        names, saved = dict(scope.names), dict(scope.saved)
        scope = scope._replace(names=names, saved=saved)
        for step in body.steps:
            match step:
                case nodes.Let(name, value, span):
                    self._names(value, names)
                    local = Symbol("local", name.text, name.span, span, scope.owner, value)
                    names[name.text] = self._define(local)
                case nodes.Save(name, span):
                    tensor = Symbol("tensor", name.text, name.span, span, scope.owner)
                    saved[name.text] = self._define(tensor)
                case nodes.From(name):
                    self._refer(name.span, saved.get(name.text))
                case _:
                    self._step(step, scope)

    def _step(self, step: nodes.Step, scope: _Scope) -> None:
        match step:
            case nodes.Call():
                self._call(step, scope)
            case nodes.Default():
                self._names(step, scope.names)
            case nodes.Skip(arguments=arguments):
                self._names(arguments, scope.names)
            case nodes.Repeat(times=times, variable=variable, span=span):
                self._names(times, scope.names)
                scope = scope._replace(labels={})
                if variable is not None:
                    index = Symbol("index", variable.text, variable.span, span, scope.owner)
                    scope = scope._replace(names={**scope.names, variable.text: self._define(index)})
            case nodes.When(cases=cases):
                for condition, _ in cases:
                    self._names(condition, scope.names)
            case _:
                pass
        for body in tree.bodies(step):
            self._body(body, scope)

    def _call(self, call: nodes.Call, scope: _Scope, block_first: bool = False) -> None:
        name = call.name.text
        if call.label is not None:
            self._label(call.label, call.span, scope)
        target = scope.names.get(name)
        block = None if target else self.blocks.get(name)
        if target is None and not block_first:
            constant = self.constants.get(name)
            # A constant with a number as its value isn't a step.
            if constant and (block is None or isinstance(constant.value, nodes.Name)):
                target = constant
        target = target or block or self.constants.get(name)
        if name not in OPERATIONS or target is not block:
            self._refer(call.name.span, target)
        self._arguments(call.arguments, block if target is block else None, scope.names)

    def _label(self, label: nodes.Word, whole: Span, scope: _Scope) -> None:
        labels = self._labels if label.text in self._shared else scope.labels
        known = labels.get(label.text)
        if known is None:
            labels[label.text] = self._define(Symbol("label", label.text, label.span, whole, scope.owner))
        else:
            self._refer(label.span, known)

    # expressions

    def _arguments(self, arguments: Iterable[nodes.Argument], block: Symbol | None, names: Names) -> None:
        for argument in arguments:
            if argument.name and block:
                self._refer(argument.name.span, block.parameters.get(argument.name.text))
            self._names(argument.value, names)

    def _names(self, node: Iterable[object], known: Names) -> None:
        """The names in a node, all of which are expressions."""
        for name, span in nested(node, nodes.Name):
            self._refer(span, known.get(name) or self.constants.get(name) or self.blocks.get(name))
