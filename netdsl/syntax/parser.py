"""Text to syntax tree, with human messages for syntax errors.

A file is first split into its top-level statements, then each is parsed by itself, so that an error in
one doesn't affect the others. A statement with an error is parsed part by part.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import Any

from lark import Lark, UnexpectedInput

from netdsl.base import tree
from netdsl.base.source import Source, Span
from netdsl.diagnostics import MAX_DIAGNOSTICS, Diagnostics
from netdsl.language.words import SECTIONS, STATEMENTS, STEPS
from netdsl.other_frameworks.recipe_lines import own_choice
from netdsl.syntax import nodes, parser_tables
from netdsl.syntax.build_nodes import TreeBuilder
from netdsl.syntax.errors.syntax_errors import report_syntax_error
from netdsl.syntax.errors.wrong_lines import APART
from netdsl.syntax.split_statements import Parts, Piece, StatementSplitter, parts, starts_statement

# Bounds, so that reading an unknown file has a bounded cost.
MAX_LENGTH = 100_000
MAX_LINE = 10_000

_WORD = re.compile(r"[A-Za-z_]\w*")
_LINES = {"stages": "row", "train": "entry"}
# The name that a step which can't be parsed would define.
_DEFINES = re.compile(r"(let|save)\s*(?:as\s+|\(\s*\W?|\W)([A-Za-z_]\w*)|([A-Za-z_]\w*)\s*(?::|=(?!=))")
# The rest of a step that couldn't be parsed, not a step: `conv 64, 3, stride=2`.
_ARGUMENT = re.compile(r"[^A-Za-z_]|\w+\s*=(?!=)")
# Their braces are those of another language: `let n = if deep { 3 } else { 2 }`.
_BODILESS = ("let", "save", "from", "default")
# A constant as other languages write it.
_IS_CONSTANT = re.compile(r"[A-Za-z_]\w*\s*=(?!=)[^(]*$")
_LET = "let "
# Steps whose commas are no separators: `order bn, relu, conv`, `add x, y`, `repeat 3, i { … }`.
_LISTED = re.compile(r"(order|repeat|add|concat|mul)\b[^{]*$")


@cache
def _parser() -> Lark:
    return parser_tables.load()


def parse(source: Source, diagnostics: Diagnostics) -> nodes.Program:
    """The program, without the parts that can't be parsed, each of which has a diagnostic."""
    if len(source.text) > MAX_LENGTH:
        help = "move blocks into other files, and import them with `use`"
        diagnostics.error("NET100", f"{source.name} is longer than {MAX_LENGTH:,} characters", help=help)
        return nodes.Program((nodes.Unread("", "", Span(source, 0, 0)),))
    if long := re.search(rf"[^\n]{{{MAX_LINE + 1}}}", source.text):
        span = Span(source, long.start(), long.start() + 1)
        help = "break it after a comma"
        diagnostics.error("NET100", f"a line is longer than {MAX_LINE:,} characters", span, help=help)
        return nodes.Program((nodes.Unread("", "", Span(source, 0, 0)),))
    statements: list[nodes.Statement] = []
    reader = _Reader(source, diagnostics)
    failed = False
    for chunk in StatementSplitter(source, diagnostics).chunks():
        text = chunk.text(source)
        if not text.strip():
            continue
        if not starts_statement(text.strip()) and failed and (text[0] in " \t" or reader.language):
            continue  # it belongs to what couldn't be read
        reader.language = ""
        statement = reader.statement(chunk.start, text) if chunk.sound else None
        failed = statement is None
        if statement is None:
            words = (*_WORD.findall(text)[:2], "", "")
            statement = nodes.Unread(words[0], words[1], Span(source, chunk.start, chunk.end))
        elif isinstance(statement, (nodes.Network, nodes.Block)):
            statement = statement._replace(documentation=chunk.documentation)
        statements.append(statement)
        if failed and diagnostics.errors >= MAX_DIAGNOSTICS:
            break
    return nodes.Program(tuple(statements))


def parse_values(source: Source, diagnostics: Diagnostics) -> tuple[nodes.Expr, ...]:
    """The value of a command-line option: one or more expressions, with commas between."""
    try:
        values: tuple[nodes.Expr, ...] = TreeBuilder(source).transform(_parser().parse(source.text, "values"))
        return values
    except UnexpectedInput:
        span = Span(source, 0, len(source.text))
        plain = source.text.strip("= ").replace("_", "")
        own = plain if plain.isdigit() else own_choice(source.text)
        help = f"write `{own}`" if own else "write a number, a word, or a call such as `sgd(lr=0.1)`"
        diagnostics.error("NET101", f"`{source.text}` is not a value", span, help=help)
        return ()


class _Reader:
    """Parses parts of a source; `start` is the offset of a part."""

    def __init__(self, source: Source, diagnostics: Diagnostics) -> None:
        self._source = source
        self._diagnostics = diagnostics
        self._mistakes = 0
        # Of what couldn't be read last, if it is of another language.
        self.language = ""

    def _parse(self, start: int, text: str, rule: str) -> Any:
        return TreeBuilder(self._source, start).transform(_parser().parse(text, rule))

    def _explain(self, start: int, text: str, rule: str, error: UnexpectedInput) -> None:
        self._mistakes += 1
        self.language = report_syntax_error(
            self._source, start, start + len(text), rule, error, self._diagnostics
        )

    def statement(self, start: int, text: str) -> nodes.Statement | None:
        """The statement, without the parts that can't be parsed; None if nothing can."""
        try:
            return self._parse(start, text, "statement")  # type: ignore[no-any-return]
        except UnexpectedInput as error:
            before = self._mistakes
            word = next(iter(_WORD.findall(text)), "")
            parted = word in STATEMENTS and word not in _BODILESS and "{" in text
            found = self._by_parts(start, text, word, error.pos_in_stream) if parted else None
            if self._mistakes == before:  # what is wrong is how the parts are put together
                self._explain(start, text, "statement", error)
                return self._constant(start, text)
            return found

    def _constant(self, start: int, text: str) -> nodes.Statement | None:
        """The `let` that `width = 32` most likely means, so that uses of the name are still checked."""
        if start < len(_LET) or not _IS_CONSTANT.match(text):
            return None
        try:
            return self._parse(start - len(_LET), _LET + text, "statement")  # type: ignore[no-any-return]
        except UnexpectedInput:
            return None

    def _by_parts(self, start: int, text: str, word: str, place: int | None) -> nodes.Statement | None:
        rule = _LINES.get(word)
        found = parts(text, lines=rule is not None)
        outline = found.outline
        if word == "stages":  # a table has a header
            brace = outline.index("{")
            outline = outline[:brace] + "{\nx\n}"
        try:
            node = self._parse(start, outline, "statement")
        except UnexpectedInput as error:
            if word == "stages" and "\n" not in text:
                return None
            self._explain(start, text[: _end_of_head(text, error)], "statement", error)
            node = None
        pieces = found.bodies[0] if len(found.bodies) == 1 else ()
        match node:
            case nodes.Section() | nodes.Block():
                return node._replace(body=self._bodies(start, text, (node.body,), found, place)[0])
            case nodes.Stages():
                return self._table(node, start, text, pieces)
            case nodes.Train():
                return node._replace(entries=self._each(start, text, pieces, "entry"))
            case nodes.Init():
                return node._replace(rules=self._each(start, text, pieces, "init_rule"))
        if word in (*SECTIONS, "block"):
            for body in found.bodies:
                self._steps(start, text, body, place)
        return None

    def _each(self, start: int, text: str, pieces: Iterable[Piece], rule: str) -> tuple[Any, ...]:
        """The lines, with `Unread` for those that can't be parsed."""
        return tuple(self._line(start + piece.start, text[piece.start : piece.end], rule) for piece in pieces)

    def _line(self, start: int, text: str, rule: str) -> Any:
        if self._mistakes < MAX_DIAGNOSTICS:
            try:
                return self._parse(start, text, rule)
            except UnexpectedInput as error:
                self._explain(start, text, rule, error)
        return nodes.Unread("", "", Span(self._source, start, start + len(text)))

    def _table(
        self, table: nodes.Stages, start: int, text: str, pieces: tuple[Piece, ...]
    ) -> nodes.Stages | None:
        header = next(iter(self._each(start, text, pieces[:1], "header")), None)
        rows = tuple(self._row(start + piece.start, text[piece.start : piece.end]) for piece in pieces[1:])
        return (
            None
            if header is None or isinstance(header, nodes.Unread)
            else table._replace(header=header, rows=rows)
        )

    def _row(self, start: int, text: str) -> nodes.Row | nodes.Section | nodes.Unread:
        """A line of a table; one that is wrong is read without the space before the parenthesis of a call."""
        if text.startswith("layers"):
            found = self.statement(start, text)
            return (
                found
                if isinstance(found, nodes.Section)
                else nodes.Unread("", "", Span(self._source, start, start + len(text)))
            )
        row: nodes.Row | nodes.Unread = self._line(start, text, "row")
        if isinstance(row, nodes.Unread) and (moved := APART.sub(r"\2\1(", text)) != text:
            with suppress(UnexpectedInput):
                row = self._parse(start, moved, "row")
        return row

    # steps

    def _bodies(
        self, start: int, text: str, empty: tuple[nodes.Body, ...], found: Parts, place: int | None
    ) -> list[nodes.Body]:
        """The bodies with their steps; as they are where text and tree don't agree."""
        if len(empty) != len(found.bodies):
            return list(empty)
        return [
            nodes.Body(self._steps(start, text, pieces, place), body.span)
            for body, pieces in zip(empty, found.bodies, strict=True)
        ]

    def _steps(
        self, start: int, text: str, pieces: tuple[Piece, ...], place: int | None
    ) -> tuple[nodes.Step, ...]:
        """The steps of a body. `place` is where in the text the first of them is wrong, if that is known: all
        before it are read at once, and so are those after it, up to the next.
        """
        steps: list[nodes.Step] = []
        inside = place is not None and pieces and pieces[0].start <= place <= pieces[-1].end
        wrong = place if inside else None
        while pieces and self._mistakes < MAX_DIAGNOSTICS:
            if wrong is None:
                read, wrong = self._run(start, text, pieces)
                if wrong is None:
                    return (*steps, *read)
            sound = bisect_right(pieces, wrong, key=lambda piece: piece.start) - 1
            if sound > 0:
                steps += self._run(start, text, pieces[:sound])[0]
            piece = pieces[max(0, sound)]
            step = self._step(start + piece.start, text[piece.start : piece.end], wrong - piece.start)
            steps.append(step)
            pieces = pieces[max(0, sound) + 1 :]
            if isinstance(step, nodes.Unread):
                listed = bool(_LISTED.match(text, piece.start, piece.end))
                pieces = self._after_unread(text, pieces, listed=listed)
            wrong = None
        return tuple(steps)

    def _run(
        self, start: int, text: str, pieces: tuple[Piece, ...]
    ) -> tuple[tuple[nodes.Step, ...], int | None]:
        """Steps read at once, or the place where one of them is wrong."""
        begin, end = pieces[0].start, pieces[-1].end
        try:
            body: nodes.Body = self._parse(start + begin - 1, f"{{{text[begin:end]}\n}}", "body")
            return body.steps, None
        except UnexpectedInput as error:
            place = error.pos_in_stream if error.pos_in_stream is not None else -1
            return (), begin + place - 1 if 0 <= place <= end - begin else end

    def _after_unread(self, text: str, pieces: tuple[Piece, ...], *, listed: bool) -> tuple[Piece, ...]:
        """Without the pieces that are the rest of what couldn't be read: `conv 64, 3, stride=2`, or, where
        steps are `listed` there, `order bn, relu, conv`.
        """
        for index, piece in enumerate(pieces):
            goes_on = piece.follows or self.language == "Darknet"
            if not goes_on or not (listed or _ARGUMENT.match(text[piece.start : piece.end])):
                return pieces[index:]
        return ()

    def _step(self, start: int, text: str, place: int | None) -> nodes.Step:
        """One step, of which it is known where it is wrong."""
        before = self._mistakes
        step = self._step_by_parts(start, text, place) if "{" in text else None
        if self._mistakes == before:
            try:
                return self._parse(start, text, "step")  # type: ignore[no-any-return]
            except UnexpectedInput as error:
                self._explain(start, text, "step", error)
                step = None
        if step is not None:
            return step
        defined = _DEFINES.match(text)
        kind, name = (defined[1] or "label", defined[2] or defined[3]) if defined else ("", "")
        return nodes.Unread(kind, name, Span(self._source, start, start + len(text)))

    def _step_by_parts(self, start: int, text: str, place: int | None) -> nodes.Step | None:
        first = _WORD.match(text)
        if first is None or first[0] not in STEPS or first[0] in _BODILESS:
            return None
        found = parts(text, lines=False)
        try:
            step: nodes.Step = self._parse(start, found.outline, "step")
        except UnexpectedInput as error:
            self._explain(start, text[: _end_of_head(text, error)], "step", error)
            for body in found.bodies:
                self._steps(start, text, body, place)
            return None
        return tree.with_bodies(step, self._bodies(start, text, tree.bodies(step), found, place))


def _end_of_head(text: str, error: UnexpectedInput) -> int:
    """The end of the text before the brace that follows an error."""
    place = error.pos_in_stream
    brace = text.find("{", place + 1) if place is not None and place >= 0 else -1
    return len(text) if brace < 0 else brace
