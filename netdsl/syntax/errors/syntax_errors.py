"""Messages and helps for text that the grammar refuses."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence, Set

from netdsl.base.source import Source, Span
from netdsl.diagnostics import Diagnostics, Edit, Fix, Help, listing, misspelt, remove, write
from netdsl.language.words import STATEMENTS
from netdsl.other_frameworks.translation import split
from netdsl.syntax.errors.advice import advice
from netdsl.syntax.errors.expected_tokens import Mistake, hint
from netdsl.syntax.errors.patterns import Write
from netdsl.syntax.errors.table_columns import columns
from netdsl.syntax.lalr import SyntaxFault
from netdsl.syntax.tokens import Token

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
    "train": ("training", "recipe", "config", "solver", "hyperparameters"),
    "use": ("include", "require", "load"),
    "expect": ("assume", "check", "ensure"),
    "init": ("initialize", "initialise", "initialization"),
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
_OPERATORS = {"PLUS", "MINUS", "TIMES", "DIVIDE", "FLOOR", "OR", "AND", "COMPARISON"}


def report_syntax_error(
    source: Source, tokens: Sequence[Token], rule: str, fault: SyntaxFault, diagnostics: Diagnostics
) -> str:
    """Reports why tokens aren't what a rule of the grammar says. Returns the name of the language that they
    are of, if that is known.
    """
    text, start, end = source.text, tokens[0].start, tokens[-1].end
    wrong = fault.token if fault.token and fault.token.start < end else None
    place = wrong.start if wrong else end
    found = wrong.text if wrong and wrong.kind != "_NL" else ""
    span = Span(source, place, place + len(found))
    statement = tokens[0].text if rule == "statement" else ""
    if _without_braces(source, start, place, found, diagnostics):
        return ""
    said = _with_arguments(text, start, end) if rule == "step" else end
    brace = said + len(text[said : said + 100]) - len(text[said : said + 100].lstrip(" \t"))
    if follows := "{" if text.startswith("{", brace) else "":  # a head isn't the same without its `{`
        end, said = brace if said == end else end, brace
    if known := advice(text[start:said] + follows, statement if statement in STATEMENTS else rule):
        line = _first_line(source, start, said)
        whole = "\n" not in text[start:said].strip()
        help = _of_line(known.help, line, brace if follows else None, whole=whole)
        diagnostics.error("NET101", known.message, line, help=help)
        return known.language
    if len(found) == 1 and not (found.isascii() and found.isprintable()):
        _foreign(found, span, diagnostics)
        return ""
    if rule == "statement" and not text[start:place].strip():
        _not_a_statement(found, [t.text for t in tokens[1:2]] == ["{"], span, diagnostics)
        return ""
    expected = fault.expected
    joined = re.match(r"(?:add|concat|mul)\s*\{\s*(?:#.*\s*)*", text[start:place])
    if "VBAR" in expected and joined and rule == "step":
        begin = start + joined.end()
        branch = _first_line(source, begin, _end_of_line(text, begin))
        help = f"write `| {branch.text}`, and a `|` before each other branch"
        steps = split(branch.text)
        if len(steps) > 1 and any(re.match(r"(identity$|from\s)", step) for step in steps):
            help = write(branch, f"| {' | '.join(steps)}")
        diagnostics.error("NET101", "a branch must start with `|`, the first one too", branch, help=help)
        return ""
    # The text before the error, for the hint.
    before = text[start:place]
    after = text[place:end] + (follows if said == end else "")
    table = columns(text, place) if rule == "header" or statement == "stages" else ""
    mistake = Mistake(span, found, before, after, expected, statement, rule, table)
    help = hint(mistake) or _expectation(expected, statement, before)
    shown = f"unexpected `{found}`" if found.strip() else "unexpected end of line"
    diagnostics.error("NET101", shown, span, help=help)
    return ""


def _of_line(help: str | Write, line: Span, brace: int | None, *, whole: bool) -> Help:
    """A fix of a line, up to the `{` that it ends with; a sentence where the text goes on behind it (not
    `whole`), or is left open.
    """
    if isinstance(help, str):
        return help
    title = f"write {listing(help.text.split(chr(10)))}{help.why}"
    text = help.text
    opens = brace is not None or line.text.endswith("{")
    if opens and text.endswith(" { … }"):
        text, line = text.removesuffix(" … }"), Span(
            line.source, line.start, brace + 1 if brace else line.end
        )
    elif not whole:
        return title
    if "…" in text:
        return title
    indent = line.source.text[: line.start].rpartition("\n")[2]
    indent = indent if not indent.strip() else ""
    return Fix(title, (Edit(line, text.replace("\n", f"\n{indent}")),))


def _with_arguments(text: str, start: int, end: int) -> int:
    """The end of `conv 64, 3`, of `skip conv(64, 3), bn` or `order bn, relu, conv`, where a step was taken to
    end at the comma.
    """
    if re.match(r"(skip|repeat|when|order|add|concat|mul|\d+[x×]\d+)\b[^{]*$", text[start:end]):
        return _end_of_line(text, end)
    if not re.match(r"\w+[ \t]+\d", text[start:end]):
        return end
    rest = re.compile(r"(?:[ \t]*,[ \t]*(?:\d[\w.]*|\w+[ \t]*=[ \t]*[\w.]+))*").match(text, end)
    return rest.end() if rest else end


def _end_of_line(text: str, place: int) -> int:
    """The end of the line, or of the body that ends in it."""
    depth = 0
    for match in re.compile(r"[(){}\[\]|\n#]").finditer(text, place):
        depth += (match[0] in "([{") - (match[0] in ")]}")
        if depth < 0 or (depth == 0 and match[0] in "|\n#"):
            return match.start()
    return len(text)


def _without_braces(source: Source, start: int, place: int, found: str, diagnostics: Diagnostics) -> bool:
    """True if it is `shortcut conv(64, 1), bn`, which is then reported."""
    before = re.search(r"\}\s*(shortcut|else(?:\s+when\s[^{}]*?)?)\s*$", source.text[start:place])
    if not before or not re.match(r"[A-Za-z_]", found) or found in ("if", "when"):
        return False
    end = _end_of_line(source.text, place)
    steps = source.text[place:end].strip(" ,")
    span = Span(source, start + before.start(1), place + len(steps))
    help = remove(span) if steps in ("None", "none", "null") else write(span, f"{before[1]} {{ {steps} }}")
    diagnostics.error("NET101", "a body must be in braces", span, help=help)
    return True


def _first_line(source: Source, start: int, end: int) -> Span:
    """The first line of a text, without surrounding spaces."""
    line = source.text[start:end]
    start += len(line) - len(line.lstrip())
    return Span(source, start, start + len(line.strip().split("\n", 1)[0].rstrip()))


def _not_a_statement(found: str, body: bool, span: Span, diagnostics: Diagnostics) -> None:
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
        layers = write(span, "layers", " instead") if body else None
        help = misspelt(span, STATEMENTS) or layers or f"a statement starts with {', '.join(STATEMENTS)}"
    diagnostics.error("NET101", message, span, help=help)


def own_word(word: str) -> str:
    """The statement that another word is used for."""
    lower = word.lower()
    return (
        lower if lower in STATEMENTS else next((own for own, all in _OTHER_WORDS.items() if lower in all), "")
    )


def _foreign(found: str, span: Span, diagnostics: Diagnostics) -> None:
    """A character that the language doesn't have."""
    shown = f"`{found}`" if found.isprintable() and found.strip() else f"U+{ord(found):04X}"
    if name := unicodedata.name(found, ""):
        shown += f" ({name.lower()})"
    if found.isalpha() and found in _LOOK_ALIKE:  # all such letters of a word at once
        word = re.compile(r"\w+").match(span.source.text, span.start)
        span = Span(span.source, span.start, word.end() if word else span.end)
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
        help = remove(span)
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
        hidden |= _OPERATORS | {"LPAR"}
    if "JOIN" in expected:
        hidden |= {"JOIN"}
        words += ["`add`", "`concat`", "`mul`"]
    shown = {_TERMINALS.get(name, f"`{name.lower().strip('_')}`") for name in expected - hidden}
    words += sorted(shown, key=lambda word: (word.startswith("`"), word))
    listed = " or ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else "something else"
    example = STATEMENTS[statement].usage if statement in STATEMENTS else ""
    usable = example and "…" not in example and not re.search(r"[{(]", before)
    return f"expected {listed}" + (f", as in `{example}`" if usable else "")
