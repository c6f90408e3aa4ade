"""Builds the syntax tree from the parser's reductions. Shapes only: no meaning, and no error, arises here."""

from __future__ import annotations

import re
from collections.abc import Callable
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


def _node(kind: Callable[..., Any], *, spanned: bool = True) -> Callable[..., Any]:
    """The method of a rule whose children are the fields of a node, in order; tokens are its words."""

    def build(builder: TreeBuilder, meta: Meta, children: list[Any]) -> Any:
        fields = [builder._word(child) if isinstance(child, Token) else child for child in children]
        return kind(*fields, builder._span(meta)) if spanned else kind(*fields)

    return build


def _node_of_items(kind: Callable[..., Any]) -> Callable[..., Any]:
    """The method of a rule whose children are the items of a node; those that are absent are None."""

    def build(builder: TreeBuilder, meta: Meta, children: list[Any]) -> Any:
        return kind(tuple(child for child in children if child is not None), builder._span(meta))

    return build


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

    # rules whose children are the fields, or the items, of their node

    choose = _node(nodes.Choose)
    named = _node(nodes.Argument, spanned=False)
    save = _node(nodes.Save)
    from_ = _node(nodes.From)
    input = _node(nodes.Input)
    classes = _node(nodes.Classes)
    let = _node(nodes.Let)
    stage = _node(nodes.Stage)
    init_rule = _node(nodes.InitRule, spanned=False)
    list_of = _node_of_items(nodes.ListOf)
    body = _node_of_items(nodes.Body)
    default_ = _node_of_items(nodes.Default)
    order = _node_of_items(nodes.Order)
    default = _node_of_items(nodes.Default)
    row = _node_of_items(nodes.Row)
    train = _node_of_items(nodes.Train)
    branch = body

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

    def apply(self, meta: Meta, children: list[Any]) -> nodes.Apply:
        function, *arguments = children
        return nodes.Apply(self._word(function), _arguments(arguments), self._span(meta))

    def arguments(self, meta: Meta, children: list[Any]) -> tuple[nodes.Argument, ...]:
        return _arguments(children)

    # steps

    def call(self, meta: Meta, children: list[Any]) -> nodes.Call:
        name, arguments = children
        return nodes.Call(self._word(name), arguments or (), self._span(meta))

    def labelled(self, meta: Meta, children: list[Any]) -> nodes.Call:
        label, call = children
        return nodes.Call(call.name, call.arguments, self._span(meta), self._word(label))

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

    # statements

    def statement(self, meta: Meta, children: list[Any]) -> Any:
        return children[0]

    step = statement

    def values(self, meta: Meta, children: list[nodes.Expr]) -> tuple[nodes.Expr, ...]:
        return tuple(children)

    def parameters(self, meta: Meta, children: list[Any]) -> tuple[nodes.Parameter, ...]:
        return tuple(child for child in children if child is not None)

    def parameter(self, meta: Meta, children: list[Any]) -> nodes.Parameter:
        name, default, *values = children
        found = tuple(value for value in values if value is not None)
        return nodes.Parameter(self._word(name), default, found)

    def network(self, meta: Meta, children: list[Any]) -> nodes.Network:
        name, parameters, class_name = children
        class_name = class_name and self._word(class_name)
        return nodes.Network(self._word(name), parameters or (), "", self._span(meta), class_name)

    def plus(self, meta: Meta, children: list[Any]) -> nodes.Plus:
        return nodes.Plus(self._span(meta))

    def section(self, meta: Meta, children: list[Any]) -> nodes.Section:
        kind, name, body = children
        return nodes.Section(self._word(kind), body, self._span(meta), name and self._word(name))

    def transition(self, meta: Meta, children: list[Any]) -> nodes.Section:
        kind = nodes.Word("layers", self._place(meta.start_pos, meta.start_pos + len("layers")))
        name, body = children
        return nodes.Section(kind, body, self._span(meta), name and self._word(name))

    def header(self, meta: Meta, children: list[Token]) -> tuple[nodes.Word, ...]:
        return tuple(map(self._word, children))

    def stages(self, meta: Meta, children: list[Any]) -> nodes.Stages:
        block, fixed, header, *rows = children
        return nodes.Stages(self._word(block), fixed or (), header, tuple(rows), self._span(meta))

    def block(self, meta: Meta, children: list[Any]) -> nodes.Block:
        name, parameters, body = children
        return nodes.Block(self._word(name), parameters or (), body, "", self._span(meta))

    def init(self, meta: Meta, children: list[Any]) -> nodes.Init:
        base, *rules = children
        found = tuple(rule for rule in rules if rule is not None)
        return nodes.Init(base and self._word(base), found, self._span(meta))

    def entry(self, meta: Meta, children: list[Any]) -> nodes.Entry:
        return nodes.Entry(self._word(children[0]), tuple(children[1:]), self._span(meta))

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
