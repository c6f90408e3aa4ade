"""Known mistakes in lines of recipes, tables and initialisations."""

from __future__ import annotations

import re
from collections.abc import Callable

from netdsl.language.expressions import FUNCTIONS
from netdsl.language.recipe import KEYS
from netdsl.ops import OPERATIONS
from netdsl.other_frameworks.recipe_lines import own_choice, recipe_line
from netdsl.other_frameworks.translation import own_name, own_value
from netdsl.syntax.errors.patterns import COMMENTS, Advice, Rule, write

BRACKETS = "an expression in a table stands in brackets"
# A choice without them, which is many cells.
CHOICE = r"(.*?)(?<![(\w])(if\s.+?\sthen\s.+?\selse\s+\S+)(.*)$"
# A call with a blank before its bracket, which is two cells of a row.
APART = re.compile(rf"\b({'|'.join(FUNCTIONS)})([ \t]+)\(")


def _entry(match: re.Match[str]) -> Advice:
    if match[1] == "augment":
        return _augment(match)
    if re.search(r",\s*\w+\s*[=:]", match[2]) and "(" not in match[0]:
        lines = [re.sub(r"\s*[=:]\s*", " ", part.strip()) for part in match[0].split(",")]
        return Advice("each key stands on a line of its own", f"write `{'`, `'.join(lines)}`, each on a line")
    line = recipe_line(match[1], match[2]) or f"{match[1]} {own_value(match[2].rstrip(';,'))}"
    return Advice("a key and its value stand side by side", f"write `{line}`")


def _entry_brackets(match: re.Match[str]) -> Advice:
    """`optimizer sgd lr=0.1`."""
    given = ", ".join(re.findall(r"\w+\s*=\s*(?:\[[^\]]*\]|[^\s,]+)|\"[^\"]*\"|[\d.]\S*", match[3]))
    name = own_choice(match[2]) or match[2]
    return Advice("arguments stand in brackets", f"write `{match[1]} {name}({given})`")


def _augment(match: re.Match[str]) -> Advice:
    """`augment flip crop(4)`, `augment: [flip, crop(4)]`."""
    found = re.findall(r"[A-Za-z]\w*(?:\([^()]*\))?", match[2])
    given = ", ".join(own_choice(item) or item for item in found)
    return Advice("commas stand between augmentations", f"write `augment {given}`")


def _entry_choice(match: re.Match[str]) -> Advice | None:
    plain = re.sub(r"(?<=[a-z])-(?=[a-z]+\s*=)", "_", match[2]).replace(";", ",")
    found = own_choice(plain)
    if not found or found == match[2]:
        return None
    message = "it has another name here" if plain == match[2] else "names have `_`, and arguments commas"
    return Advice(message, f"write `{match[1]} {found}`")


def _transition(match: re.Match[str]) -> Advice | None:
    """`bn, relu, conv(in // 2, 1)` between the rows of a table."""
    first = re.match(r"\w+", match[1])
    if not first or (first[0] not in OPERATIONS and not own_name(first[0])) or re.match(r"\w+\s*=", match[1]):
        return None
    message = "steps between the rows of a table stand in `layers { … }`"
    return Advice(message, f"write `layers {{ {match[1].strip(' ,')} }}`")


def _in_brackets(match: re.Match[str]) -> Advice | None:
    """`16 * k  2  1`."""
    term = r"[\w.]+(?:\([^()]*\))?"
    expression = rf"(?<![(\w.]){term}(?:\s*(?://|[*/+]|-(?=\s)|(?<=\w)-)\s*{term})+"
    row = re.sub(expression, lambda found: f"({' '.join(found[0].split())})", match[0])
    row = re.sub(r"\s{2,}", "  ", row)
    return Advice(BRACKETS, f"write `{row}`") if "(" in row else None


def _called(match: re.Match[str]) -> Advice:
    """`round_to (w, 8)`."""
    row = re.sub(r"\s{2,}", "  ", APART.sub(r"\1(", match[0]))
    return Advice("in a table no blank stands before the bracket of a call", f"write `{row}`")


def _blanks(message: str, cell: str) -> Callable[[re.Match[str]], Advice]:
    return lambda match: Advice(message, f"write `{'  '.join(re.findall(cell, match[0]))}`")


LINES: dict[str, list[Rule]] = {
    "entry": [
        *COMMENTS,
        (r"-?\s*[\"']?(\w+)[\"']?\s*[:=]\s*(.+)$", _entry),
        (r"(augment)\s+(.+\s.+)$", _augment),
        (
            r"(validation|images)\s+(\d{1,2})\s*%$",
            lambda m: Advice(
                "it is a number of images", f"write `{m[1]} {500 * int(m[2])}`, of CIFAR's 50,000"
            ),
        ),
        (
            r"data\s+[\"']?([\w~-]*[./][^\s\"',]*)[\"']?$",
            write("a folder is told by its path", r'data folder("\1")'),
        ),
        (r"(\w+\s+.+?)\s*,$", write("lines end without a comma", r"\1")),
        (r"(\w+)\s+([A-Za-z]\w*)\s*[\s,]\s*(\w+\s*=.*|\"[^\"]*\"|[\d.]+\s*)$", _entry_brackets),
        (r"(\w+)\s+([\w.]+\(.*\))$", _entry_choice),
        (r"(\w+\s+.+);$", write("lines end without `;`", r"\1")),
        (r"(\w+)\s+'([^']*)'$", write("words stand without quotes", r"\1 \2")),
        (r"(\d+)\s+(\w+)$", lambda m: m[2] in KEYS and write("the key stands first", r"\2 \1")(m) or None),
    ],
    "header": [
        *COMMENTS,
        (r"(?=[|\s]*[A-Za-z])[\s\w,|;]+$", _blanks("blanks stand between the columns", r"\w+")),
    ],
    "row": [
        (r"[-|:\s]+$", lambda m: Advice("no line stands under the columns", "leave it out")),
        *COMMENTS,
        (rf".*{APART.pattern}.*", _called),
        (CHOICE, write(BRACKETS, r"\1(\2)\3")),
        (r"[{|]?\s*(\w.*?)\s*\}?$", _transition),
        (r"[\w.\s,|;]+$", _blanks("blanks stand between the cells", r"[\w.]+")),
        (r"(?=.*\w\s*[-+*/])[\w\s.()*/+-]+$", _in_brackets),
        (r"(?:\w+\s*=\s*[\w.]+[\s,]*)+$", _blanks("the header names the cells", r"(?<==)\s*[\w.]+")),
    ],
    "init_rule": [
        *COMMENTS,
        (r"(\w+)\s*[:= ]\s*0(?:\.0*)?$", write("a rule is a word", r"\1 zeros")),
        (r"(\w+)\s*[:= ]\s*1(?:\.0*)?$", write("a rule is a word", r"\1 ones")),
        (r"(\w+)\s*[:= ]\s*([\d.]+)$", write("a rule is a word", r"\1 constant(\2)")),
        (
            r"(?!bias)(\w+)\.(?:weight|kernel|gamma)\s*[:=]?\s*(\w.*)$",
            write("a rule is for weights", r"\1 \2"),
        ),
        (r"(?:\w+\.)(bias|beta)\s*[:=]?\s*(\w.*)$", write("one rule is for all biases", r"bias \2")),
        (r"([\w.]+)\s*[:=]\s*(\w.*)$", write("a key and its rule stand side by side", r"\1 \2")),
    ],
}
