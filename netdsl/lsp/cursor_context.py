"""The syntactic context of a place, from the words before it alone: the text is incomplete while it is
written, so it can't be parsed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from netdsl.language.words import STATEMENTS
from netdsl.syntax.tokens import CLOSING, OPENING, TOKEN, word_at

_STATEMENT = re.compile(rf"^({'|'.join(STATEMENTS)})\b", re.MULTILINE)

LocalKind: TypeAlias = Literal["parameter", "local", "index"]


@dataclass(slots=True)
class Bracket:
    """An open bracket. `head` are the words before it, `arguments` the number of commas in it, `given`
    the names of arguments in it. `header` is its first line, `before` the line before the current one.
    `names` and `saved` are what it defines.
    """

    opening: str = ""
    head: tuple[str, ...] = ()
    arguments: int = 0
    given: list[str] = field(default_factory=list)
    header: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    names: dict[str, LocalKind] = field(default_factory=dict)
    saved: list[str] = field(default_factory=list)

    @property
    def callee(self) -> str:
        """The name that a `(` calls; empty if it only groups."""
        return self.head[-1] if self.opening == "(" and self.head and self.head[-1].isidentifier() else ""


@dataclass(frozen=True, slots=True)
class Context:
    """A place. `statement` is the first word of the statement around it; `brackets` are open, outermost
    first; `clause` are the words since the last comma, newline or opening bracket, without the word that
    is being written, which starts at `start`. `inside` says that the place is in a comment or text; a
    text starts at `quoted`.
    """

    start: int
    statement: str
    brackets: tuple[Bracket, ...]
    clause: tuple[str, ...]
    inside: Literal["", "comment", "text"] = ""
    quoted: int = 0

    @property
    def names(self) -> dict[str, LocalKind]:
        """The names that the brackets around define."""
        return {name: kind for bracket in self.brackets for name, kind in bracket.names.items()}

    @property
    def saved(self) -> list[str]:
        return [name for bracket in self.brackets for name in bracket.saved]


def context_at(text: str, offset: int) -> Context:
    """The context of the word before an offset."""
    word = word_at(text[:offset], offset)
    return _Scan(text, word[0] if word else offset).run()


class _Scan:
    """Reads a statement's words up to a place."""

    def __init__(self, text: str, end: int) -> None:
        self._text, self._end = text, end
        # The outermost is not a bracket: it has the definitions of the statement.
        self._brackets = [Bracket()]
        self._clause: list[str] = []

    def run(self) -> Context:
        begin = _statement_start(self._text, self._end)
        if begin is None:
            begin = self._text.rfind("\n", 0, self._end) + 1
        inside: Literal["", "comment", "text"] = ""
        statement, quoted = "", 0
        for match in TOKEN.finditer(self._text, begin, self._end):
            token = match.group()
            if match.lastgroup == "blank":
                continue
            if match.lastgroup == "comment":
                inside = "comment" if match.end() == self._end else ""
            elif match.lastgroup == "string":
                unfinished = len(token) == 1 or not token.endswith('"')
                inside = "text" if unfinished and match.end() == self._end else ""
                quoted = match.start() + 1
                self._clause.append('"')
            else:
                statement = statement or token.strip()
                self._token(token)
        return Context(self._end, statement, tuple(self._brackets), tuple(self._clause), inside, quoted)

    def _token(self, token: str) -> None:
        top = self._brackets[-1]
        if token in CLOSING:
            self._open(token)
        elif token in OPENING:
            self._close(token)
        elif token == "\n":
            if top.opening in ("", "{"):
                self._line(top)
        elif token == ",":
            top.arguments += 1
            # `order bn, relu` and `augment flip, crop(4)` continue; between steps a comma ends the clause.
            goes_on = not top.opening or top.head == ("train",)
            self._end_clause(top, self._clause[:1] if goes_on else [])
        elif token == "|" and top.opening == "{":
            top.names, top.saved, self._clause = {}, [], []
        else:
            self._word(token, top)

    def _open(self, token: str) -> None:
        opened = Bracket(token, tuple(self._clause))
        if token == "{" and "as" in self._clause[:-1]:
            opened.names[self._clause[-1]] = "index"
        self._brackets.append(opened)
        self._clause = []

    def _close(self, token: str) -> None:
        if self._brackets[-1].opening != OPENING[token]:
            return  # a bracket is missing: what is open stays open
        closed = self._brackets.pop()
        if closed.opening == "(" and closed.head[:1] == ("block",):
            self._brackets[-1].names |= closed.names
        if closed.opening == "(" and closed.head[:1] == ("stages",):
            self._brackets[-1].given += closed.given
        self._clause = [*closed.head, closed.opening + token]

    def _line(self, top: Bracket) -> None:
        if top.opening == "{" and not top.header:
            top.header = tuple(self._clause)
        if self._clause:
            self._end_clause(top, [])

    def _end_clause(self, top: Bracket, rest: list[str]) -> None:
        if self._clause[:1] == ["let"] and len(self._clause) > 2 and top.opening:
            top.names[self._clause[1]] = "local"
        top.before, self._clause = tuple(self._clause), rest

    def _word(self, token: str, top: Bracket) -> None:
        clause = self._clause
        clause.append(token)
        if token == "=" and len(clause) == 2 and top.opening == "(":
            top.given.append(clause[0])
        elif clause[0] == "save" and len(clause) == 2:
            top.saved.append(token)
        elif top.opening == "(" and top.head[:1] == ("block",) and len(clause) == 1:
            top.names[token] = "parameter"


def _statement_start(text: str, end: int) -> int | None:
    """The start of the statement around a place."""
    starts = list(_STATEMENT.finditer(text, 0, end))
    if not starts:
        return None
    last = starts[-1]
    if last.group() == "layers" and len(starts) > 1:
        # A transition at the start of a line of a table.
        before = next((m for m in reversed(starts[:-1]) if m.group() != "layers"), last)
        between = text[before.start() : last.start()]
        if before.group() == "stages" and between.count("{") > between.count("}"):
            return before.start()
    return last.start()
