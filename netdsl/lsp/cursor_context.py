"""The syntactic context of a place, from the words before it alone: the text is incomplete while it is
written, so it can't be parsed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from netdsl.base.source import Source
from netdsl.language.words import STATEMENTS
from netdsl.syntax.tokens import CLOSING, OPENING, Token, starts_line, tokenize, word_at

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


def context_at(source: Source, offset: int) -> Context:
    """The context of the word before an offset."""
    text = source.text
    word = word_at(text[:offset], offset)
    end = word[0] if word else offset
    begin = _line_of_statement(text, end)
    newline = text.find("\n", end)
    found = tokenize(text[begin : newline if newline >= 0 else len(text)])
    context = _Scan(end - begin).run(found)
    return replace(context, start=end, quoted=begin + context.quoted)


def _line_of_statement(text: str, offset: int) -> int:
    """The start of a line, at or before that of the statement around an offset. No token crosses lines, so
    that what precedes it needs no reading: this is done right after each edit.
    """
    line = text.rfind("\n", 0, offset) + 1
    while line:
        first = word_at(text, line)
        word = text[line : first[1]] if first else ""
        if word in STATEMENTS and word != "layers":  # of a table, perhaps
            break
        line = text.rfind("\n", 0, line - 1) + 1
    return line


class _Scan:
    """Reads a statement's words up to a place."""

    def __init__(self, end: int) -> None:
        self._end = end
        # The outermost is not a bracket: it has the definitions of the statement.
        self._brackets = [Bracket()]
        self._clause: list[str] = []

    def run(self, found: Sequence[Token]) -> Context:
        count = bisect_left(found, self._end, key=lambda token: token.start)
        inside: Literal["", "comment", "text"] = ""
        statement, quoted = "", 0
        for token in found[_statement_start(found[:count]) : count]:
            text = token.text[: self._end - token.start]
            if token.kind == "COMMENT":
                inside = "comment" if token.end >= self._end else ""
            elif text[0] == '"':
                unfinished = len(text) == 1 or not text.endswith('"')
                inside = "text" if unfinished and token.end >= self._end else ""
                quoted = token.start + 1
                self._clause.append('"')
            else:
                statement = statement or text.strip()
                self._token(text)
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
            names = self._clause[:1] == ["each"] and self._clause[-1] != "{}"
            self._end_clause(top, self._clause if names else self._clause[:1] if goes_on else [])
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


def _statement_start(found: Sequence[Token]) -> int:
    """The first token of the statement at the end of some tokens; of the line, where none starts."""
    starts = [n for n, token in enumerate(found) if token.text in STATEMENTS and starts_line(found, n)]
    if not starts:
        return max((n + 1 for n, token in enumerate(found) if token.kind == "_NL"), default=0)
    last = starts[-1]
    before = next((n for n in reversed(starts) if found[n].text != "layers"), last)
    if before < last and found[before].text == "stages":
        # A transition at the start of a line of a table.
        between = [token.text for token in found[before:last]]
        if between.count("{") > between.count("}"):
            return before
    return last
