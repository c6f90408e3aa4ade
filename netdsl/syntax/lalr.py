"""Runs the LALR(1) tables that Lark made from the grammar over tokens, and builds the tree."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import chain
from typing import Any, TypeAlias

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.resources import TABLES
from netdsl.base.source import Source, Span
from netdsl.syntax.build_nodes import TreeBuilder
from netdsl.syntax.tokens import Token

Build: TypeAlias = Callable[[TreeBuilder, Span, list[Any]], Any]
END = "$END"


class SyntaxFault(Exception):
    """A text that a rule doesn't match: the first token that cannot follow those before it, None at the end,
    and the terminals that could be there.
    """

    def __init__(self, token: Token | None, expected: frozenset[str]) -> None:
        self.token = token
        self.expected = expected


class _Rule(NamedTuple):
    """A rule of the grammar: its name, the length of its expansion, the method that builds its node (None:
    its value is its only child), the places of its children (-1: an absent one), and those of lists among
    them.
    """

    name: str
    length: int
    build: Build | None
    kept: Sequence[int]
    lists: Sequence[int]


class _Tables(NamedTuple):
    """Each row maps what follows to an action: to shift to a state, or, if negative, to reduce a rule.
    `starts` are the first and last state for each rule that can be parsed by itself.
    """

    starts: dict[str, tuple[int, int]]
    rules: list[_Rule]
    rows: list[dict[str, int]]


@cache
def _tables() -> _Tables:
    found = json.loads(TABLES.read_bytes())
    builders: dict[str, Build | None] = {"": None, "*": _list}
    rules = []
    for name, length, build, kept, lists in found["rules"]:
        builder = builders.get(build) or (
            getattr(TreeBuilder, build) if build.strip("*") else builders[build]
        )
        rules.append(_Rule(name, length, builder, kept, lists))
    rows = found["rows"]
    return _Tables(found["starts"], rules, [rows[place] for place in found["states"]])


def _list(builder: TreeBuilder, span: Span, children: list[Any]) -> list[Any]:
    return children


def parse(tokens: Iterable[Token], rule: str, source: Source) -> Any:
    """The node of the significant tokens. Raises SyntaxFault where the rule doesn't match them."""
    (start, last), rules, rows = _tables().starts[rule], _tables().rules, _tables().rows
    builder = TreeBuilder(source)
    states, row = [start], rows[start]
    # For each state after the first: its value, and the start and end of its text.
    values: list[Any] = []
    begins: list[int] = []
    ends: list[int] = []
    end = Token((END,), "", 0, 0)
    for token in chain(tokens, (end,)):
        for kind in token.kinds:
            if (action := row.get(kind)) is not None:
                break
        while action is not None and action < 0:
            name, length, build, kept, lists = rules[-1 - action]
            if build or length > 1:
                base = len(values) - length
                if build is None:
                    value = values[base + kept[0]]
                else:
                    if lists:
                        # The list that is first is continued, so that a long one isn't copied for each item.
                        starts = kept[0] in lists
                        children: list[Any] = values[base + kept[0]] if starts else []
                        for place in kept[starts:]:
                            if place in lists:
                                children += values[base + place]
                            else:
                                children.append(values[base + place] if place >= 0 else None)
                    else:
                        children = [values[base + place] if place >= 0 else None for place in kept]
                    value = build(builder, Span(source, begins[base], ends[-1]), children)
                values[base:] = [value]
                ends[base:] = ends[-1:]
                del begins[base + 1 :]
                del states[base + 1 :]
            else:
                states.pop()
            state = rows[states[-1]][name]
            states.append(state)
            if token is end and state == last:
                return values[0]
            row = rows[state]
            action = row.get(kind)
        if action is None:
            raise SyntaxFault(None if token is end else token, _expected(states))
        states.append(action)
        row = rows[action]
        values.append(token)
        begins.append(token.start)
        ends.append(token.end)
    raise AssertionError("the end of a text is never shifted")


def _expected(states: Sequence[int]) -> frozenset[str]:
    """The terminals that can follow. A row has more: those that only reduce, in another context."""
    return frozenset(
        kind for kind in _tables().rows[states[-1]] if kind == kind.upper() and _fits(states, kind)
    )


def _fits(states: Sequence[int], kind: str) -> bool:
    """True if a terminal is shifted in the end."""
    _, rules, rows = _tables()
    left = list(states)
    while (action := rows[left[-1]].get(kind)) is not None and action < 0:
        rule = rules[-1 - action]
        del left[len(left) - rule.length :]
        if rule.name not in rows[left[-1]]:
            return False
        left.append(rows[left[-1]][rule.name])
        if kind == END and len(left) == 2 and any(left == list(pair) for pair in _tables().starts.values()):
            return True
    return action is not None
