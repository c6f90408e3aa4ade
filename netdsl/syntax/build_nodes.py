"""Builds the syntax tree from the parser's reductions. Shapes only: no meaning, and no error, arises here."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from lark import Token, v_args
from lark.tree import Meta
from lark.visitors import Transformer_NonRecursive

from netdsl.base.source import Source, Span
from netdsl.base.values import LARGEST, Number, Size, normal
from netdsl.syntax import nodes

_SUFFIX = {"k": 1_000, "M": 1_000_000}


def number(text: str) -> Number:
    """The exact value of a number's text; beyond `LARGEST` only the fact that it is too large is kept."""
    match = re.fullmatch(r"([\d.]+)(?:[eE]([+-]?\d+))?([kM]?)", text)
    assert match is not None
    digits, exponent, suffix = match.groups()
    # int() of a long text costs its square, 10**exponent its value: neither is computed unbounded.
    if len(digits) > 40 or len((exponent or "0").lstrip("+-0")) > 2:
        return LARGEST + 1
    return normal(Fraction(digits) * Fraction(10) ** int(exponent or 0) * _SUFFIX.get(suffix, 1))


def lengths(text: str) -> tuple[int, ...]:
    """The lengths of `3x32x32`."""
    return tuple(int(part) if len(part) < 20 else LARGEST + 1 for part in text.split("x"))


@v_args(meta=True)
class TreeBuilder(Transformer_NonRecursive[Token, Any]):
    """One method for each rule of the grammar, of the same name. Not recursive: a sum may be long."""

    def __init__(self, source: Source, offset: int = 0) -> None:
        super().__init__(visit_tokens=False)
        self._source = source
        # Where in the source the parsed text starts.
        self._offset = offset

    def _place(self, start: int, end: int) -> Span:
        return Span(self._source, self._offset + start, self._offset + end)

    def _span(self, meta: Meta) -> Span:
        return self._place(meta.start_pos, meta.end_pos)

    def _at(self, token: Token) -> Span:
        assert token.start_pos is not None and token.end_pos is not None
        return self._place(token.start_pos, token.end_pos)

    def _word(self, token: Token) -> nodes.Word:
        return nodes.Word(str(token), self._at(token))

    # expressions

    def number(self, meta: Meta, children: list[Token]) -> nodes.Literal:
        return nodes.Literal(number(children[0]), self._span(meta))

    def size(self, meta: Meta, children: list[Token]) -> nodes.Literal:
        return nodes.Literal(Size(lengths(children[0])), self._span(meta))

    def text(self, meta: Meta, children: list[Token]) -> nodes.Literal:
        return nodes.Literal(str(children[0][1:-1]), self._span(meta))

    def yes(self, meta: Meta, children: list[Token]) -> nodes.Literal:
        return nodes.Literal(True, self._span(meta))

    def no(self, meta: Meta, children: list[Token]) -> nodes.Literal:
        return nodes.Literal(False, self._span(meta))

    def name(self, meta: Meta, children: list[Token]) -> nodes.Name:
        return nodes.Name(str(children[0]), self._span(meta))

    def negative(self, meta: Meta, children: list[Any]) -> nodes.Unary:
        operand = children[0]
        if isinstance(operand, Token):
            operand = nodes.Literal(number(operand), self._at(operand))
        return nodes.Unary("-", operand, self._span(meta))

    def not_(self, meta: Meta, children: list[nodes.Expr]) -> nodes.Unary:
        return nodes.Unary("not", children[0], self._span(meta))

    def binary(self, meta: Meta, children: list[Any]) -> nodes.Binary:
        left, operator, right = children
        return nodes.Binary(str(operator), left, right, self._span(meta))

    compare = binary

    def either(self, meta: Meta, children: list[nodes.Expr]) -> nodes.Binary:
        return nodes.Binary("or", children[0], children[1], self._span(meta))

    def both(self, meta: Meta, children: list[nodes.Expr]) -> nodes.Binary:
        return nodes.Binary("and", children[0], children[1], self._span(meta))

    def choose(self, meta: Meta, children: list[nodes.Expr]) -> nodes.Choose:
        condition, yes, no = children
        return nodes.Choose(condition, yes, no, self._span(meta))

    def apply(self, meta: Meta, children: list[Any]) -> nodes.Apply:
        function, *arguments = children
        return nodes.Apply(self._word(function), _arguments(arguments), self._span(meta))

    def list_of(self, meta: Meta, children: list[Any]) -> nodes.ListOf:
        return nodes.ListOf(tuple(item for item in children if item is not None), self._span(meta))

    def named(self, meta: Meta, children: list[Any]) -> nodes.Argument:
        return nodes.Argument(self._word(children[0]), children[1])

    def arguments(self, meta: Meta, children: list[Any]) -> tuple[nodes.Argument, ...]:
        return _arguments(children)

    # steps

    def call(self, meta: Meta, children: list[Any]) -> nodes.Call:
        name, arguments = children
        return nodes.Call(self._word(name), arguments or (), self._span(meta))

    def labelled(self, meta: Meta, children: list[Any]) -> nodes.Call:
        label, call = children
        return nodes.Call(call.name, call.arguments, self._span(meta), self._word(label))

    def body(self, meta: Meta, children: list[Any]) -> nodes.Body:
        return nodes.Body(tuple(step for step in children if step is not None), self._span(meta))

    branch = body

    def skip(self, meta: Meta, children: list[Any]) -> nodes.Skip:
        if_same, arguments, body, shortcut = children
        keyword = self._place(meta.start_pos, meta.start_pos + len("skip"))
        return nodes.Skip(keyword, if_same is not None, arguments or (), body, shortcut, self._span(meta))

    def branches(self, meta: Meta, children: list[Any]) -> nodes.Branches:
        return nodes.Branches(self._word(children[0]), tuple(children[1:]), self._span(meta))

    def repeat(self, meta: Meta, children: list[Any]) -> nodes.Repeat:
        times, variable, body = children
        keyword = self._place(meta.start_pos, meta.start_pos + len("repeat"))
        return nodes.Repeat(keyword, times, variable and self._word(variable), body, self._span(meta))

    def when(self, meta: Meta, children: list[Any]) -> nodes.When:
        *cases, otherwise = children
        pairs = tuple(zip(cases[::2], cases[1::2], strict=True))
        keyword = self._place(meta.start_pos, meta.start_pos + len("when"))
        return nodes.When(keyword, pairs, otherwise, self._span(meta))

    def save(self, meta: Meta, children: list[Token]) -> nodes.Save:
        return nodes.Save(self._word(children[0]), self._span(meta))

    def from_(self, meta: Meta, children: list[Token]) -> nodes.From:
        return nodes.From(self._word(children[0]), self._span(meta))

    def default_(self, meta: Meta, children: list[nodes.Call]) -> nodes.Default:
        return nodes.Default((children[0],), self._span(meta))

    # statements

    def statement(self, meta: Meta, children: list[Any]) -> Any:
        return children[0]

    step = statement

    def values(self, meta: Meta, children: list[nodes.Expr]) -> tuple[nodes.Expr, ...]:
        return tuple(children)

    def parameter(self, meta: Meta, children: list[Any]) -> nodes.Parameter:
        return nodes.Parameter(self._word(children[0]), children[1])

    def parameters(self, meta: Meta, children: list[Any]) -> tuple[nodes.Parameter, ...]:
        return tuple(child for child in children if child is not None)

    def network(self, meta: Meta, children: list[Any]) -> nodes.Network:
        name, parameters, class_name = children
        class_name = class_name and self._word(class_name)
        return nodes.Network(self._word(name), parameters or (), "", self._span(meta), class_name)

    def input(self, meta: Meta, children: list[Any]) -> nodes.Input:
        return nodes.Input(children[0], self._span(meta))

    def classes(self, meta: Meta, children: list[Any]) -> nodes.Classes:
        return nodes.Classes(children[0], self._span(meta))

    def plus(self, meta: Meta, children: list[Any]) -> nodes.Plus:
        return nodes.Plus(self._span(meta))

    def order(self, meta: Meta, children: list[Any]) -> nodes.Order:
        return nodes.Order(tuple(children), self._span(meta))

    def default(self, meta: Meta, children: list[Any]) -> nodes.Default:
        return nodes.Default(tuple(children), self._span(meta))

    def let(self, meta: Meta, children: list[Any]) -> nodes.Let:
        return nodes.Let(self._word(children[0]), children[1], self._span(meta))

    def section(self, meta: Meta, children: list[Any]) -> nodes.Section:
        kind, name, body = children
        return nodes.Section(self._word(kind), body, self._span(meta), name and self._word(name))

    def transition(self, meta: Meta, children: list[Any]) -> nodes.Section:
        kind = nodes.Word("layers", self._place(meta.start_pos, meta.start_pos + len("layers")))
        name, body = children
        return nodes.Section(kind, body, self._span(meta), name and self._word(name))

    def stage(self, meta: Meta, children: list[Any]) -> nodes.Stage:
        return nodes.Stage(children[0], self._span(meta))

    def header(self, meta: Meta, children: list[Token]) -> tuple[nodes.Word, ...]:
        return tuple(map(self._word, children))

    def row(self, meta: Meta, children: list[Any]) -> nodes.Row:
        return nodes.Row(tuple(children), self._span(meta))

    def stages(self, meta: Meta, children: list[Any]) -> nodes.Stages:
        block, fixed, header, *rows = children
        return nodes.Stages(self._word(block), fixed or (), header, tuple(rows), self._span(meta))

    def block(self, meta: Meta, children: list[Any]) -> nodes.Block:
        name, parameters, body = children
        return nodes.Block(self._word(name), parameters or (), body, "", self._span(meta))

    def init_rule(self, meta: Meta, children: list[Any]) -> nodes.InitRule:
        return nodes.InitRule(self._word(children[0]), children[1])

    def init(self, meta: Meta, children: list[Any]) -> nodes.Init:
        base, *rules = children
        found = tuple(rule for rule in rules if rule is not None)
        return nodes.Init(base and self._word(base), found, self._span(meta))

    def entry(self, meta: Meta, children: list[Any]) -> nodes.Entry:
        return nodes.Entry(self._word(children[0]), tuple(children[1:]), self._span(meta))

    def train(self, meta: Meta, children: list[Any]) -> nodes.Train:
        return nodes.Train(tuple(entry for entry in children if entry is not None), self._span(meta))

    def expect(self, meta: Meta, children: list[Any]) -> nodes.Expect:
        quantity, comparison, value = children
        return nodes.Expect(self._word(quantity), str(comparison), value, self._span(meta))

    def use(self, meta: Meta, children: list[Token]) -> nodes.Use:
        return nodes.Use(str(children[0][1:-1]), self._span(meta))


def _arguments(children: list[Any]) -> tuple[nodes.Argument, ...]:
    return tuple(
        child if isinstance(child, nodes.Argument) else nodes.Argument(None, child)
        for child in children
        if child is not None
    )
