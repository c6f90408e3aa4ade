"""What to say of text that the grammar refuses."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Set

from lark import UnexpectedInput
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from netdsl.advice import advice
from netdsl.diagnostics import Diagnostics, nearest
from netdsl.source import Source, Span

# Every statement's first word, and how the statement is written.
STATEMENTS = {
    "network": "network name(depth=20)",
    "input": "input 3x32x32",
    "classes": "classes 10",
    "order": "order bn, relu, conv",
    "default": "default conv(bias=no)",
    "let": "let n = (depth - 2) / 9",
    "stem": "stem { conv(16, 3), relu }",
    "head": "head { global_avgpool, flatten, linear(classes) }",
    "layers": "layers { conv(16, 3), relu }",
    "stage": "stage residual(16, repeat=5, stride=2)",
    "stages": "stages residual { … }",
    "block": "block name(out, stride=1) { … }",
    "init": "init kaiming",
    "train": "train { … }",
    "expect": "expect params < 125k",
    "use": 'use "blocks.net"',
}

# The first words of steps that aren't calls.
STEPS = ("skip", "add", "concat", "mul", "repeat", "when", "save", "from", "let", "default")
_RESERVED = {*STATEMENTS, *STEPS, "else", "shortcut", "if", "then", "and", "or", "not", "yes", "no", "as"}

# What people write for the first word of a statement.
_OTHER_WORDS = {
    "network": ("net", "model", "name", "graph"),
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
_POWERS = "there are no powers; write a product"
_OTHER_OPERATORS = {
    "^": _POWERS,
    "**": _POWERS,
    "&": "write `and`",
    "!": "write `not`",
    "?": "write `if c then a else b`",
    "<>": "write `!=`",
    "if": "write `if c then a else b`",
}

# What the grammar's terminals are called in a message; all others by their text.
_TERMINALS = {
    "NAME": "a name",
    "SIZE": "a size as `3x32x32`",
    "STRING": "a text in quotes",
    "COMPARISON": "a comparison as `==`",
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
    "IF_SAME": "`if same`",
}
# Where a value may stand, so may any of these; after a value may stand any operator. The list would
# hide the point.
_VALUES = {"NUMBER", "NAME", "SIZE", "STRING", "TRUE", "FALSE", "LPAR", "LSQB", "NOT", "IF", "MINUS"}
_OPERATORS = {"PLUS", "MINUS", "TIMES", "DIVIDE", "FLOOR", "OR", "AND", "COMPARISON"}
_NUMBERS = "numbers are written as `64`, `0.5`, `1e-3`, `300k` or `1.7M`, sizes as `3x32x32`"


def explain(
    source: Source, start: int, end: int, rule: str, error: UnexpectedInput, diagnostics: Diagnostics
) -> str:
    """Reports why the text between two offsets isn't what a rule of the grammar says. Returns the name of
    the language that it is of, if that is known.
    """
    text = source.text
    place = start + (error.pos_in_stream or 0)
    if (
        error.pos_in_stream is None
        or place >= end
        or (isinstance(error, UnexpectedToken) and error.token.type == "$END")
    ):
        place = end
    found = _found(text, place, end)
    span = Span(source, place, place + len(found))
    statement = _first_word(text, start, end) if rule == "statement" else ""
    said = _with_arguments(text, start, end) if rule == "step" else end
    follows = "{" if text.startswith("{", said) else ""  # a head isn't the same without its `{`
    if known := advice(text[start:said] + follows, statement if statement in STATEMENTS else rule):
        line = _first_line(source, start, said)
        diagnostics.error("NET101", known.message, line, help=known.help)
        return known.language
    if len(found) == 1 and not (found.isascii() and found.isprintable()):
        _foreign(found, span, diagnostics)
        return ""
    if rule == "statement" and not text[start:place].strip():
        _not_a_statement(found, span, diagnostics)
        return ""
    expected = _expected(error)
    # What stands before, so that a hint can speak of it.
    before = text[start:place]
    after = text[place:end]
    hint = _hint(found, before, after, expected, statement, rule) or _expectation(expected, statement, before)
    shown = f"unexpected `{found}`" if found.strip() else "the line ends too early"
    diagnostics.error("NET101", shown, span, help=hint)
    return ""


def _with_arguments(text: str, start: int, end: int) -> int:
    """The end of `conv 64, 3` where a step was taken to end at the comma."""
    if not re.match(r"\w+[ \t]+\d", text[start:end]):
        return end
    rest = re.compile(r"(?:[ \t]*,[ \t]*(?:\d[\w.]*|\w+[ \t]*=[ \t]*[\w.]+))*").match(text, end)
    return rest.end() if rest else end


def _first_line(source: Source, start: int, end: int) -> Span:
    """The first line of a text, without blanks around it."""
    line = source.text[start:end]
    start += len(line) - len(line.lstrip())
    return Span(source, start, start + len(line.strip().split("\n", 1)[0].rstrip()))


def _found(text: str, place: int, end: int) -> str:
    """The word, number, text or character at a place; empty at the end of the line."""
    match = re.compile(r'"[^"\n]*"|[A-Za-z0-9_.]+|[=!<>]=|//|\*\*|\S').match(text, place, end)
    return match.group() if match else ""


def _is_value(expected: Set[str]) -> bool:
    """Whether a value may stand here, and not an operator."""
    return "NAME" in expected and "TIMES" not in expected and "THEN" not in expected


def _first_word(text: str, start: int, end: int) -> str:
    match = re.compile(r"\s*([A-Za-z_]\w*)").match(text, start, end)
    return match[1] if match else ""


def _expected(error: UnexpectedInput) -> Set[str]:
    if isinstance(error, UnexpectedToken):
        return set(error.accepts or error.expected)
    assert isinstance(error, UnexpectedCharacters)
    expected = set(error.allowed or ())
    # The lexer takes newlines everywhere; inside ( ) and [ ] they mean nothing.
    return expected - {"_NL"} if expected & {"RPAR", "RSQB"} else expected


def _not_a_statement(found: str, span: Span, diagnostics: Diagnostics) -> None:
    if found == "{":
        message, help = "`{` opens nothing", "it stands on the line of its statement: `stem { … }`"
    elif own := _own_word(found):
        message = f"`{found}` does not start a statement"
        help = f"write `{own}` in its place"
    else:
        message = f"`{found}` does not start a statement"
        help = nearest(found, STATEMENTS) or f"a statement starts with {', '.join(STATEMENTS)}"
    diagnostics.error("NET101", message, span, help=help)


def _own_word(word: str) -> str:
    """The statement that another word is used for."""
    lower = word.lower()
    return (
        lower if lower in STATEMENTS else next((own for own, all in _OTHER_WORDS.items() if lower in all), "")
    )


def _foreign(found: str, span: Span, diagnostics: Diagnostics) -> None:
    """A character that the language doesn't have."""
    shown = f"`{found}`" if found.isprintable() and found.strip() else f"the character U+{ord(found):04X}"
    plain = unicodedata.normalize("NFKC", found)
    plain = {"–": "-", "—": "-", "−": "-", "×": "x", "’": '"', "‘": '"', "÷": "/", "≤": "<=", "≥": ">="}.get(
        found, plain
    )
    if plain != found and plain.isascii() and plain.strip():
        help = f"write `{plain}`"
    elif found in "“”„«»":
        help = 'texts stand in straight quotes: `"images"`'
    elif found.isalpha():
        help = "names consist of the letters a to z and A to Z, digits and `_`"
    else:
        help = "remove it"
    diagnostics.error("NET101", f"{shown} has no meaning here", span, help=help)


def _hint(found: str, before: str, after: str, expected: Set[str], statement: str, rule: str) -> str:
    """What to do about a mistake that people make often."""
    last = before.split()[-1] if before.split() else ""
    if found in _RESERVED and "NAME" in expected and statement not in ("stages",) and last != "{":
        return f"`{found}` is a word of the language: choose another name"
    if found in STATEMENTS and rule == "step":
        return "a statement stands at the top of the file, never in a body"
    if found == "," and "RPAR" in expected and (pair := re.search(r"\(\s*(\d+)$", before)):
        return f"a pair is one word, as `{pair[1]}x{pair[1]}`"
    if found.startswith("'"):
        return 'texts stand in straight double quotes: `"images"`'
    if found in ("elif", "elseif") or (found == "if" and last == "else"):
        return "write `else when … { … }`"
    if found == ":" and re.search(r":\s*(int|float|bool|str)", after):
        return "leave the type out"
    if found == ":" and "RPAR" in expected and (name := re.search(r"(\w+)\s*$", before)):
        return f"an argument and its value are joined by `=`: write `{name[1]}=…`"
    if last.rpartition("(")[2] in ("int", "float", "bool", "str") and "(" in before:
        return f"leave `{last.rpartition('(')[2]}` out: parameters have no types"
    if re.match(r"\w", found) and {"RPAR", "_COMMA"} <= expected and (word := re.search(r"[\w.]+$", last)):
        return f"put a comma between the arguments: `{word[0]}, {found}`"
    if rule == "step" and re.match(r"\w", found) and expected == {"$END"}:
        return "arguments stand in the step's brackets, and the next step after a comma or on a new line"
    if found == "." and re.search(r"[A-Za-z_]\w*$", before):
        return "a name has no `.`"
    if statement == "input" and found in ("x", ","):
        return "a size is one word, as `input 3x32x32`"
    if found == ";":
        inside = before.count("(") > before.count(")")
        return (
            "arguments are separated by commas" if inside else "leave it out: a statement ends with its line"
        )
    if found in _OTHER_OPERATORS and (found == "!" or not _is_value(expected)):
        return _OTHER_OPERATORS[found]
    if found == "" and before.rstrip().endswith(","):
        return "leave the last `,` out"
    if found == "%":
        percent = re.search(r"\d+$", before)
        share = percent and not re.match(r"%\s*\w", after)
        return f"write `{int(percent[0][:9]) / 100:g}`" if percent and share else "write `a - a // b * b`"
    if found in STATEMENTS and rule == "statement" and "$END" in expected:
        return f"a statement starts on a line of its own: put `{found}` on a new one"
    if found == "," and before.endswith("}"):
        return "leave it out: each statement stands on lines of its own"
    if found == "|":
        return "branches stand in `add { … }`, `concat { … }` or `mul { … }`"
    if "VBAR" in expected and last == "{":
        return "a `|` stands before each branch, the first too"
    if found == "else" and before.startswith("skip"):
        return "write `shortcut`"
    if found == "otherwise":
        return "write `else`"
    if found == "times":
        return "leave `times` out"
    if (
        re.fullmatch(r"\d{3}", found)
        and (number := re.search(r"[\d ]*\d$", before.rstrip()))
        and not expected & {"RPAR"}
    ):
        rest = re.match(r"[\d ]+", after)
        return f"a number has no blanks: write `{(number[0] + rest[0] if rest else '').replace(' ', '')}`"
    if found == "=" and expected & {"COMPARISON", "THEN"}:
        return "values are compared with `==`"
    if found == "**" or (found.startswith("*") and before.endswith("*")):
        return "there are no powers; write a product"
    if statement == "stage" and (times := re.fullmatch(r"(\d+)x|x(\d+)", found)):
        return f"write `repeat={times[1] or times[2]}`"
    if re.match(r"\.?\d", found) and "NUMBER" in expected and not re.fullmatch(r"\d+(\.\d+)?", found):
        plain = found.replace("_", "")
        plain = f"0{plain}" if plain.startswith(".") else plain
        return f"write `{plain}`" if re.fullmatch(r"\d+(\.\d+)?", plain) else _NUMBERS
    if re.match(r"[=!<>]=?$", found) and "AND" in expected:
        return "comparisons don't chain: join two of them with `and`"
    if found in ("=", ":") and rule == "entry":
        return "a key and its value stand side by side, as `epochs 10`"
    if found == "{" and last in ("shortcut", "else"):
        return f"`{last}` follows the `}}` of a `{'skip' if last == 'shortcut' else 'when'}`"
    if rule == "header" or (statement == "stages" and expected == {"NAME"} and last == "{"):
        return "the first line of a table names its columns, as `out  repeat  stride`"
    if rule == "row" and found in ("+", "*", "/", "//", "-"):
        return "an expression in a table stands in brackets, as `(2 * n)`"
    if statement == "stages" and "{" in before and "\n" not in before:
        return "a table has a line for the names of its columns, and one for each row"
    return ""


def _expectation(expected: Set[str], statement: str, before: str) -> str:
    """`expected …`, and an example of the statement where it is short."""
    hidden = {"CALLED"}
    words = []
    if {"THEN", "RSQB", "RBRACE"} <= expected:  # after a value, wherever it stands
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
    example = STATEMENTS.get(statement, "")
    usable = example and "…" not in example and not re.search(r"[{(]", before)
    return f"expected {listed}" + (f", as in `{example}`" if usable else "")
