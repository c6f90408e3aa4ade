"""Tables of known mistakes: patterns over tokens, each with the text in place of the tokens.

A table is text. A line without indentation is the message of the rules below it:

    the key of an argument is followed by `=`
      <word> ^RPAR : <value>      => {word}={value}

Items of a pattern are separated by blanks. `<word>` matches tokens of a kind and keeps their text under the
name of the kind, or under another one: `<word:key>`. `[:=]` is one of these tokens, `x|y` one of these words,
`<x|y:name>` and `<[:=]:name>` keep which. `?` makes an item optional, and all others are tokens themselves.
`^` is the place of the first wrong token; `^RPAR` needs that this terminal could be there, `^-RPAR` that it
couldn't. `step|row:` restricts a rule to rules of the grammar, or to texts that start with one of these
words. Only the tokens between `>>` and `<<` are replaced, if there are any. `⏎` is the end of the line;
without a `^`, a pattern matches the text that the grammar refuses, up to a `{`, or its whole line.

Behind the `=>` is the text in place of the tokens, none if they are to be removed, or a function, `@name`;
the reason follows `;;`. `=>?` is a guess. In the text, `…` is the body that the line opens, `{bare}` a text
without its quotes, `{item|filter}` the result of one of `FILTERS`, without which the rule doesn't match, and
`{item,kind}` the parts of a kind with commas between them, `{item;kind}` with spaces. Behind a `!` is a
sentence, behind a `~` the language of a text.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, TypeAlias

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Source, Span
from netdsl.diagnostics import Edit, Fix, Help, listing
from netdsl.language.words import CONTINUATIONS, STATEMENTS, STEPS
from netdsl.syntax.errors.filters import FILTERS
from netdsl.syntax.errors.line_fixes import write_body
from netdsl.syntax.errors.token_kinds import GIVEN, KINDS, MARK
from netdsl.syntax.tokens import CLOSING, OPENING, Token

_SPECIAL = {">>": "(?P<edited>", "<<": ")", "⏎": r"\Z"}
_KIND = re.compile(r"<(\[[^\]]+\]|[\w.|]+)(?::(\w+))?>(\??)")


class Line(NamedTuple):
    """The tokens around a mistake and the index of the first wrong one, the terminals that could be there,
    the rule of the grammar, and the first word of the text that it doesn't match.

    `forms` are the refused text up to a `{`, and the line; `whole` says that it ends in its first line.
    """

    source: Source
    tokens: Sequence[Token]
    wrong: int
    expected: frozenset[str]
    rule: str
    first: str
    forms: Sequence[Sequence[Token]] = ()
    whole: bool = True

    def span(self, first: int, end: int) -> Span:
        """From a token to before another one; the place before the first, if these are none."""
        return _span(self.source, self.tokens, first, end)

    @property
    def owners(self) -> tuple[str, ...]:
        """The names that restrict rules: the rule of the grammar, the word of a statement or step."""
        if self.rule == "statement" and self.first in STATEMENTS:
            return (self.first,)
        return (self.rule, self.first) if self.rule == "step" and self.first in STEPS else (self.rule,)


def _span(source: Source, tokens: Sequence[Token], first: int, end: int) -> Span:
    if first < end:
        return Span(source, tokens[first].start, tokens[end - 1].end)
    place = tokens[first - 1].end if first else tokens[0].start
    return Span(source, place, place)


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
    """A rule that matches: the line, the span that it replaces without the `{` at its end, the offset of this
    brace, and the places of its items in the encoded tokens, by name.
    """

    message: str
    line: Line
    span: Span
    brace: int | None
    encoded: Encoded
    places: Mapping[str, tuple[int, int]]

    def __getitem__(self, name: str) -> str:
        """The text of an item; empty if the rule has none of this name."""
        text = self.encoded.text(*self.places.get(name, (-1, -1)))
        return text.strip("\"'") if name == "bare" else text

    def pieces(self, name: str, kind: str) -> list[str]:
        """The parts of a kind in an item, in order."""
        return self.encoded.texts(kind, *self.places[name])

    def filled(self, template: str) -> str:
        """A template with the texts of the items; empty if a filter has none."""

        def text(match: re.Match[str]) -> str:
            name, sign, other = match.groups()
            if sign in (",", ";"):
                return {",": ", ", ";": "  "}[sign].join(self.pieces(name, other))
            own = FILTERS[other](self[name]) if sign else self[name]
            failed.append(bool(sign) and not own)
            return own

        failed: list[bool] = []
        full = re.sub(r"{(\w+)(?:([|,;])(\w+))?}", text, template).replace("\\n", "\n")
        return "" if any(failed) else full

    def write(self, text: str, why: str = "", *, safe: bool = True) -> Mistake:
        """The mistake whose fix replaces what matches; removes it where there is no text."""
        shown = (
            f"write {listing(map(str.strip, text.strip().split(chr(10))))}" if text.strip() else "remove it"
        )
        shown = "start a new line" if text == "\n" else shown
        if "…" in text or self.brace is not None:
            title = f"{shown}{why}"
            help = write_body(text, title, self.span, self.brace, safe=safe, whole=self.line.whole)
            return self.says(help)
        return self.says(Fix(f"{shown}{why}", (Edit(self.span, text),), safe))

    def says(self, help: Help, language: str = "") -> Mistake:
        """The mistake with another help."""
        return Mistake(self.filled(self.message), help, self.span, language)


Function: TypeAlias = Callable[[Found], Mistake | None]


class Rule(NamedTuple):
    """One rule of a table. `wanted` and `refused` are terminals at the place of the mistake; `literals` are
    tokens that each text has which it matches.
    """

    message: str
    only: frozenset[str]
    pattern: str
    literals: frozenset[str]
    wanted: frozenset[str]
    refused: frozenset[str]
    text: str
    why: str
    kind: str
    function: Function | None

    def mistake(self, encoded: Encoded) -> Mistake | None:
        """The mistake in a line; None where the rule doesn't match it, or its fix changes nothing."""
        line = encoded.line
        if not self.literals <= encoded.words or (self.only and self.only.isdisjoint(line.owners)):
            return None
        if not self.wanted <= line.expected or self.refused & line.expected:
            return None
        found = encoded.find(self.pattern, self.message)
        mistake = (self.function or self._filled)(found) if found else None
        fix = mistake and mistake.help
        idle = isinstance(fix, Fix) and all(edit.new_text == edit.span.text for edit in fix.edits)
        return None if idle else mistake

    def _filled(self, found: Found) -> Mistake | None:
        if self.kind == "~":
            return found.says(PASTED, self.text)
        text = found.filled(self.text)
        if not text and self.text:
            return None
        if self.kind == "!":
            return found.says(text)
        return found.write(text, found.filled(self.why), safe=self.kind == "=>")


class Encoded:
    """Tokens of a line as a text with a token in each line of it, in which patterns are searched."""

    def __init__(self, line: Line, tokens: Sequence[Token], *, marked: bool) -> None:
        self.line = line
        self._tokens = tokens
        self.words = {token.text for token in tokens}
        self._parts = [token.text.replace("\n", "⏎") + "\n" for token in tokens]
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
        return f"{''.join(before)}{MARK}\n{''.join(after)}"

    def find(self, pattern: str, message: str) -> Found | None:
        regex = _compiled(pattern)
        match = (regex.search if self._mark >= 0 else regex.fullmatch)(self._text)
        if match is None:
            return None

        edited = "edited" if "edited" in match.groupdict() else 0
        first, end = self._inside(*match.span(edited))
        opens = self._mark < 0 and first < end - 1 and self._tokens[end - 1].text == "{"
        brace = self._tokens[end - 1].start if opens else None
        span = _span(self.line.source, self._tokens, first, end - opens)
        places = {name: match.span(name) for name in match.groupdict()}
        return Found(message, self.line, span, brace, self, places)

    def texts(self, kind: str, start: int, end: int) -> list[str]:
        """The texts of a kind between two places."""
        return [
            self.text(*match.span()) for match in re.compile(KINDS[kind]).finditer(self._text, start, end)
        ]

    def _inside(self, start: int, end: int) -> tuple[int, int]:
        return bisect_left(self._starts, start), bisect_left(self._starts, end)

    def text(self, start: int, end: int) -> str:
        """The text of the tokens between two places; empty for places before the first."""
        return _span(self.line.source, self._tokens, *self._inside(start, end)).text if start < end else ""


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    start = r"(?:^|(?<=\n))" if MARK in pattern else ""
    items = pattern.split()
    if ">>" in items and "<<" not in items:
        items.append("<<")
    return re.compile(start + "".join(map(_item, items)))


def _item(item: str) -> str:
    if item == MARK:
        return f"{MARK}\n"
    if item in _SPECIAL:
        return _SPECIAL[item]
    if kind := _KIND.fullmatch(item):
        pattern = KINDS.get(kind[1]) or rf"(?:{_words(kind[1])})\n"
        return f"(?P<{kind[2] or kind[1]}>{pattern}){kind[3]}"
    optional = "?" if len(item) > 1 and item.endswith("?") else ""
    return rf"(?:(?:{_words(item.removesuffix('?') if optional else item)})\n){optional}"


def _words(item: str) -> str:
    """The pattern of a token, of one of some signs, or of one of some words."""
    if len(item) > 2 and item.startswith("[") and item.endswith("]"):
        return "|".join(map(re.escape, item[1:-1]))
    return "|".join(map(re.escape, item.split("|") if re.fullmatch(_WORDS, item) else [item]))


_WORDS = r"[\w.-]+(\|[\w.-]+)+"


def _is_literal(item: str) -> bool:
    """True for an item that is a token itself."""
    kind = item in _SPECIAL or item == MARK or _KIND.fullmatch(item) or re.fullmatch(_WORDS, item)
    optional = len(item) > 1 and item.endswith("?")
    return not (kind or optional or (len(item) > 2 and item.startswith("[")))


def read_table(text: str, functions: Mapping[str, Any]) -> list[Rule]:
    """The rules of a table, in its order. `@name` is the function `_name` of a module."""
    rules, message = [], ""
    for line in filter(str.strip, text.split("\n")):
        if not line.startswith(" "):
            message = line.strip()
            continue
        pattern, kind, result = re.split(r"\s+(=>\??|!|~)(?:\s|$)", line.strip(), maxsplit=1)
        items = pattern.split()
        only = items.pop(0)[:-1].split("|") if re.fullmatch(r"[\w|]+:", items[0]) else ()
        marks = [item for item in items if item.startswith("^") and (len(item) > 1 or item == "^")]
        terminals = [name for mark in marks for name in mark[1:].split(",") if name]
        items = [MARK if item in marks else item for item in items]
        new, _, why = result.strip().partition(" ;;")
        rules.append(
            Rule(
                message,
                frozenset(only),
                " ".join(items),
                frozenset(filter(_is_literal, items)),
                frozenset(name for name in terminals if not name.startswith("-")),
                frozenset(name[1:] for name in terminals if name.startswith("-")),
                new.strip(),
                why.replace("\\n", "\n"),
                kind,
                functions[f"_{new.strip()[1:]}"] if new.strip().startswith("@") else None,
            )
        )
    return rules


def mistake_of(rules: Sequence[Rule], line: Line) -> Mistake | None:
    """The mistake of the first rule without a mark that matches the text, or else the line."""
    for form in line.forms:
        encoded = Encoded(line, form, marked=False)
        if found := next(filter(None, (rule.mistake(encoded) for rule in rules)), None):
            return found
    return None


def mistake_at(rules: Sequence[Rule], line: Line) -> Mistake | None:
    """The mistake of the first rule with a mark that matches at the first wrong token."""
    if not line.tokens:
        return None
    encoded = Encoded(line, line.tokens, marked=True)
    return next(filter(None, (rule.mistake(encoded) for rule in rules)), None)


# The number of tokens before and after a mistake that are looked at.
_AROUND = 40
# The first words of steps that go on behind a comma.
_LISTED = ("skip", "repeat", "each", "when", "order", "add", "concat", "mul")


def line_around(
    source: Source, found: Sequence[Token], text: Sequence[Token], place: int, fault: Set[str], rule: str
) -> Line:
    """The tokens of a source from the start of a refused text to the end of the line of its mistake, without
    comments.
    """
    first = bisect_left(found, text[0].start, key=lambda token: token.start)
    wrong = bisect_left(found, place, key=lambda token: token.start)
    line = _body_of(found, max(first, wrong - _AROUND), _line_end(found, wrong))
    at = bisect_right([token.start for token in line], place - 1)
    own = _body_of(found, first, _line_end(found, first))
    inside = sum(token.start < text[-1].end for token in own)
    end = _listed(own, inside) if rule == "step" else inside
    brace = next((n for n, token in enumerate(own[: end + 1]) if token.text == "{" and n), end)
    forms = [own[: brace + (brace < len(own) and own[brace].text == "{")], own[: max(end, brace + 1)], line]
    whole = not any(token.kind == "_NL" for token in found[first : first + len(text)])
    distinct = [form for n, form in enumerate(forms) if form and form not in forms[:n]]
    return Line(source, line, at, frozenset(fault), rule, text[0].text, distinct, whole)


def _line_end(found: Sequence[Token], index: int) -> int:
    end = index
    while end < len(found) and found[end].kind != "_NL" and end - index < _AROUND:
        end += 1
    return end


def _body_of(found: Sequence[Token], first: int, end: int) -> list[Token]:
    """Tokens without comments, up to one that closes the body around them."""
    depth, tokens = 0, []
    for index, token in enumerate(found[first:end], first):
        if token.kind == "_NL" and index + 1 < end and found[index + 1].text in CONTINUATIONS:
            continue  # the grammar doesn't see it
        depth += (token.text in CLOSING) - (token.text in OPENING)
        if depth < 0:
            break
        if token.kind != "COMMENT":
            tokens.append(token)
    return tokens


def _listed(line: Sequence[Token], end: int) -> int:
    """The end of `conv 64, 3`, of `skip conv(64, 3), bn` or `order bn, relu, conv`, where a step was taken to
    end at the comma.
    """
    texts = [token.text for token in line]
    if not texts or "{" in texts[:end]:
        return end
    if (texts[0] in _LISTED and texts[1:2] != ["("]) or line[0].kind == "SIZE":
        return next((n for n in range(end, len(texts)) if texts[n] in ("|", "{")), len(texts))
    if [token.kind for token in line[:2]] in (["NAME", "NUMBER"], ["NAME", "SIZE"]):
        rest = "".join(text.replace("\n", "⏎") + "\n" for text in texts[end:])
        more = re.match(rf"(?:,\n{GIVEN})*", rest)
        return end + (more[0].count("\n") if more else 0)
    return end
