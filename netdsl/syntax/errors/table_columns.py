"""The missing header of a table of stages, from its block's parameters and the cells of its rows."""

from __future__ import annotations

import re
from collections.abc import Sequence

from netdsl.other_frameworks.translation import split

_TABLE = re.compile(r"stages\s+(\w+)")
_CELL = re.compile(r'"[^"\n]*"|\w+\([^()]*\)|\([^()]*\)|-?[\w.]+')
# The parameters of the standard blocks.
_STANDARD = dict.fromkeys(("plain", "residual", "bottleneck"), "out, stride=1")
# A larger number is not a stride.
_LARGEST_STRIDE = 2


def columns(text: str, place: int) -> str:
    """The columns of the table whose first row begins at a place; empty where its block isn't in the text."""
    table = _TABLE.match(text, max(0, text.rfind("stages", 0, place)))
    block = table[1] if table else ""
    defined = None
    if f"block {block}" in text:  # most names are of no block, and a pattern for each costs more
        defined = re.search(rf"^block {block}\s*\(([^{{]*)\)\s*\{{", text, re.MULTILINE)
    given = defined[1] if defined else _STANDARD.get(block)
    if not given:
        return ""
    parameters = [parameter.partition("=")[0].strip() for parameter in split(given)]
    lines = text[place:].partition("}")[0].split("\n")
    rows = [_CELL.findall(line.partition("#")[0]) for line in lines]
    return "  ".join(_names(parameters, [row for row in rows if row]))


def _names(parameters: Sequence[str], rows: Sequence[Sequence[str]]) -> Sequence[str]:
    """As many parameters as there are cells, and `repeat` before the stride where there are more."""
    names = list(parameters)
    count = len(rows[0]) if rows else 0
    at = names.index("stride") if "stride" in names else len(names)
    if count == len(names) + 1:
        names.insert(at, "repeat")
    elif at < count <= len(names) and _largest(rows, at) > _LARGEST_STRIDE:
        names[at] = "repeat"
    return names[:count] if count <= len(names) else ()


def _largest(rows: Sequence[Sequence[str]], column: int) -> int:
    return max(int(row[column]) if row[column:] and row[column].isdigit() else 0 for row in rows)
