"""Groups cut into rows at the author's newlines, and their text where it is written flat."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from netdsl.format.token_groups import Group, Item, Kind, Token, is_brace, is_comment, is_newline, is_text


@dataclass(slots=True)
class Row:
    """The items of one line and the comment after them; a comment line has no items.

    `blank`: an empty line precedes it. `hanging`: it continues the value of the row before.
    """

    items: list[Item] = field(default_factory=list)
    comment: str = ""
    blank: bool = False
    hanging: bool = False


def rows(items: Sequence[Item], kind: Kind) -> list[Row]:
    """The rows of a group, or of the whole file."""
    result: list[Row] = []
    newlines = 0
    for item in items:
        if is_newline(item):
            newlines += 1
            continue
        last = result[-1] if result else Row()
        if is_text(item, ",") and not _divides(last, newlines, kind):
            if kind == "inline" and (before := _last(result)):
                before.items.append(item)
            continue
        if is_comment(item):
            if newlines or not last.items:
                result.append(Row(comment=item.text, blank=newlines > 1))
            else:
                last.comment = item.text
        elif result and _goes_on(last, item, newlines):
            last.items.append(item)
        else:
            more = is_text(item, "else", "shortcut")
            before = _last(result)
            hanging = more and before is not None and not is_brace(before.items[-1])
            result.append(Row([item], blank=newlines > 1 and not more, hanging=hanging))
        newlines = 0
    if result:
        result[0].blank = False
    return result


def _last(found: Sequence[Row]) -> Row | None:
    """The last row that isn't a comment alone."""
    return next((row for row in reversed(found) if row.items), None)


def _divides(last: Row, newlines: int, kind: Kind) -> bool:
    """True if a `,` here is the one that divides: not the second one, and none beside a newline or a `|`."""
    if newlines or not last.items or last.comment:
        return False
    return not is_text(last.items[-1], ",") and (kind != "join" or not is_text(last.items[-1], "|"))


def _goes_on(last: Row, item: Item, newlines: int) -> bool:
    """True if an item belongs to the row before it."""
    if last.comment or not last.items:
        return False
    before = last.items[-1]
    if is_text(before, "|"):
        return not is_text(item, "|")
    if is_text(item, "|"):
        return False
    # `} else {`: the word follows the bracket.
    return not newlines or (is_text(item, "else") and is_brace(before))


def split(items: Sequence[Item]) -> list[list[Item]]:
    """The steps or arguments that commas divide; those between the names of an `each` don't."""
    parts: list[list[Item]] = [[]]
    for item in items:
        named = parts[-1] and is_text(parts[-1][0], "each") and not is_brace(parts[-1][-1])
        if is_text(item, ",") and not named:
            parts.append([])
        else:
            parts[-1].append(item)
    return [part for part in parts if part]


def flat(items: Sequence[Item]) -> str:
    """The items on one line."""
    text = ""
    before: Item | None = None
    for item in items:
        text += gap(before, item) + (_flat_group(item) if isinstance(item, Group) else item.text)
        before = item
    return text


def _flat_group(group: Group) -> str:
    # A comma before the bracket, or before or after a `|`, has no meaning.
    kept: list[Item] = []
    for item in group.items:
        if is_newline(item) or (is_text(item, ",") and (not kept or is_text(kept[-1], ",", "|"))):
            continue
        if is_text(item, "|") and kept and is_text(kept[-1], ","):
            kept.pop()
        kept.append(item)
    while kept and is_text(kept[-1], ","):
        kept.pop()
    blank = " " if kept and group.opening == "{" else ""
    return group.opening + blank + flat(kept) + blank + group.closing


def gap(before: Item | None, item: Item) -> str:
    """The separator between two items of a line: a space, or nothing."""
    if before is None or is_text(item, ",", ":"):
        return ""
    if isinstance(before, Token) and (before.prefix or before.tight):
        return ""
    if isinstance(item, Token):
        return "" if item.tight else " "
    return "" if item.hugs else " "


# --- tables --------------------------------------------------------------------------------------


def cells(row: Sequence[Item]) -> list[list[Item]]:
    """The cells of a table's row: a value, with its sign or with the bracket that it calls."""
    found: list[list[Item]] = []
    for item in row:
        belongs = found and (
            (isinstance(item, Group) and item.hugs)
            or (isinstance(found[-1][-1], Token) and found[-1][-1].prefix)
        )
        if belongs:
            found[-1].append(item)
        else:
            found.append([item])
    return found


def aligned(table: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table whose first row is its header.

    Numbers are aligned right, other cells left; a column narrower than its heading is centred below it.
    """
    columns = [_column(column) for column in zip_longest(*table, fillvalue="")]
    return ["  ".join(row).rstrip() for row in zip(*columns, strict=True)]


def _column(column: Sequence[str]) -> list[str]:
    """Heading and cells, all of one width."""
    heading, *below = column
    needed = max(map(len, below), default=0)
    width = max(len(heading), needed)
    numbers = any(re.match(r"-?\d", cell) for cell in below)
    margin = " " * ((width - needed) // 2)
    inside = [cell.rjust(needed) if numbers else cell.ljust(needed) for cell in below]
    head = heading.rjust(width) if numbers else heading.ljust(width)
    return [head, *((margin + cell).ljust(width) for cell in inside)]
