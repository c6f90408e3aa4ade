"""Splits a file into statements, and statements into parts, by brackets and newlines alone."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Source, Span
from netdsl.diagnostics import Diagnostics, Edit, Fix, Help, Label, add, add_line, write
from netdsl.diagnostics.fixes import edited
from netdsl.language.words import CONTINUATIONS, STATEMENTS
from netdsl.syntax.missing_brackets import MissingBracket, last_before, missing_bracket
from netdsl.syntax.tokens import CLOSING, OPENING, Token, closing, significant, starts_line, tokens

MAX_DEPTH = 64
_TAKES_BODY = ("stem", "head", "layers", "block", "stages", "train", "init")


class Chunk(NamedTuple):
    """A statement: the tokens that the grammar sees, without stray newlines and brackets. `sound`: its
    brackets match. `end` is the end of its text, `documentation` the comment lines directly above it.
    """

    tokens: tuple[Token, ...]
    end: int
    sound: bool
    documentation: str


class StatementSplitter:
    """Splits a file at newlines outside brackets, and reports wrong brackets.

    `reads` says whether a text has no syntax errors: the fix of a bracket with which its statement has is a
    guess.
    """

    def __init__(self, source: Source, diagnostics: Diagnostics, reads: Callable[[str], bool]) -> None:
        self._reads = reads
        self._source = source
        self._tokens = tokens(source)
        self._diagnostics = diagnostics
        self._erased: set[int] = set()

    def chunks(self) -> Iterator[Chunk]:
        """The statements, each with the comment lines directly above it."""
        index = 0
        comments: list[str] = []
        while index < len(self._tokens):
            token = self._tokens[index]
            if token.kind == "COMMENT":
                comments.append(token.text[1:].strip())
                index += 2
            elif token.kind == "_NL":
                comments.clear()
                index += 1
            else:
                end, sound = self._statement_end(index)
                own = (self._tokens[n] for n in range(index, end) if n not in self._erased)
                place = self._tokens[end].start if end < len(self._tokens) else len(self._source.text)
                yield Chunk(tuple(significant(own)), place, sound, "\n".join(comments))
                comments.clear()
                index = end + 1

    def _statement_end(self, start: int) -> tuple[int, bool]:
        """The index of the newline after the statement, and whether its brackets match."""
        opened: list[int] = []
        for index in range(start, len(self._tokens)):
            token = self._tokens[index]
            if token.kind == "_NL":
                if not opened and not self._goes_on(start, index):
                    return index, True
                if opened and self._is_forgotten(opened, index + 1):
                    self._unclosed(start, opened[-1])
                    return index, False
            elif token.text in CLOSING:
                opened.append(index)
                if len(opened) > MAX_DEPTH:
                    message = f"brackets are nested more than {MAX_DEPTH} deep"
                    self._error("NET104", message, token, "reduce the nesting")
                    return self._next_statement(index), False
            elif token.text in OPENING:
                if opened and CLOSING[self._tokens[opened[-1]].text] == token.text:
                    opened.pop()
                elif any(CLOSING[self._tokens[bracket].text] == token.text for bracket in opened):
                    self._unclosed(start, opened[-1], token)
                    return self._next_statement(index), False
                else:
                    fix = Fix("remove it", (Edit(self._span(token), ""),))
                    self._error("NET102", f"unmatched `{token.text}`", token, fix)
                    self._erased.add(index)
            elif token.text[0] == '"' and token.kind == "OTHER":
                inside = token.text.rstrip(")]}, \t")  # brackets after it are not part of it
                place = Span(self._source, token.start, token.start + len(inside))
                help = add(place, '"', safe=" " not in inside)
                self._error("NET101", "the string is not closed", token, help)
                return self._next_statement(index), False
        if opened:
            self._unclosed(start, opened[-1])
            return self._next_statement(start), False
        return len(self._tokens), True

    def _goes_on(self, start: int, newline: int) -> bool:
        """True if a statement continues after a newline: with `else`, or with a `{` that is reported."""
        if newline in self._erased:
            return True  # another newline of the same gap
        after = newline + 1
        while after < len(self._tokens) and self._tokens[after].kind in ("_NL", "COMMENT"):
            after += 1
        following = self._tokens[after].text if after < len(self._tokens) else ""
        if following != "{" or self._tokens[start].text not in _TAKES_BODY:
            return following == "else"
        if any(token.text == "{" for token in self._tokens[start:newline]):
            return False
        self._erased.update(range(newline, after))
        message = "`{` must be on the line of its statement"
        gap = Span(self._source, self._tokens[newline - 1].end, self._tokens[after].start)
        title = "put it at the end of the previous line"
        help = title if gap.text.strip() else Fix(title, (Edit(gap, " "),))
        self._error("NET101", message, self._tokens[after], help)
        return True

    def _starts_statement(self, index: int) -> bool:
        found = self._tokens
        return index < len(found) and found[index].text in STATEMENTS and starts_line(found, index)

    def _is_forgotten(self, opened: list[int], index: int) -> bool:
        """True if a statement begins at a token, though brackets are open that nothing closes. (Where
        something closes them the line is an unindented part of the body.)
        """
        if not self._starts_statement(index):
            return False
        # A line of a table may start with a transition `layers { … }`.
        in_table = self._tokens[index].text == "layers" and len(opened) == 1
        return not in_table and any(bracket not in self._closed for bracket in opened)

    @cached_property
    def _closed(self) -> frozenset[int]:
        """The brackets that something closes, if by a bracket of another kind."""
        closed, opened = set(), []
        for index, token in enumerate(self._tokens):
            if token.text in CLOSING:
                opened.append(index)
            elif token.text in OPENING and opened:
                closed.add(opened.pop())
        return frozenset(closed)

    def _next_statement(self, index: int) -> int:
        """The newline before the next statement."""
        for place in range(index, len(self._tokens)):
            if self._tokens[place].kind == "_NL" and self._starts_statement(place + 1):
                return place
        return len(self._tokens)

    def _tried(self, start: int, fix: Fix) -> Fix:
        """The fix of a statement, a guess if it still has a syntax error."""
        end = self._next_statement(start)
        place = self._tokens[end].start if end < len(self._tokens) else len(self._source.text)
        text = edited(self._source.text[:place], fix.edits)[self._tokens[start].start :]
        return replace(fix, safe=self._diagnostics.explains and self._reads(text))

    def _unclosed(self, start: int, bracket: int, found: Token | None = None) -> None:
        """Reports the bracket that is most likely unclosed: by indentation, else the innermost one.
        That of another kind may have been found in its place.
        """
        opened = self._tokens[bracket]
        closing = CLOSING[opened.text]
        if found is not None and self._closes(start, found, closing):
            message, place = f"`{opened.text}` is closed by `{found.text}`", self._span(found)
            places = [Label(self._span(opened), "opened here")]
            help = self._tried(start, write(place, closing))
            self._diagnostics.error("NET102", message, place, also=places, help=help)
            return
        also: list[Label] = []
        last = last_before(self._tokens, self._next_statement(start))
        help = add(self._span(self._tokens[last]), closing, safe=False)
        if gap := missing_bracket(self._source, start):
            opened = self._tokens[gap.opened]
            closing = CLOSING[opened.text]
            end = self._tokens[gap.last].end
            also = [Label(Span(self._source, end - 1, end), f"`{closing}` is missing after this")]
            help = self._tried(start, self._closed_help(gap, closing))
        elif found is not None:
            also = [Label(self._span(found), f"found instead of `{closing}`")]
        message = f"`{opened.text}` is not closed"
        self._diagnostics.error("NET102", message, self._span(opened), "opened here", also=also, help=help)

    def _closes(self, start: int, wrong: Token, closing: str) -> bool:
        """True if another bracket in place of one closes all brackets of the statement."""
        opened: list[str] = []
        for index in range(start, len(self._tokens)):
            token = self._tokens[index]
            text = closing if token is wrong else token.text
            if text in CLOSING:
                opened.append(text)
            elif text in OPENING and (not opened or CLOSING[opened.pop()] != text):
                return False
            elif token.kind == "_NL" and not opened and token.start > wrong.start:
                return True
            elif index > start and self._starts_statement(index) and token.start > wrong.start:
                return False
        return not opened

    def _closed_help(self, gap: MissingBracket, closing: str) -> Fix:
        """Adds the missing bracket."""
        last = self._tokens[gap.last]
        place = self._span(last)
        rest = self._tokens[gap.last + 1 :]
        line = self._source.position(last.end - 1)[0]
        if rest and rest[0].text in (",", "{", *OPENING):
            end = self._source.text.find("\n", rest[0].start)
            shown = self._source.text[rest[0].start : end if end >= 0 else None].strip()
            where = f" before `{shown if rest[0].text == ',' else rest[0].text}` in line {line}"
            return add(place, closing, where)
        if closing != "}" or not any(t.kind == "_NL" for t in self._tokens[gap.opened : gap.last]):
            return add(place, " }" if closing == "}" else closing, f" at the end of line {line}")
        word = next((token for token in rest if token.kind not in ("_NL", "COMMENT")), None)
        if word and word.text in CONTINUATIONS:
            title = f"write `}} {word.text}` in line {self._source.position(word.start)[0]}"
            return Fix(title, (Edit(Span(self._source, word.start, word.start), "} "),))
        body = self._span(self._tokens[gap.opened]).to(place)
        return add_line(body, closing, f" on a new line after line {line}")

    def _error(self, code: str, message: str, token: Token, help: Help) -> None:
        self._diagnostics.error(code, message, self._span(token), help=help)

    def _span(self, token: Token) -> Span:
        return Span(self._source, token.start, token.end)


class Piece(NamedTuple):
    """A part of a body, a table or a recipe; `follows` on the line of the piece before it."""

    tokens: Sequence[Token]
    follows: bool

    @property
    def start(self) -> int:
        return self.tokens[0].start

    @property
    def end(self) -> int:
        return self.tokens[-1].end


class Parts(NamedTuple):
    """A text without the contents of its outermost braces, and the pieces of each of these bodies. A branch
    is a body of its own.
    """

    outline: tuple[Token, ...]
    bodies: tuple[tuple[Piece, ...], ...]


def _is_each(piece: Sequence[Token]) -> bool:
    """True if a piece is an `each` without its body, with or without a label, which is an error."""
    return any(token.text == "each" for token in piece[:3:2]) and piece[-1].text != "}"


def parts(source: Source, text: Sequence[Token], lines: bool) -> Parts:
    """The parts of a text whose brackets are sound. Commas and `|` separate pieces too, where not `lines`."""
    outline: list[Token] = []
    bodies: list[list[Piece]] = []
    piece: list[Token] = []
    braces = brackets = 0
    follows = branches = False

    def end_piece() -> bool:
        """True if the next piece follows one."""
        if piece:
            bodies[-1].append(Piece(tuple(piece), follows))
            piece.clear()
            return True
        return follows

    index = 0
    while index < len(text):
        token = text[index]
        kind = token.kind
        if kind == "LBRACE" and braces:  # the whole body is a part of the piece
            end = closing(source, token.start)
            last = bisect_left(text, end, index, key=lambda other: other.start)
            if last < len(text) and text[last].start == end:
                piece += text[index : last + 1]
                index = last + 1
                continue
        index += 1
        braces -= kind == "RBRACE"
        if not braces:
            if kind == "RBRACE":
                end_piece()
            elif kind == "LBRACE":
                bodies.append([])
                follows = branches = False
            outline.append(token)
        elif braces > 1 or brackets or kind not in ("_NL", "_COMMA", "VBAR") or (lines and kind != "_NL"):
            piece.append(token)
        elif kind == "_COMMA" and _is_each(piece):
            piece.append(token)  # between the names
        elif kind == "VBAR":
            end_piece()
            if not branches and not bodies[-1]:
                bodies.pop()
            bodies.append([])
            outline.append(token)
            follows, branches = False, True
        else:
            follows = end_piece() and kind == "_COMMA"
        braces += kind == "LBRACE"
        brackets += (kind in ("LPAR", "LSQB")) - (kind in ("RPAR", "RSQB"))
    return Parts(tuple(outline), tuple(map(tuple, bodies)))
