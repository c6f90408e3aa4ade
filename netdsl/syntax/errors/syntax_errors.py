"""Messages and helps for text that the grammar refuses."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence, Set
from dataclasses import replace

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Source, Span
from netdsl.diagnostics import Diagnostics, Edit, Fix, Help, add_line, misspelt, remove, write
from netdsl.diagnostics.fixes import edited
from netdsl.language.words import STATEMENTS
from netdsl.other_frameworks.translation import split
from netdsl.syntax import lalr
from netdsl.syntax.errors.notations import NOTATIONS
from netdsl.syntax.errors.table_columns import columns
from netdsl.syntax.errors.token_patterns import line_around, mistake_of
from netdsl.syntax.errors.wrong_lines import LINE_RULES
from netdsl.syntax.errors.wrong_statements import STATEMENT_RULES
from netdsl.syntax.errors.wrong_steps import STEP_RULES
from netdsl.syntax.errors.wrong_tokens import wrong_token
from netdsl.syntax.lalr import SyntaxFault
from netdsl.syntax.tokens import Token, closing, significant, word_at
from netdsl.syntax.tokens import tokens as source_tokens

_RULES = (*NOTATIONS, *LINE_RULES, *STATEMENT_RULES, *STEP_RULES)
_JOINED = re.compile(r"(?:add|concat|mul)\s*\{\s*(?:#.*\s*)*")
# A line of a body, up to a comment.
_LINE = re.compile(r"[^\s#{}][^\n#}]*")

# Other names for the first word of a statement.
_OTHER_WORDS = {
    "network": ("net", "model", "name", "graph"),
    "variant": ("variants", "version", "preset", "alias", "configuration"),
    "input": ("input_shape", "input_size", "inputs", "shape"),
    "classes": ("num_classes", "nclasses", "n_classes", "outputs"),
    "layers": ("layer", "body", "backbone", "features", "trunk", "encoder", "neck", "section"),
    "head": ("classifier", "tail"),
    "stage": ("group", "blocks"),
    "block": ("define", "function", "func", "fn", "module", "macro", "component"),
    "let": ("const", "var", "set", "int", "float", "param", "val"),
    "train": ("training", "recipe", "fit", "config", "solver", "hyperparameters"),
    "use": ("include", "require", "load"),
    "expect": ("assume", "check", "ensure"),
    "init": ("initializer", "initialiser", "initialize", "initialise", "initialization"),
}

# Names of the grammar's terminals in messages; the others are named by their text.
_TERMINALS = {
    "NAME": "a name",
    "SIZE": "a size such as `3x32x32`",
    "STRING": "a string",
    "COMPARISON": "a comparison such as `==`",
    "_NL": "a new line",
    "_COMMA": "`,`",
    "COLON": "`:`",
    "EQUAL": "`=`",
    "PLUS": "`+`",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "VBAR": "`|`",
    "$END": "the end of the line",
    "IF": "`if`",
}
# Characters that look like one of the language.
_LOOK_ALIKE = {
    **dict(zip("–—−×’‘÷", '---x""/', strict=True)),
    **dict(zip("аеорсхуіАВЕКМНОРСТХ", "aeopcxyiABEKMHOPCTX", strict=True)),
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "⁄": "/",
    "∗": "*",
    "⋅": "*",
    "·": "*",
}
# Any of these is possible where a value is, and any operator after a value. The full list would
# hide the point.
_VALUES = {"NUMBER", "NAME", "SIZE", "STRING", "TRUE", "FALSE", "LPAR", "LSQB", "NOT", "IF", "MINUS"}
_OPERATORS = {"PLUS", "MINUS", "TIMES", "DIVIDE", "FLOOR", "MODULO", "OR", "AND", "COMPARISON"}


class Reported(NamedTuple):
    """The language that a wrong text is of, if it is known, and the end of the text that the error covers."""

    language: str = ""
    end: int = 0


def report_syntax_error(
    source: Source, tokens: Sequence[Token], rule: str, fault: SyntaxFault, diagnostics: Diagnostics
) -> Reported:
    """Reports why tokens aren't what a rule of the grammar says."""
    text, start, end = source.text, tokens[0].start, tokens[-1].end
    wrong = fault.token if fault.token and fault.token.start < end else None
    place = wrong.start if wrong else end
    found = wrong.text if wrong and wrong.kind != "_NL" else ""
    span = Span(source, place, place + len(found))
    statement = tokens[0].text if rule == "statement" else ""
    around = line_around(source, source_tokens(source), tokens, place, fault.expected, rule)
    if foreign := next((token for token in around.tokens if _is_disguised(token.text)), None):
        _foreign(foreign.text, around.source, foreign, diagnostics)
        return Reported()
    if mistake := mistake_of(_RULES, around):
        shown = mistake.place or span
        help = _tried(mistake.help, source, tokens, rule)
        diagnostics.error("NET101", mistake.message, shown, help=help)
        return Reported(mistake.language, max(shown.end, mistake.end))
    if len(found) == 1 and not (found.isascii() and found.isprintable()):
        assert wrong is not None
        _foreign(found, source, wrong, diagnostics)
    elif rule == "statement" and not text[start:place].strip():
        _not_a_statement(found, [t.text for t in tokens[1:2]], span, diagnostics)
    elif rule == "step" and "VBAR" in fault.expected and (joined := _JOINED.match(text, start, place)):
        _without_bars(source, joined.end(), diagnostics)
    elif mistake := wrong_token(around):
        around_it = mistake.place and mistake.place.start <= span.start < span.end <= mistake.place.end
        shown = mistake.place if mistake.place and around_it else span
        help = _tried(mistake.help, source, tokens, rule)
        diagnostics.error("NET101", mistake.message, shown, help=help)
    else:
        header = rule == "header" or statement == "stages"
        before = text[start:place]
        help = _header(source, place) if header else _expectation(fault.expected, statement, before)
        unexpected = f"unexpected `{found}`" if found.strip() else "unexpected end of line"
        diagnostics.error("NET101", unexpected, span, help=help)
    return Reported()


def _tried(help: Help, source: Source, text: Sequence[Token], rule: str) -> Help:
    """The help; its fix is a guess if the edited text is still wrong before the end of the edits."""
    start, end = text[0].start, text[-1].end
    if not isinstance(help, Fix) or not help.safe:
        return help
    outside = any(edit.span.start < start or end < edit.span.end for edit in help.edits)
    if outside or any("\n" in edit.new_text for edit in help.edits):
        return help
    before = edited(source.text[:end], help.edits)
    last = max(help.edits, key=lambda edit: edit.span.end)
    place = len(before) - (end - last.span.end)
    if not last.new_text:  # what follows takes its place
        place += len(before[place:]) - len(before[place:].lstrip()) + 1
    body = rule == "step"
    new = Source("", f"{{{before[start:]}}}" if body else before[start:])
    try:
        lalr.parse(significant(source_tokens(new)), "body" if body else rule, new)
    except SyntaxFault as fault:
        if fault.token and fault.token.start + start - body < place:
            return replace(help, safe=False)
    return help


def _without_bars(source: Source, start: int, diagnostics: Diagnostics) -> None:
    """Reports branches without a `|`: only the first, each line, or each step of a line."""
    end = closing(source, source.text.rindex("{", 0, start))
    first = _first_line(source, start, min(end, _end_of_line(source.text, start)))
    body = Span(source, start, end)
    lines = [Span(source, match.start(), match.end()) for match in _LINE.finditer(source.text, start, end)]
    message = "a branch must start with `|`, the first one too"
    steps = split(first.text)
    help: Help
    if "|" in body.text:
        help = write(first, f"| {first.text}")
    elif len(lines) > 1:
        edits = (Edit(Span(source, line.start, line.start), "| ") for line in lines)
        title = f"write `| {first.text}`, and a `|` before each other branch"
        help = Fix(title, tuple(edits), safe=False)
    else:
        help = write(
            first, f"| {' | '.join(steps)}", safe=any(re.match(r"(identity$|from\s)", s) for s in steps)
        )
    diagnostics.error("NET101", message, first, help=help)


def _header(source: Source, place: int) -> Help:
    """The help for a table without a header."""
    if "{" in source.line(source.position(place)[0]):
        return "write the header, and each row, on a line of its own"
    if names := columns(source.text, place):
        line = add_line(Span(source, place, place), names, before=True)
        return Fix(f"add a header line before it: `{names}`", line.edits, safe=False)
    return "the first line of a table names its columns, such as `out  repeat  stride`"


def _end_of_line(text: str, place: int) -> int:
    """The end of the line, or of the body that ends in it."""
    depth = 0
    for match in re.compile(r"[(){}\[\]|\n#]").finditer(text, place):
        depth += (match[0] in "([{") - (match[0] in ")]}")
        if depth < 0 or (depth == 0 and match[0] in "|\n#"):
            return match.start()
    return len(text)


def _first_line(source: Source, start: int, end: int) -> Span:
    """The first line of a text, without surrounding spaces."""
    line = source.text[start:end]
    start += len(line) - len(line.lstrip())
    return Span(source, start, start + len(line.strip().split("\n", 1)[0].rstrip()))


def _not_a_statement(found: str, then: list[str], span: Span, diagnostics: Diagnostics) -> None:
    help: Help
    if found == "{":
        message, help = "`{` without a statement", "put it on the line of its statement: `stem { … }`"
    elif found in ("end", "done", "fi", "endif", "pass"):
        message, help = f"`{found}` does not start a statement", "remove it: a body ends with `}`"
    elif own := own_word(found):
        message = f"`{found}` does not start a statement"
        help = write(span, own, " instead")
    else:
        message = f"`{found}` does not start a statement"
        layers = write(span, "layers", " instead", safe=False) if then == ["{"] else None
        near = misspelt(span, STATEMENTS)
        if near and (not then or near.edits[0].new_text.startswith("stage")):  # or `stages`
            near = replace(near, safe=False)
        help = near or layers or f"a statement starts with {', '.join(STATEMENTS)}"
    diagnostics.error("NET101", message, span, help=help)


def own_word(word: str) -> str:
    """The statement that another word is used for."""
    lower = word.lower()
    return (
        lower if lower in STATEMENTS else next((own for own, all in _OTHER_WORDS.items() if lower in all), "")
    )


def _is_disguised(char: str) -> bool:
    """True for a letter, a space or a minus that looks like one of the language."""
    if char.isascii() or len(char) > 1:
        return False
    return (
        (char.isalpha() and char in _LOOK_ALIKE)
        or char in "–—−"
        or unicodedata.normalize("NFKC", char) == " "
    )


def _foreign(found: str, source: Source, token: Token, diagnostics: Diagnostics) -> None:
    """Reports a character that the language doesn't have."""
    span = Span(source, token.start, token.end)
    shown = f"`{found}`" if found.isprintable() and found.strip() else f"U+{ord(found):04X}"
    if name := unicodedata.name(found, ""):
        shown += f" ({name.lower()})"
    if found.isalpha() and found in _LOOK_ALIKE:  # all such letters of a word at once
        start, end = word_at(source.text, token.start) or (token.start, token.end)
        span = Span(source, start, end)
        found = span.text
    plain = "".join(_LOOK_ALIKE.get(char, char) for char in found)
    plain = plain if plain != found else unicodedata.normalize("NFKC", found)
    help: Help
    if plain != found and plain.isspace():
        help = Fix("write a space", (Edit(span, " "),))
    elif plain != found and plain.isascii() and plain.strip():
        help = write(span, plain)
    elif found in "“”„«»":
        help = 'use straight quotes: `"images"`'
    elif found.isalpha():
        help = "use only the letters a to z and A to Z, digits and `_` in names"
    else:
        help = remove(span, safe=False)
    diagnostics.error("NET101", f"unexpected character {shown}", span, help=help)


def _expectation(expected: Set[str], statement: str, before: str) -> str:
    """`expected …`, and an example of the statement where it is short."""
    hidden = {"CALLED"}
    words = []
    if {"THEN", "RSQB", "RBRACE"} <= expected:  # after any value
        return "expected an operator, or the end of the value"
    if "NUMBER" in expected:
        words.append("a value")
        hidden |= _VALUES | _OPERATORS
    elif "TIMES" in expected:
        hidden |= _OPERATORS | {"LPAR", "LSQB"}
    if "JOIN" in expected:
        hidden |= {"JOIN"}
        words += ["`add`", "`concat`", "`mul`"]
    shown = {_TERMINALS.get(name, f"`{name.lower().strip('_')}`") for name in expected - hidden}
    words += sorted(shown, key=lambda word: (word.startswith("`"), word))
    listed = " or ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else "something else"
    example = STATEMENTS[statement].usage if statement in STATEMENTS else ""
    usable = example and "…" not in example and not re.search(r"[{(]", before)
    return f"expected {listed}" + (f", as in `{example}`" if usable else "")
