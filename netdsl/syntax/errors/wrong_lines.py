"""Known mistakes in lines of recipes, tables and initialisations."""

from __future__ import annotations

import re
from collections.abc import Callable

from netdsl.language.expressions import FUNCTIONS
from netdsl.language.recipe import KEYS
from netdsl.ops import OPERATIONS
from netdsl.other_frameworks.recipe_lines import own_choice, recipe_line
from netdsl.other_frameworks.translation import own_name, own_value
from netdsl.syntax.errors.patterns import COMMENTS, Advice, Rule, Write

# Messages about rows of tables; `resolve` reports the same mistakes where a row can be parsed.
NEEDS_PARENTHESES = "an expression in a table must be in parentheses"
NEEDS_LAYERS = "steps between the rows of a table must be in `layers { … }`"
NO_SPACE = "in a table, write no space between a function and its `(`"
# A conditional expression without parentheses, which the parser reads as several cells.
CHOICE = r"(.*?)(?<![(\w])(if\s.+?\sthen\s.+?\selse\s+\S+)(.*)$"
# A call with a space before its parenthesis, which is two cells of a row.
APART = re.compile(rf"\b({'|'.join(FUNCTIONS)})([ \t]+)\(")


def _entry(match: re.Match[str]) -> Advice:
    if match[1] == "augment":
        return _augment(match[3])
    if re.search(r",\s*\w+\s*[=:]", match[3]) and "(" not in match[0]:
        lines = [re.sub(r"\s*[=:]\s*", " ", part.strip()) for part in match[0].split(",")]
        return Advice("each key must be on its own line", Write("\n".join(lines)))
    line = recipe_line(match[1], match[3]) or f"{match[1]} {own_value(match[3].rstrip(';,'))}"
    return Advice(f"write no `{match[2]}` between key and value", Write(line))


def _entry_brackets(match: re.Match[str]) -> Advice:
    """`optimizer sgd lr=0.1`."""
    given = ", ".join(re.findall(r"\w+\s*=\s*(?:\[[^\]]*\]|[^\s,]+)|\"[^\"]*\"|[\d.]\S*", match[3]))
    name = own_choice(match[2]) or match[2]
    return Advice("arguments must be in parentheses", Write(f"{match[1]} {name}({given})"))


def _augment(text: str) -> Advice:
    """`augment flip crop(4)`, `augment: [flip, crop(4)]`."""
    found = re.findall(r"[A-Za-z]\w*(?:\([^()]*\))?", text)
    given = ", ".join(own_choice(item) or item for item in found)
    return Advice("separate augmentations by commas", Write(f"augment {given}"))


def _entry_choice(match: re.Match[str]) -> Advice | None:
    plain = re.sub(r"(?<=[a-z])-(?=[a-z]+\s*=)", "_", match[2]).replace(";", ",")
    found = own_choice(plain)
    if not found or found == match[2]:
        return None
    message = (
        "it has another name in netdsl"
        if plain == match[2]
        else "write names with `_`, and commas between arguments"
    )
    return Advice(message, Write(f"{match[1]} {found}"))


def _transition(match: re.Match[str]) -> Advice | None:
    """`bn, relu, conv(in // 2, 1)` between the rows of a table."""
    first = re.match(r"\w+", match[1])
    if not first or (first[0] not in OPERATIONS and not own_name(first[0])) or re.match(r"\w+\s*=", match[1]):
        return None
    return Advice(NEEDS_LAYERS, Write(f"layers {{ {match[1].strip(' ,')} }}"))


def _in_brackets(match: re.Match[str]) -> Advice | None:
    """`16 * k  2  1`."""
    term = r"(?:[\w.]+(?:\([^()]*\))?|\([^()]*\))"
    expression = rf"(?<![(\w.]){term}(?:\s*(?://|[*/+]|-(?=\s)|(?<=\w)-)\s*{term})+"
    row = re.sub(expression, lambda found: f"({' '.join(found[0].split())})", match[0])
    row = re.sub(r"\s{2,}", "  ", row)
    return Advice(NEEDS_PARENTHESES, Write(row)) if "(" in row else None


def _called(match: re.Match[str]) -> Advice:
    """`round_to (w, 8)`."""
    row = re.sub(r"\s{2,}", "  ", APART.sub(r"\1(", match[0]))
    return Advice(NO_SPACE, Write(row))


def _blanks(message: str, cell: str) -> Callable[[re.Match[str]], Advice]:
    return lambda match: Advice(message, Write(f"{'  '.join(re.findall(cell, match[0]))}"))


LINES: dict[str, list[Rule]] = {
    "entry": [
        *COMMENTS,
        (r"-?\s*[\"']?(\w+)[\"']?\s*([:=])\s*(.+)$", _entry),
        (r"augment\s+(.+\s.+)$", lambda m: _augment(m[1])),
        (
            r"(validation|images)\s+(\d{1,2})\s*%$",
            lambda m: Advice(
                f"`{m[1]}` is a number of images, not a percentage",
                Write(f"{m[1]} {500 * int(m[2])}", ", of CIFAR's 50,000"),
            ),
        ),
        (
            r"data\s+[\"']?([\w~-]*[./][^\s\"',]*)[\"']?$",
            "a path must be inside `folder(…)`",
            Write(r'data folder("\1")'),
        ),
        (r"(\w+\s+.+?)\s*,$", "no `,` at the end of a line", Write(r"\1")),
        (r"(\w+)\s+([A-Za-z]\w*)\s*[\s,]\s*(\w+\s*=.*|\"[^\"]*\"|[\d.]+\s*)$", _entry_brackets),
        (r"(\w+)\s+([\w.]+\(.*\))$", _entry_choice),
        (r"(\w+\s+.+);$", "no `;` at the end of a line", Write(r"\1")),
        (r"(\w+)\s+'([^']*)'$", "a word must not be in quotes", Write(r"\1 \2")),
        (rf"(\d+)\s+({'|'.join(KEYS)})$", "the key must come first", Write(r"\2 \1")),
    ],
    "header": [
        *COMMENTS,
        (
            r"([A-Za-z]\w*(?:\s+[A-Za-z]\w*)*)\s+(-?\d.*)$",
            "a table needs a header line, and a line for each row",
            r"write `\1` on the line after the `{`, and `\2` below it",
        ),
        (r"(?=[|\s]*[A-Za-z])[\s\w,|;]+$", _blanks("separate the columns by spaces", r"\w+")),
    ],
    "row": [
        (r"[-|:\s]+$", "no line between the header and the rows", "remove it"),
        *COMMENTS,
        (rf".*{APART.pattern}.*", _called),
        (CHOICE, NEEDS_PARENTHESES, Write(r"\1(\2)\3")),
        (r"[{|]?\s*(\w.*?)\s*\}?$", _transition),
        (r"(?=.*[,|;])[\w.\s,|;]+$", _blanks("separate the cells by spaces", r"[\w.]+")),
        (r"(?=.*\w\s*[-+*/])[\w\s.()*/+-]+$", _in_brackets),
        (
            r"(?:\w+\s*=\s*[\w.]+[\s,]*)+$",
            _blanks("cells have no names: the header names the columns", r"(?<==)\s*[\w.]+"),
        ),
    ],
    "init_rule": [
        *COMMENTS,
        (r"(\w+)\s*[:= ]\s*0(?:\.0*)?$", "a rule must be a word", Write(r"\1 zeros")),
        (r"(\w+)\s*[:= ]\s*1(?:\.0*)?$", "a rule must be a word", Write(r"\1 ones")),
        (r"(\w+)\s*[:= ]\s*([\d.]+)$", "a rule must be a word", Write(r"\1 constant(\2)")),
        (
            r"(?!bias)(\w+)\.(weight|kernel|gamma)\s*[:=]?\s*(\w.*)$",
            r"no `.\2` after `\1`: a rule applies to the weights",
            Write(r"\1 \3"),
        ),
        (r"(?:\w+\.)(bias|beta)\s*[:=]?\s*(\w.*)$", "one rule applies to all biases", Write(r"bias \2")),
        (r"([\w.]+)\s*([:=])\s*(\w.*)$", r"write no `\2` between key and rule", Write(r"\1 \3")),
    ],
}
