"""Builds the syntax tree from the parser's reductions. Shapes only: no meaning, and no error, arises here."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from netdsl.base.source import Source, Span
from netdsl.base.values import LARGEST, Number, Size, normal
from netdsl.syntax import nodes
from netdsl.syntax.tokens import Token

_SUFFIX = {"k": 1_000, "M": 1_000_000}


def number(text: str) -> Number:
    """The exact value of a number's text; beyond `LARGEST` only the fact that it is too large is kept."""
    if len(text) < 20 and text.isdecimal():
        return int(text)
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


def _node(kind: Callable[..., Any], *, spanned: bool = True) -> Callable[..., Any]:
    """The method of a rule whose children are the fields of a node, in order; tokens are its words."""

    def build(builder: TreeBuilder, span: Span, children: list[Any]) -> Any:
        fields = [builder._word(child) if isinstance(child, Token) else child for child in children]
        return kind(*fields, span) if spanned else kind(*fields)

    return build


def _node_of_items(kind: Callable[..., Any]) -> Callable[..., Any]:
    """The method of a rule whose children are the items of a node; those that are absent are None."""

    def build(builder: TreeBuilder, span: Span, children: list[Any]) -> Any:
        return kind(_items(builder, span, children), span)

    return build


def _items(builder: TreeBuilder, span: Span, children: list[Any]) -> tuple[Any, ...]:
    """The method of a rule that is a list."""
    return tuple(child for child in children if child is not None)


class TreeBuilder:
    """One method for each rule of the grammar, of the same name, which the parser calls as it reduces."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def _keyword(self, span: Span, word: str) -> Span:
        """The place of the word that a node starts with."""
        return Span(self._source, span.start, span.start + len(word))

    def _word(self, token: Token) -> nodes.Word:
        return nodes.Word(token.text, Span(self._source, token.start, token.end))

    # rules whose children are the fields, or the items, of their node

    choose = _node(nodes.Choose)
    named = _node(nodes.Argument, spanned=False)
    save = _node(nodes.Save)
    from_ = _node(nodes.From)
    input = _node(nodes.Input)
    classes = _node(nodes.Classes)
    let = _node(nodes.Let)
    stage = _node(nodes.Stage)
    detect = _node(nodes.Detect)
    init_rule = _node(nodes.InitRule, spanned=False)
    list_of = _node_of_items(nodes.ListOf)
    body = _node_of_items(nodes.Body)
    default_ = _node_of_items(nodes.Default)
    order = _node_of_items(nodes.Order)
    default = _node_of_items(nodes.Default)
    row = _node_of_items(nodes.Row)
    train = _node_of_items(nodes.Train)
    branch = body
    arguments = parameters = values = _items
    if_same = _items

    # expressions

    def number(self, span: Span, children: list[Token]) -> nodes.Literal:
        return nodes.Literal(number(children[0].text), span)

    def size(self, span: Span, children: list[Token]) -> nodes.Literal:
        return nodes.Literal(Size(lengths(children[0].text)), span)

    def text(self, span: Span, children: list[Token]) -> nodes.Literal:
        return nodes.Literal(children[0].text[1:-1], span)

    def yes(self, span: Span, children: list[Token]) -> nodes.Literal:
        return nodes.Literal(True, span)

    def no(self, span: Span, children: list[Token]) -> nodes.Literal:
        return nodes.Literal(False, span)

    def name(self, span: Span, children: list[Token]) -> nodes.Name:
        return nodes.Name(children[0].text, span)

    def item(self, span: Span, children: list[Any]) -> nodes.Binary:
        name, index = children
        word = self._word(name)
        return nodes.Binary("index", nodes.Name(*word), index, span)

    def negative(self, span: Span, children: list[Any]) -> nodes.Unary:
        operand = children[0]
        if isinstance(operand, Token):
            operand = nodes.Literal(number(operand.text), Span(self._source, operand.start, operand.end))
        return nodes.Unary("-", operand, span)

    def not_(self, span: Span, children: list[nodes.Expr]) -> nodes.Unary:
        return nodes.Unary("not", children[0], span)

    def binary(self, span: Span, children: list[Any]) -> nodes.Binary:
        left, operator, right = children
        return nodes.Binary(operator.text, left, right, span)

    compare = binary

    def either(self, span: Span, children: list[nodes.Expr]) -> nodes.Binary:
        return nodes.Binary("or", children[0], children[1], span)

    def both(self, span: Span, children: list[nodes.Expr]) -> nodes.Binary:
        return nodes.Binary("and", children[0], children[1], span)

    def apply(self, span: Span, children: list[Any]) -> nodes.Apply:
        function, *arguments = children
        return nodes.Apply(self._word(function), tuple(arguments), span)

    def positional(self, span: Span, children: list[nodes.Expr]) -> nodes.Argument:
        return nodes.Argument(None, children[0])

    # steps

    def call(self, span: Span, children: list[Any]) -> nodes.Call:
        name, arguments = children
        return nodes.Call(self._word(name), arguments or (), span)

    def labelled(self, span: Span, children: list[Any]) -> nodes.Call:
        label, call = children
        return nodes.Call(call.name, call.arguments, span, self._word(label))

    def skip(self, span: Span, children: list[Any]) -> nodes.Skip:
        if_same, arguments, body, shortcut = children
        keyword = self._keyword(span, "skip")
        return nodes.Skip(keyword, if_same is not None, arguments or (), body, shortcut, span)

    def branches(self, span: Span, children: list[Any]) -> nodes.Branches:
        return nodes.Branches(self._word(children[0]), tuple(children[1:]), span)

    def repeat(self, span: Span, children: list[Any]) -> nodes.Repeat:
        times, variable, body = children
        keyword = self._keyword(span, "repeat")
        return nodes.Repeat(keyword, times, variable and self._word(variable), body, span)

    def each(self, span: Span, children: list[Any]) -> nodes.Each:
        *names, body = children
        return nodes.Each(self._keyword(span, "each"), tuple(map(self._word, names)), body, span)

    def when(self, span: Span, children: list[Any]) -> nodes.When:
        *cases, otherwise = children
        pairs = tuple(zip(cases[::2], cases[1::2], strict=True))
        keyword = self._keyword(span, "when")
        return nodes.When(keyword, pairs, otherwise, span)

    # statements

    def step(self, span: Span, children: list[Any]) -> Any:
        return children[0]

    def parameter(self, span: Span, children: list[Any]) -> nodes.Parameter:
        name, default, *values = children
        declared = tuple(value for value in values if value is not None)
        return nodes.Parameter(self._word(name), default, declared)

    def network(self, span: Span, children: list[Any]) -> nodes.Network:
        name, parameters, class_name = children
        class_name = class_name and self._word(class_name)
        return nodes.Network(self._word(name), parameters or (), "", span, class_name)

    def variant(self, span: Span, children: list[Any]) -> nodes.Variant:
        name, arguments = children
        return nodes.Variant(self._word(name), arguments or (), span)

    def plus(self, span: Span, children: list[Any]) -> nodes.Plus:
        return nodes.Plus(span)

    def section(self, span: Span, children: list[Any]) -> nodes.Section:
        kind, name, body = children
        return nodes.Section(self._word(kind), body, span, name and self._word(name))

    def transition(self, span: Span, children: list[Any]) -> nodes.Section:
        kind = nodes.Word("layers", self._keyword(span, "layers"))
        name, body = children
        return nodes.Section(kind, body, span, name and self._word(name))

    def header(self, span: Span, children: list[Token]) -> tuple[nodes.Word, ...]:
        return tuple(map(self._word, children))

    def stages(self, span: Span, children: list[Any]) -> nodes.Stages:
        block, fixed, header, *rows = children
        return nodes.Stages(self._word(block), fixed or (), header, tuple(rows), span)

    def block(self, span: Span, children: list[Any]) -> nodes.Block:
        name, parameters, body = children
        return nodes.Block(self._word(name), parameters or (), body, "", span)

    def output(self, span: Span, children: list[Any]) -> nodes.Output:
        *names, condition = children
        return nodes.Output(tuple(map(self._word, names)), condition, span)

    def init(self, span: Span, children: list[Any]) -> nodes.Init:
        base, *rules = children
        found = tuple(rule for rule in rules if rule is not None)
        return nodes.Init(base and self._word(base), found, span)

    def entry(self, span: Span, children: list[Any]) -> nodes.Entry:
        return nodes.Entry(self._word(children[0]), tuple(children[1:]), span)

    def expect(self, span: Span, children: list[Any]) -> nodes.Expect:
        quantity, comparison, value = children
        return nodes.Expect(self._word(quantity), comparison.text, value, span)

    def use(self, span: Span, children: list[Token]) -> nodes.Use:
        return nodes.Use(children[0].text[1:-1], span)
