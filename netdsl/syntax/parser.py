"""Text to syntax tree, with human messages for syntax errors.

A file is first split into its top-level statements, then each is parsed by itself, so that an error in
one doesn't affect the others. A statement with an error is parsed part by part.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from netdsl.base import tree
from netdsl.base.source import MAX_LENGTH, Source, Span
from netdsl.diagnostics import MAX_DIAGNOSTICS, Diagnostics, Help, write
from netdsl.language.words import SECTIONS, STATEMENTS, STEPS
from netdsl.syntax import lalr, nodes
from netdsl.syntax.lalr import SyntaxFault
from netdsl.syntax.split_statements import Parts, Piece, StatementSplitter, parts
from netdsl.syntax.tokens import Token, made, significant, tokens

# A bound, as MAX_LENGTH, so that reading an unknown file has a bounded cost.
MAX_LINE = 10_000

_LINES = {"stages": "row", "train": "entry"}
# Their braces are those of another language: `let n = if deep { 3 } else { 2 }`.
_BODILESS = ("let", "save", "from", "default", "output", "detect")
# Steps whose commas are no separators: `order bn, relu, conv`, `add x, y`, `repeat 3, i { … }`.
_LISTED = ("order", "repeat", "each", "add", "concat", "mul")


def parse(source: Source, diagnostics: Diagnostics, *, trial: bool = False) -> nodes.Program:
    """The program, without the parts that can't be parsed, each of which has a diagnostic.

    A `trial` doesn't try the fixes of its own errors.
    """
    if len(source.text) > MAX_LENGTH:
        help = "move blocks into other files, and import them with `use`"
        diagnostics.error("NET100", f"{source.name} is longer than {MAX_LENGTH:,} characters", help=help)
        return nodes.Program((nodes.Unread("", "", Span(source, 0, 0)),))
    place = 0
    for line in source.text.split("\n"):
        if len(line) > MAX_LINE:
            message, help = f"a line is longer than {MAX_LINE:,} characters", "break it after a comma"
            diagnostics.error("NET100", message, Span(source, place, place + 1), help=help)
            return nodes.Program((nodes.Unread("", "", Span(source, 0, 0)),))
        place += len(line) + 1
    statements: list[nodes.Statement] = []
    reader = _Reader(source, diagnostics)
    failed = False
    reads = (lambda text: False) if trial else _reads
    for chunk in StatementSplitter(source, diagnostics, reads).chunks():
        if not chunk.tokens:
            continue
        first = chunk.tokens[0]
        if first.text not in STATEMENTS and failed:
            indented = first.start > 0 and source.text[first.start - 1] in " \t"
            if indented or reader.language or first.start < reader.covered:
                continue  # it belongs to what couldn't be read
        reader.language = ""
        statement = reader.statement(chunk.tokens) if chunk.sound else None
        failed = statement is None
        if statement is None:
            words = [token.text for token in chunk.tokens if token.kind == "NAME"][:2] + ["", ""]
            statement = nodes.Unread(
                reader.own_word(words[0]), words[1], Span(source, first.start, chunk.end)
            )
        elif isinstance(statement, (nodes.Network, nodes.Block)):
            statement = statement._replace(documentation=chunk.documentation)
        statements.append(statement)
        if reader.of_whole_file and len(statements) == 1:
            break
        if failed and diagnostics.errors >= MAX_DIAGNOSTICS:
            break
    return nodes.Program(tuple(statements))


def _reads(text: str) -> bool:
    """True if a text has no syntax errors."""
    diagnostics = Diagnostics()
    parse(Source("", text), diagnostics, trial=True)
    return not diagnostics.errors


def parse_head(source: Source) -> nodes.Program:
    """The statements `network` and `variant` of a sound file; the others are not parsed."""
    reader = _Reader(source, Diagnostics())
    splitter = StatementSplitter(source, Diagnostics(), lambda text: False)
    chunks = (c for c in splitter.chunks() if c.tokens and c.sound)
    statements: list[nodes.Statement] = []
    for chunk in chunks:
        if chunk.tokens[0].text in ("network", "variant") and (found := reader.statement(chunk.tokens)):
            if isinstance(found, nodes.Network):
                found = found._replace(documentation=chunk.documentation)
            statements.append(found)
    return nodes.Program(tuple(statements))


def parse_values(source: Source, diagnostics: Diagnostics) -> tuple[nodes.Expr, ...]:
    """The value of a command-line option: one or more expressions, with commas between."""
    try:
        values: tuple[nodes.Expr, ...] = lalr.parse(significant(tokens(source)), "values", source)
        return values
    except SyntaxFault:
        from netdsl.other_frameworks.recipe_lines import own_choice
        from netdsl.other_frameworks.translation import own_shape

        span = Span(source, 0, len(source.text))
        plain = source.text.strip("= ").replace("_", "")
        own = plain if plain.isdigit() else own_choice(source.text)
        if source.name == "--input":
            own = own_shape(source.text)
        elif source.name == "--data" and '"' not in plain:
            own = f'folder("{source.text}")'
        help: Help = write(span, own) if own else "write a number, a word, or a call such as `sgd(lr=0.1)`"
        diagnostics.error("NET101", f"`{source.text}` is not a value", span, help=help)
        return ()


class _Reader:
    """Parses parts of a source."""

    def __init__(self, source: Source, diagnostics: Diagnostics) -> None:
        self._source = source
        self._diagnostics = diagnostics
        self._mistakes = 0
        # Of what couldn't be read last, if it is of another language.
        self.language = ""
        # The end of the text that its error is about.
        self.covered = 0

    def _parse(self, text: Iterable[Token], rule: str) -> Any:
        return lalr.parse(text, rule, self._source)

    # What explains errors is imported where there is one.

    @property
    def of_whole_file(self) -> bool:
        """True if the rest of the file is in the same language."""
        if not self.language:
            return False
        from netdsl.syntax.errors.wrong_statements import WHOLE_FILES

        return self.language in WHOLE_FILES

    def own_word(self, word: str) -> str:
        """The statement that a word is used for, or the word."""
        from netdsl.syntax.errors.syntax_errors import own_word

        return own_word(word) or word

    def _explain(self, text: Sequence[Token], rule: str, fault: SyntaxFault) -> None:
        from netdsl.syntax.errors.syntax_errors import report_syntax_error

        self._mistakes += 1
        self.language, self.covered = report_syntax_error(self._source, text, rule, fault, self._diagnostics)

    def _span(self, text: Sequence[Token]) -> Span:
        return Span(self._source, text[0].start, text[-1].end)

    def statement(self, text: Sequence[Token]) -> nodes.Statement | None:
        """The statement, without the parts that can't be parsed; None if nothing can."""
        try:
            return self._parse(text, "statement")  # type: ignore[no-any-return]
        except SyntaxFault as fault:
            before = self._mistakes
            word = next((token.text for token in text if token.kind == "NAME"), "")
            parted = word in STATEMENTS and word not in _BODILESS and any(t.text == "{" for t in text)
            found = self._by_parts(text, word, fault) if parted else None
            if self._mistakes == before:  # what is wrong is how the parts are put together
                self._explain(text, "statement", fault)
                return self._constant(text)
            return found

    def _constant(self, text: Sequence[Token]) -> nodes.Statement | None:
        """The `let` that `width = 32` most likely means, so that uses of the name are still checked."""
        if [token.kind for token in text[:2]] != ["NAME", "EQUAL"] or any(t.text == "(" for t in text):
            return None
        try:
            return self._parse((made("let", text[0].start), *text), "statement")  # type: ignore[no-any-return]
        except SyntaxFault:
            return None

    def _by_parts(self, text: Sequence[Token], word: str, fault: SyntaxFault) -> nodes.Statement | None:
        rule = _LINES.get(word)
        found = parts(self._source, text, lines=rule is not None)
        outline = found.outline
        if word == "stages":  # a table has a header
            brace = next(n for n, token in enumerate(outline) if token.text == "{")
            outline = (*outline[: brace + 1], *(made(t, outline[brace].end) for t in ("\n", "x", "\n", "}")))
        try:
            node = self._parse(outline, "statement")
        except SyntaxFault as error:
            if word == "stages" and all(token.kind != "_NL" for token in text):
                return None
            self._explain(_head(text, error), "statement", error)
            node = None
        pieces = found.bodies[0] if len(found.bodies) == 1 else ()
        match node:
            case nodes.Section() | nodes.Block():
                return node._replace(body=self._bodies((node.body,), found, fault.token)[0])
            case nodes.Stages():
                return self._table(node, pieces)
            case nodes.Train():
                return node._replace(entries=self._each(pieces, "entry"))
            case nodes.Init():
                return node._replace(rules=self._each(pieces, "init_rule"))
        if word in (*SECTIONS, "block"):
            for body in found.bodies:
                self._steps(body, fault.token)
        return None

    def _each(self, pieces: Iterable[Piece], rule: str) -> tuple[Any, ...]:
        """The lines, with `Unread` for those that can't be parsed."""
        return tuple(self._line(piece.tokens, rule) for piece in pieces)

    def _line(self, text: Sequence[Token], rule: str) -> Any:
        if self._mistakes < MAX_DIAGNOSTICS:
            try:
                return self._parse(text, rule)
            except SyntaxFault as fault:
                self._explain(text, rule, fault)
        return nodes.Unread("", "", self._span(text))

    def _table(self, table: nodes.Stages, pieces: tuple[Piece, ...]) -> nodes.Stages | None:
        header = next(iter(self._each(pieces[:1], "header")), None)
        rows = tuple(self._row(piece.tokens) for piece in pieces[1:])
        if header is None or isinstance(header, nodes.Unread):
            return None
        return table._replace(header=header, rows=rows)

    def _row(self, text: Sequence[Token]) -> nodes.Row | nodes.Section | nodes.Unread:
        """A line of a table; one that is wrong is read without the space before the parenthesis of a call."""
        if text[0].text == "layers":
            found = self.statement(text)
            return found if isinstance(found, nodes.Section) else nodes.Unread("", "", self._span(text))
        row: nodes.Row | nodes.Unread = self._line(text, "row")
        if isinstance(row, nodes.Unread):
            called = [
                token._replace(kinds=("CALLED",)) if token.kind == "NAME" and after.text == "(" else token
                for token, after in zip(text, (*text[1:], text[-1]), strict=True)
            ]
            with suppress(SyntaxFault):
                row = self._parse(called, "row")
        return row

    # steps

    def _bodies(self, empty: tuple[nodes.Body, ...], found: Parts, wrong: Token | None) -> list[nodes.Body]:
        """The bodies with their steps; as they are where text and tree don't agree."""
        if len(empty) != len(found.bodies):
            return list(empty)
        return [
            nodes.Body(self._steps(pieces, wrong), body.span)
            for body, pieces in zip(empty, found.bodies, strict=True)
        ]

    def _steps(self, pieces: tuple[Piece, ...], wrong: Token | None) -> tuple[nodes.Step, ...]:
        """The steps of a body. `wrong` is the first wrong token of the text, if it is known: all steps before
        it are read at once, and so are those after it, up to the next.
        """
        steps: list[nodes.Step] = []
        inside = wrong and pieces and pieces[0].start <= wrong.start <= pieces[-1].end
        place = wrong.start if wrong and inside else None
        while pieces and self._mistakes < MAX_DIAGNOSTICS:
            if place is None:
                read, place = self._run(pieces)
                if place is None:
                    return (*steps, *read)
            sound = bisect_right(pieces, place, key=lambda piece: piece.start) - 1
            if sound > 0:
                steps += self._run(pieces[:sound])[0]
            piece = pieces[max(0, sound)]
            step = self._step(piece.tokens, next((t for t in piece.tokens if t.start >= place), None))
            steps.append(step)
            pieces = pieces[max(0, sound) + 1 :]
            if isinstance(step, nodes.Unread):
                first = piece.tokens[0].text
                texts = [token.text for token in piece.tokens]
                listed = first in _LISTED and "{" not in texts and texts[1:2] != ["("]
                pieces = self._after_unread(pieces, listed=listed)
            place = None
        return tuple(steps)

    def _run(self, pieces: tuple[Piece, ...]) -> tuple[tuple[nodes.Step, ...], int | None]:
        """Steps read at once, or the place where one of them is wrong."""
        try:
            body: nodes.Body = self._parse(_body(pieces), "body")
            return body.steps, None
        except SyntaxFault as fault:
            return (), fault.token.start if fault.token else pieces[-1].end

    def _after_unread(self, pieces: tuple[Piece, ...], *, listed: bool) -> tuple[Piece, ...]:
        """Without the pieces that are the rest of what couldn't be read: `conv 64, 3, stride=2`, or, where
        steps are `listed` there, `order bn, relu, conv`.
        """
        for index, piece in enumerate(pieces):
            goes_on = piece.follows or self.language == "Darknet"
            argument = piece.tokens[0].kind != "NAME" or [t.text for t in piece.tokens[1:2]] == ["="]
            if piece.start >= self.covered and (not goes_on or not (listed or argument)):
                return pieces[index:]
        return ()

    def _step(self, text: Sequence[Token], wrong: Token | None) -> nodes.Step:
        """One step, of which it is known where it is wrong."""
        before = self._mistakes
        step = self._step_by_parts(text, wrong) if any(token.text == "{" for token in text) else None
        if self._mistakes == before:
            try:
                return self._parse(text, "step")  # type: ignore[no-any-return]
            except SyntaxFault as fault:
                self._explain(text, "step", fault)
                step = None
        return nodes.Unread(*_defined(text), self._span(text)) if step is None else step

    def _step_by_parts(self, text: Sequence[Token], wrong: Token | None) -> nodes.Step | None:
        first = text[0].text
        if first not in STEPS or first in _BODILESS:
            return None
        found = parts(self._source, text, lines=False)
        try:
            step: nodes.Step = self._parse(found.outline, "step")
        except SyntaxFault as fault:
            self._explain(_head(text, fault), "step", fault)
            for body in found.bodies:
                self._steps(body, wrong)
            return None
        return tree.with_bodies(step, self._bodies(tree.bodies(step), found, wrong))


def _body(pieces: Sequence[Piece]) -> Iterator[Token]:
    """The tokens of a body of these pieces, made while it is parsed: an error ends it early."""
    yield made("{", pieces[0].start)
    newline = made("\n", 0)
    for piece in pieces:
        yield from piece.tokens
        yield newline._replace(start=piece.end, end=piece.end)
    yield made("}", pieces[-1].end)


def _head(text: Sequence[Token], fault: SyntaxFault) -> Sequence[Token]:
    """The tokens before the brace that follows an error."""
    place = fault.token.end if fault.token else text[-1].end
    brace = next((n for n, token in enumerate(text) if token.text == "{" and token.start >= place), len(text))
    return text[:brace]


def _defined(text: Sequence[Token]) -> tuple[str, str]:
    """The kind and the name that a step which can't be parsed would define."""
    words = [token.text for token in text if token.kind == "NAME" and token.text != "as"]
    if text[0].text in ("let", "save"):
        return text[0].text, "".join(words[1:2])
    return ("label", words[0]) if words and [t.text for t in text[1:2]] in ([":"], ["="]) else ("", "")
