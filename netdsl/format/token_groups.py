"""A file's text as tokens in groups of brackets, with all comments and newlines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeGuard

from netdsl.base.source import Source
from netdsl.base.tree import nested
from netdsl.syntax import nodes
from netdsl.syntax.tokens import CLOSING, OPENING, tokens

# The contents of a group in braces; `inline` is a group in parentheses or square brackets.
Kind: TypeAlias = Literal["body", "join", "table", "init", "train", "inline"]
_KINDS: dict[str, Kind] = {"stages": "table", "init": "init", "train": "train"}


@dataclass(frozen=True, slots=True)
class Token:
    """`tight`: no space on either side, as around the `=` of an argument. `prefix`: no space after it."""

    text: str
    kind: Literal["comment", "newline", "word", "sign"]
    tight: bool = False
    prefix: bool = False


@dataclass(slots=True)
class Group:
    """The tokens between two brackets; `hugs`: the group belongs to the word before it."""

    opening: str
    kind: Kind
    hugs: bool
    items: list[Item] = field(default_factory=list)
    # True if the author wrote it over several lines, in a way that is kept.
    spread: bool = False

    @property
    def closing(self) -> str:
        return CLOSING[self.opening]

    def close(self) -> None:
        """Sets what the items decide, when all are there.

        Within round and square brackets newlines mean nothing: they are kept where one follows the bracket.
        """
        filled = [item for item in self.items if not is_newline(item)]
        steps = [item for item in filled if not is_comment(item)]
        if self.kind == "body" and steps and is_text(steps[0], "|"):
            self.kind = "join"
        self.spread = len(steps) < len(filled) or any(isinstance(s, Group) and s.spread for s in steps)
        if steps and self.kind == "inline":
            self.spread |= is_newline(self.items[0])
        elif steps:
            self.spread |= len(filled) < len(self.items)


Item: TypeAlias = Token | Group


def is_newline(item: Item) -> bool:
    return isinstance(item, Token) and item.kind == "newline"


def is_comment(item: Item) -> TypeGuard[Token]:
    return isinstance(item, Token) and item.kind == "comment"


def is_brace(item: Item) -> bool:
    return isinstance(item, Group) and item.opening == "{"


def is_text(item: Item, *texts: str) -> bool:
    return isinstance(item, Token) and item.kind in ("word", "sign") and item.text in texts


def comments(source: Source) -> list[str]:
    """All comments in order, without trailing spaces."""
    return [token.text.rstrip() for token in tokens(source) if token.kind == "COMMENT"]


def grouped(source: Source, program: nodes.Program) -> list[Item]:
    """The tokens of a text without syntax errors; the tree identifies unary `-` and calls."""
    called, negative = _roles(program)
    top: list[Item] = []
    open_groups: list[Group] = []
    word_end = 0  # where the last word, sign or bracket ended
    statement = ""  # the first word of the statement
    for kinds, text, start, end in tokens(source):
        kind = kinds[-1]
        items = open_groups[-1].items if open_groups else top
        if text in CLOSING:
            of_statement = text == "{" and not open_groups
            braces: Kind = _KINDS.get(statement, "body") if of_statement else "body"
            group = Group(text, braces if text == "{" else "inline", text in "([" and word_end in called)
            items.append(group)
            open_groups.append(group)
        elif text in OPENING:
            open_groups.pop().close()
        elif kind in ("COMMENT", "_NL"):
            items.append(Token(text.rstrip(" \t\r\f"), "comment" if kind == "COMMENT" else "newline"))
        else:
            inside = bool(open_groups) and open_groups[-1].kind == "inline"
            if not open_groups and (not top or is_newline(top[-1])):
                statement = text
            word = kind in ("NAME", "NUMBER", "SIZE", "STRING")
            tight, prefix = text == "=" and inside, text == "-" and start in negative
            items.append(Token(text, "word" if word else "sign", tight, prefix))
        if kind not in ("COMMENT", "_NL"):
            word_end = end
    return top


def _roles(program: nodes.Program) -> tuple[set[int], set[int]]:
    """The ends of words that a bracket belongs to (calls, definitions, items), and places of unary `-`."""
    called: set[int] = set()
    negative: set[int] = set()
    for node in nested(program, tuple):
        match node:
            case nodes.Call(name=word) | nodes.Block(name=word) | nodes.Network(name=word):
                called.add(word.span.end)
            case nodes.Variant(name=word):
                called.add(word.span.end)
            case nodes.Apply(function=word) | nodes.Stages(block=word):
                called.add(word.span.end)
            case nodes.Skip(keyword=keyword, if_same=False):
                called.add(keyword.end)
            case nodes.Binary(operator="index", left=items):
                called.add(items.span.end)
            case nodes.Unary(operator="-", span=span):
                negative.add(span.start)
    return called, negative
