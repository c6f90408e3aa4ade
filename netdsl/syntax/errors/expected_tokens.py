"""Helps for frequent mistakes, by the tokens that were expected."""

from __future__ import annotations

import re
from collections.abc import Set
from typing import NamedTuple

from netdsl.base.source import Span
from netdsl.diagnostics import Edit, Fix, Help, nearest, remove, write
from netdsl.language.words import CONTINUATIONS, RESERVED, STATEMENTS, STEPS

_POWERS = "there is no power operator: write the product, or the numbers in a table"
_OTHER_OPERATORS = {
    "^": _POWERS,
    "?": "write `if c then a else b`",
    "<>": "write `!=`",
    "if": "write `if c then a else b`",
}
_WORDS = {"&": "and", "&&": "and", "!": "not"}
_IS_NUMBER = re.compile(r"\d+(\.\d+)?([eE][-+]?\d+)?[kM]?")
# Suffixes of numbers in other languages, and in netdsl; `G` and `B` are written out in millions.
_UNITS = {**dict.fromkeys("fFlLuUdD", ""), "k": "k", "K": "k", "M": "M", "m": "M", "G": "", "B": ""}
# Names of tensors, of their sizes, and of namespaces in other languages.
_TENSORS = ("in", "x", "input", "inputs", "y", "h", "tensor", "features", "feature_map", "prev", "previous")
_SIZES = ("channels", "shape", "size", "in_channels", "out_channels", "num_channels", "dim", "features")
_SUMMANDS = ("identity", "residual", "skip", "res")
_PREFIXES = ("self", "cfg", "config", "args", "opt", "hparams", "params", "math", "np", "torch", "nn", "F")
_NUMBERS = "write a number as `64`, `0.5`, `1e-3`, `300k` or `1.7M`, a size as `3x32x32`"


class Mistake(NamedTuple):
    """The text found and its place, the texts before it and from it on, the tokens expected, and the rule.
    `columns` are the probable columns of a table without a header.
    """

    span: Span
    found: str
    before: str
    after: str
    expected: Set[str]
    statement: str
    rule: str
    columns: str = ""

    @property
    def last(self) -> str:
        """The last word before it."""
        words = self.before.split()
        return words[-1] if words else ""

    def write(self, text: str, why: str = "") -> Fix:
        """The fix that replaces what was found."""
        return write(self.span, text, why)

    def replace(self, length: int, text: str, title: str) -> Fix:
        """The fix that replaces what was found and some characters before it."""
        return Fix(title, (Edit(Span(self.span.source, self.span.start - length, self.span.end), text),))


def hint(mistake: Mistake) -> Help:
    """The help for a mistake; empty if it isn't a known one."""
    if mistake.found in CONTINUATIONS and not mistake.before.rstrip().endswith("}"):
        owner = "skip" if mistake.found == "shortcut" else "when"
        return f"`{mistake.found}` must follow the body of a `{owner} {{ … }}`"
    for of in (_arguments, _names, _signs, _bodies, _values, _lines):
        if found := of(mistake):
            return found
    return ""


def _arguments(m: Mistake) -> Help:
    """Words, pairs and arguments in the notation of other languages."""
    alone = (
        m.rule == "step"
        and re.fullmatch(r"\w+", m.before.strip())
        and m.last not in (*STEPS, "shortcut", "else")
    )
    if alone and (near := nearest(m.last, (*STEPS, "shortcut"))):
        return near
    if m.found in RESERVED and "NAME" in m.expected and m.statement not in ("stages",) and m.last != "{":
        return f"`{m.found}` is a reserved word: choose another name"
    if m.found in STATEMENTS and m.rule == "step":
        return "move the statement to the top level of the file, outside of any body"
    if m.found == "," and "RPAR" in m.expected and (pair := re.search(r"\(\s*(\d+)$", m.before)):
        other = re.match(r",\s*(\d+)", m.after)
        if re.search(r"\bat\s*=\s*\(\s*\d+$", m.before):
            return f"a list must be in square brackets: write `at=[{pair[1]}{m.after.partition(')')[0]}]`"
        if other and other[1] == pair[1]:
            return f"write `{pair[1]}`: one number applies to both directions"
        return f"write a pair as one word, such as `{pair[1]}x{other[1] if other else pair[1]}`"
    if m.found.startswith("'"):
        return 'use straight double quotes: `"images"`'
    if m.found in ("elif", "elseif") or (m.found == "if" and m.last == "else"):
        condition = re.match(r"\w+\s+([^{:]+)", m.after)
        title = f"write `else when {condition[1].strip() if condition else '…'} {{ … }}`"
        return Fix(title, (Edit(m.span, "when" if m.found == "if" else "else when"),), safe=bool(condition))
    if m.found == ":" and re.search(r":\s*(int|float|bool|str)", m.after):
        return "remove the type"
    if m.found == ":" and "RPAR" in m.expected and (name := re.search(r"(\w+)\s*$", m.before)):
        return f"write `=` between an argument and its value: `{name[1]}=…`"
    if m.last.rpartition("(")[2] in ("int", "float", "bool", "str") and "(" in m.before:
        return f"remove `{m.last.rpartition('(')[2]}`: parameters have no types"
    if re.match(r"\d+\s*$", m.before.rpartition(",")[2].rpartition("(")[2].strip()) and (
        size := re.match(r"[xX×*]\s*(\d+)", m.after)
    ):
        return f"write a size as one word: `{m.last.rpartition('(')[2]}x{size[1]}`"
    if (
        re.match(r"\w", m.found)
        and {"RPAR", "_COMMA"} <= m.expected
        and (word := re.search(r"[\w.]+$", m.last))
    ):
        title = f"put a comma between the arguments: `{word[0]}, {m.found}`"
        return m.replace(len(m.before) - len(m.before.rstrip()), f", {m.found}", title)
    if m.rule == "step" and re.match(r"\w", m.found) and m.expected == {"$END"}:
        return (
            "write arguments inside the step's parentheses, and the next step after a comma or on a new line"
        )
    return ""


def _names(m: Mistake) -> str:
    """`out.channels`, `x.shape[1]`, `self.width`, `math.sqrt(2)`: names with a dot in them."""
    base, part = re.search(r"[A-Za-z_]\w*$", m.before), re.match(r"\.([A-Za-z_]\w*)", m.after)
    if not base or not part:
        return "a name cannot contain `.`" if base and m.found == "." else ""
    name, attribute = base[0], part[1]
    index = re.compile(r"\[[^\]]*\]|\([^()]*\)").match(m.after, part.end())
    own = f"{name}_{attribute}"
    if attribute in _SIZES:
        own = "in" if name in _TENSORS else name
    elif name in _PREFIXES:
        own, index = attribute, None
    elif m.rule == "step" and m.before == name:
        return f"a block is called by its name alone: write `{attribute}` instead of `{name}{part[0]}`"
    return f"a name cannot contain `.`: write `{own}` instead of `{name}{part[0]}{index[0] if index else ''}`"


def _signs(m: Mistake) -> Help:
    """Signs of other languages."""
    if m.statement == "input" and m.found in ("x", ","):
        return "write a size as one word, such as `input 3x32x32`"
    if m.found == ";":
        inside = m.before.count("(") > m.before.count(")")
        return (
            "separate arguments by commas" if inside else "remove it: a statement ends at the end of its line"
        )
    if m.found == "if" and m.before.startswith("skip"):
        return "`if same` comes before the braces: write `skip if same { … }`"
    if m.found in _WORDS and (m.found == "!" or not _is_value(m.expected)):
        return m.write(_WORDS[m.found])
    if m.found in _OTHER_OPERATORS and (m.found == "!" or not _is_value(m.expected)):
        return _OTHER_OPERATORS[m.found]
    if m.found == "" and "ELSE" in m.expected:
        return "a conditional expression needs both values: `if c then a else b`"
    if m.found == "" and m.before.rstrip().endswith(","):
        return "remove the last `,`"
    if m.found == "%":
        percent = re.search(r"\d+$", m.before)
        share = percent and not re.match(r"%\s*\w", m.after)
        return f"write `{int(percent[0][:9]) / 100:g}`" if percent and share else "write `a - a // b * b`"
    if m.found in STATEMENTS and m.rule == "statement" and "$END" in m.expected:
        return f"a statement starts on its own line: put `{m.found}` on a new line"
    if m.found == "," and m.before.endswith("}"):
        return remove(m.span, "remove it: each statement starts on its own line")
    return ""


def _bodies(m: Mistake) -> Help:
    """Bodies and branches."""
    if m.found == "|":
        return "branches are only allowed in `add { … }`, `concat { … }` or `mul { … }`"
    if "VBAR" in m.expected and m.last == "{":
        return "write `|` before each branch, the first one too"
    if m.found == "else" and m.before.startswith("skip"):
        return m.write("shortcut")
    if m.found in (":", "=") and m.last in ("shortcut", "else", "}shortcut", "}else"):
        return f"remove the `{m.found}`: write `{m.last.strip('}')} {{ … }}`"
    if m.before.startswith("skip") and m.before.rstrip().endswith("}") and re.match(r"[+\w]", m.found):
        return _after_skip(m)
    if m.found == "otherwise":
        return m.write("else")
    if m.found == "times":
        return remove(m.span, "remove `times`")
    return ""


def _after_skip(m: Mistake) -> Help:
    """`skip { … } + relu`: the sum is in the `skip`, and what follows is a step, or the shortcut."""
    rest = " ".join(m.after.lstrip("+").split())
    if rest in (*_TENSORS, *_SUMMANDS):
        return f"remove `{m.found} {rest}`: `skip` adds its input"
    if m.found == "+" and re.match(r"(conv|linear|avgpool|maxpool)\b", rest):
        return f"write `shortcut {{ {rest} }}` instead of `+ {rest}`"
    if rest.startswith("shortcut"):
        return f"remove the `{m.found}`"
    if m.found != "+":
        if rest.endswith("{"):
            return m.write("shortcut", f" instead of `{m.found}`")
        return m.replace(
            len(m.before) - len(m.before.rstrip()), f", {m.found}", f"put a comma before `{m.found}`"
        )
    if rest.endswith("{"):
        return "write `,` instead of `+`: a `skip` already adds its input"
    return f"write `, {rest}`: a `skip` already adds its input"


def _values(m: Mistake) -> Help:
    """Numbers and comparisons."""
    if m.found == "[" and re.search(r"\w$", m.before):
        return "lists cannot be indexed: write each value in a row of a table `stages block { … }`"
    if m.found == "{" and m.last == "repeat":
        return "write the number of repetitions: `repeat 3 { … }`"
    if (
        re.fullmatch(r"\d{3}", m.found)
        and (number := re.search(r"[\d ]*\d$", m.before.rstrip()))
        and not m.expected & {"RPAR"}
    ):
        rest = re.match(r"[\d ]+", m.after)
        joined = (number[0] + rest[0] if rest else "").replace(" ", "")
        return f"a number cannot contain spaces: write `{joined}`"
    if m.found == "=" and m.expected & {"COMPARISON", "THEN"}:
        return Fix("use `==` to compare values", (Edit(m.span, "=="),))
    if m.found == "**":
        base, exponent = re.search(r"(\d+)\s*$", m.before), re.match(r"\*+\s*([A-Za-z_]\w*)", m.after)
        if base and exponent:
            two, name = int(base[1]), exponent[1]
            few = f"if {name} == 0 then 1 else if {name} == 1 then {two} else {two**2}"
            return f"there is no power operator: write `({few})`"
        return _POWERS
    if m.statement == "stage" and (times := re.fullmatch(r"(\d+)x|x(\d+)", m.found)):
        return m.write(f"repeat={times[1] or times[2]}")
    if plain := _number(m):
        return plain
    if re.match(r"[=!<>]=?$", m.found) and "AND" in m.expected:
        return "comparisons cannot be chained: join two of them with `and`"
    return ""


def _number(m: Mistake) -> Help:
    """`2.0f`, `10_000L`, `.5`, `2.`, `300K`, `1.8B`."""
    if not re.match(r"\.?\d", m.found) or _IS_NUMBER.fullmatch(m.found):
        return ""
    if pair := re.match(r"(\d+)\.\s+(\d+)", m.after):
        return f"write `{pair[1]}, {pair[2]}`"
    parts = re.fullmatch(r"(\d[\d_]*)?(\.\d*)?([eE][-+]?\d+)?([A-Za-z]*)", m.found)
    unit = _UNITS.get(parts[4], "") if parts else ""
    if not parts or (parts[4] and parts[4] not in _UNITS):
        return _NUMBERS
    number = (parts[1] or "0").replace("_", "") + (parts[2] or "").rstrip(".")
    if parts[4] in ("G", "B"):
        digits, _, decimals = number.partition(".")
        return m.write(f"{digits}{decimals:0<3}M") if len(decimals) < 4 and not parts[3] else _NUMBERS
    return m.write(f"{number}{parts[3] or ''}{unit}")


def _lines(m: Mistake) -> Help:
    """Lines of recipes and tables."""
    if m.found in ("=", ":") and m.rule == "entry":
        return "write no `{m.found}` between key and value, as in `epochs 10`"
    if m.found == "{" and m.last in ("shortcut", "else"):
        return f"`{m.last}` must follow the `}}` of a `{'skip' if m.last == 'shortcut' else 'when'}`"
    if m.rule == "header" or (m.statement == "stages" and m.expected == {"NAME"} and m.last == "{"):
        if m.columns and m.rule == "header":
            return f"add a header line before it: `{m.columns}`"
        return f"the first line of a table names its columns, such as `{m.columns or 'out  repeat  stride'}`"
    if m.rule == "row" and m.found in ("+", "*", "/", "//", "-"):
        return "an expression in a table must be in parentheses, such as `(2 * n)`"
    if m.statement == "stages" and "{" in m.before and "\n" not in m.before:
        return "a table needs a header line, and a line for each row"
    return ""


def _is_value(expected: Set[str]) -> bool:
    """True if a value is expected here, and not an operator."""
    return "NAME" in expected and "TIMES" not in expected and "THEN" not in expected
