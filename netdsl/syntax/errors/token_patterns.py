"""Tables of known mistakes: patterns over tokens, each with the text in place of the tokens.

A table is text. A line without indentation is the message of the rules below it:

    the key of an argument is followed by `=`
      <word> ^RPAR : <value>      => {word}={value}

Items of a pattern are separated by blanks. `<word>` matches tokens of a kind and keeps their text under the
name of the kind, or under another one: `<word:key>`. `[:=]` is one of these tokens, `x|y` one of these words,
`?` makes an item optional, and all others are tokens themselves. `^` is the place of the first wrong token;
`^RPAR` needs that this terminal could be there, `^-RPAR` that it couldn't. `step:` restricts a rule to a rule
of the grammar, or to texts that start with this word. Only the tokens between `>>` and `<<` are replaced, if
there are any. `⏎` is the end of the line; without a `^`, a pattern matches a whole line.

Behind the `=>` is the text in place of the tokens, none if they are to be removed, or a function, `@name`;
the reason follows `;;`. `=>?` is a guess. Behind a `!` is a sentence, behind a `~` the language of a text.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple, TypeAlias

from netdsl.base.source import Source, Span
from netdsl.diagnostics import Edit, Fix, Help, listing
from netdsl.syntax.tokens import CLOSING, OPENING, Token

# The mark of the first wrong token, which no token has.
_MARK = "\x00"
_WORD, _ANY = r"[A-Za-z_]\w*\n", rf"[^{_MARK}\n]+\n"
_PLAIN = rf"[^()\[\]{{}}{_MARK}\n][^\n]*\n"
_FLAT = rf"(?:{_PLAIN}|[(\[]\n(?:{_PLAIN})*[)\]]\n)"
_DEEP = rf"(?:{_PLAIN}|[(\[]\n{_FLAT}*[)\]]\n)"
_NUMBER = r"\.?[0-9][^\n]*\n"
_DOTTED = rf"{_WORD}(?:\.{_WORD})*"
_TEXT = r"[\"'][^\n]*\n"
_INSIDE = rf"\(\n{_DEEP}*\)\n|\[\n{_DEEP}*\]\n"
_VALUE = rf"(?:-\n)?(?:{_DOTTED}(?:\(\n{_DEEP}*\)\n)?|{_NUMBER}|{_TEXT}|{_INSIDE})"
_KINDS = {
    "word": _WORD,
    "dotted": _DOTTED,
    "n": _NUMBER,
    "text": _TEXT,
    "attribute": r"\.[A-Za-z_]\w*\n",
    "value": _VALUE,
    "sum": rf"{_VALUE}(?:(?:[-+*/]|//)\n{_VALUE})*",
    "call": rf"{_DOTTED}(?:\(\n{_DEEP}*\)\n)*",
    "args": rf"{_DEEP}*?",
    "token": _ANY,
    "rest": rf"(?:{_ANY})+",
    "any": rf"(?:{_ANY})*?",
}
_SPECIAL = {">>": "(?P<edited>", "<<": ")", "⏎": r"\Z"}
_KIND = re.compile(r"<(\w+)(?::(\w+))?>(\??)")


class Line(NamedTuple):
    """The tokens around a mistake and the index of the first wrong one, the terminals that could be there,
    the rule of the grammar, and the first word of the text that it doesn't match.
    """

    source: Source
    tokens: Sequence[Token]
    wrong: int
    expected: frozenset[str]
    rule: str
    first: str

    def span(self, first: int, end: int) -> Span:
        """From a token to before another one; the place before the first, if these are none."""
        if first < end:
            return Span(self.source, self.tokens[first].start, self.tokens[end - 1].end)
        place = self.tokens[first - 1].end if first else self.tokens[0].start
        return Span(self.source, place, place)


class Mistake(NamedTuple):
    """The message and the help of a known mistake, the place if it isn't that of the first wrong token, the
    language that a whole text is of, and the end of the text that it is about.
    """

    message: str
    help: Help
    place: Span | None = None
    language: str = ""
    end: int = 0


PASTED = "write its layers in a section, such as `stem { conv(16, 3), bn, relu }`"


@dataclass(frozen=True, slots=True)
class Found:
    """A rule that matches: the line, the place that it replaces, and the texts of its items by name."""

    message: str
    line: Line
    span: Span
    texts: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.texts[name]

    def filled(self, template: str) -> str:
        """A template with the texts."""
        return re.sub(r"{(\w+)}", lambda name: self[name[1]], template).replace("\\n", "\n")

    def write(self, text: str, why: str = "", *, safe: bool = True) -> Mistake:
        """The mistake whose fix replaces what matches; removes it where there is no text."""
        shown = (
            f"write {listing(map(str.strip, text.strip().split(chr(10))))}" if text.strip() else "remove it"
        )
        shown = "start a new line" if text == "\n" else shown
        fix = Fix(f"{shown}{why}", (Edit(self.span, text),), safe)
        return Mistake(self.filled(self.message), fix, self.span)


Function: TypeAlias = Callable[[Found], Mistake | None]


class Rule(NamedTuple):
    """One rule of a table. `wanted` and `refused` are terminals at the place of the mistake."""

    message: str
    only: str
    pattern: str
    wanted: frozenset[str]
    refused: frozenset[str]
    text: str
    why: str
    kind: str
    function: Function | None

    def mistake(self, line: Line, marked: Encoded, plain: Encoded) -> Mistake | None:
        """The mistake in a line; None where the rule doesn't match it."""
        if self.only not in ("", line.rule, line.first):
            return None
        if not self.wanted <= line.expected or self.refused & line.expected:
            return None
        found = (marked if _MARK in self.pattern else plain).find(self.pattern, self.message)
        if found is None or self.function:
            return self.function(found) if self.function and found else None
        if self.kind == "~":
            return Mistake(found.filled(self.message), PASTED, found.span, self.text)
        if self.kind == "!":
            return Mistake(found.filled(self.message), found.filled(self.text), found.span)
        return found.write(found.filled(self.text), found.filled(self.why), safe=self.kind == "=>")


class Encoded:
    """The tokens of a line as a text with a token in each line of it, in which patterns are searched."""

    def __init__(self, line: Line, *, marked: bool) -> None:
        self._line = line
        self._parts = [token.text.replace("\n", "⏎") + "\n" for token in line.tokens]
        self._mark = line.wrong if marked else -1

    @cached_property
    def _starts(self) -> list[int]:
        starts, place = [], 0
        for index, part in enumerate(self._parts):
            place += 2 * (index == self._mark)
            starts.append(place)
            place += len(part)
        return starts

    @cached_property
    def _text(self) -> str:
        if self._mark < 0:
            return "".join(self._parts)
        before, after = self._parts[: self._mark], self._parts[self._mark :]
        return f"{''.join(before)}{_MARK}\n{''.join(after)}"

    def find(self, pattern: str, message: str) -> Found | None:
        regex = _compiled(pattern)
        match = (regex.search if self._mark >= 0 else regex.fullmatch)(self._text)
        if match is None:
            return None

        def span(name: str | int) -> Span:
            start, end = match.span(name)
            return self._line.span(bisect_left(self._starts, start), bisect_left(self._starts, end))

        edited = span("edited" if "edited" in match.groupdict() else 0)
        texts = {name: span(name).text for name, text in match.groupdict().items() if text is not None}
        return Found(message, self._line, edited, {**dict.fromkeys(match.groupdict(), ""), **texts})


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    start = r"(?:^|(?<=\n))" if _MARK in pattern else ""
    items = pattern.split()
    if ">>" in items and "<<" not in items:
        items.append("<<")
    return re.compile(start + "".join(map(_item, items)))


def _item(item: str) -> str:
    if item == _MARK:
        return f"{_MARK}\n"
    if item in _SPECIAL:
        return _SPECIAL[item]
    if kind := _KIND.fullmatch(item):
        return f"(?P<{kind[2] or kind[1]}>{_KINDS[kind[1]]}){kind[3]}"
    optional = "?" if len(item) > 1 and item.endswith("?") else ""
    item = item.removesuffix("?") if optional else item
    if len(item) > 2 and item.startswith("[") and item.endswith("]"):
        one = "|".join(map(re.escape, item[1:-1]))
    elif re.fullmatch(r"[\w-]+(\|\w+)+", item):
        one = item
    else:
        one = re.escape(item)
    return rf"(?:(?:{one})\n){optional}"


def read_table(text: str, functions: Mapping[str, Function]) -> list[Rule]:
    """The rules of a table, in its order."""
    rules, message = [], ""
    for line in filter(str.strip, text.split("\n")):
        if not line.startswith(" "):
            message = line.strip()
            continue
        pattern, kind, result = re.split(r"\s+(=>\??|!|~)(?:\s|$)", line.strip(), maxsplit=1)
        items = pattern.split()
        only = items.pop(0)[:-1] if re.fullmatch(r"\w+:", items[0]) else ""
        marks = [item for item in items if item.startswith("^") and (len(item) > 1 or item == "^")]
        terminals = [name for mark in marks for name in mark[1:].split(",") if name]
        items = [_MARK if item in marks else item for item in items]
        new, _, why = result.strip().partition(" ;;")
        rules.append(
            Rule(
                message,
                only,
                " ".join(items),
                frozenset(name for name in terminals if not name.startswith("-")),
                frozenset(name[1:] for name in terminals if name.startswith("-")),
                new.strip(),
                why.replace("\\n", "\n"),
                kind,
                functions[new.strip()[1:]] if new.strip().startswith("@") else None,
            )
        )
    return rules


def first_mistake(rules: Sequence[Rule], line: Line) -> Mistake | None:
    """The mistake of the first rule that matches a line; none in a line without tokens."""
    if not line.tokens:
        return None
    marked, plain = Encoded(line, marked=True), Encoded(line, marked=False)
    return next(filter(None, (rule.mistake(line, marked, plain) for rule in rules)), None)


# The number of tokens before and after a mistake that are looked at.
_AROUND = 40


def line_around(
    source: Source,
    found: Sequence[Token],
    start: int,
    place: int,
    expected: frozenset[str],
    rule: str,
    word: str,
) -> Line:
    """The tokens of a source from an offset to the end of the line of a mistake, without comments."""
    first = bisect_left(found, start, key=lambda token: token.start)
    wrong = bisect_left(found, place, key=lambda token: token.start)
    end, depth = wrong, 0
    while end < len(found) and found[end].kind != "_NL" and end - wrong < _AROUND:
        end += 1
    around = found[max(first, wrong - _AROUND) : end]
    tokens = []
    for token in around:
        depth += (token.text in CLOSING) - (token.text in OPENING)
        if depth < 0:  # it closes the body around the line
            break
        if token.kind != "COMMENT":
            tokens.append(token)
    at = bisect_right([token.start for token in tokens], place - 1)
    return Line(source, tokens, at, expected, rule, word)
