"""Rows to lines: line breaks and indentation.

A group is written flat, `{ a, b }`, or spread over lines. It is spread where the author spread it, and
where the line would be too long.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise, repeat

from netdsl.format.layout_lines import Line
from netdsl.format.rows import Row, aligned, cells, flat, gap, rows, split
from netdsl.format.token_groups import Group, Item, Token, is_brace, is_comment, is_text

WIDTH = 100
_INDENT = 2


def lines(items: Sequence[Item]) -> list[Line]:
    """The lines of a whole file. A block of several lines has an empty line on both sides."""
    result: list[Line] = []
    after_block = False
    for row in rows(items, "body"):
        indent = _INDENT if row.hanging else 0
        found = _finished(_laid(row.items, indent), row, indent)
        if after_block:
            found[0] = replace(found[0], blank=True)
        result += found
        after_block = _starts(row, "block") and len(found) > 1
        if after_block:
            _set_apart(result, len(result) - len(found))
    return result


def _set_apart(result: list[Line], first: int) -> None:
    """An empty line before the one at `first`, and before the comments directly above it."""
    while first and not result[first].blank and not result[first - 1].text:
        first -= 1
    result[first] = replace(result[first], blank=True)


def _starts(row: Row, word: str) -> bool:
    return bool(row.items) and is_text(row.items[0], word)


def _finished(found: list[Line], row: Row, indent: int) -> list[Line]:
    """The lines of a row with its comment, and the empty line before it."""
    if not found:
        found = [Line(indent, "", row.comment)] if row.comment else []
    elif row.comment:
        found[-1] = replace(found[-1], comment=row.comment)
    if found and row.blank:
        found[0] = replace(found[0], blank=True)
    return found


# --- groups --------------------------------------------------------------------------------------


def _content(group: Group, indent: int) -> Iterator[Line]:
    """The lines between the brackets of a spread group, after a comment behind the first bracket."""
    found = rows(group.items[1:] if _comment_behind(group) else group.items, group.kind)
    match group.kind:
        case "join":
            laid = _branches(found, indent)
        case "table":
            laid = zip(found, _table(found, indent), repeat(indent))
        case "init":
            laid = zip(found, _rules(found, indent), repeat(indent))
        case "train":
            laid = ((row, _laid(row.items, indent), indent) for row in found)
        case "inline":
            _drop_last_comma(found)
            laid = ((row, _values(row.items, indent), indent) for row in found)
        case "body":
            laid = ((row, _steps(row, indent), indent) for row in found)
    for row, own, depth in laid:
        yield from _finished(own, row, depth)


def _comment_behind(group: Group) -> str:
    """The comment on the line of the opening bracket."""
    first = group.items[0]
    return first.text if is_comment(first) else ""


def _steps(row: Row, indent: int) -> list[Line]:
    return _packed(split(row.items), ", ", indent, indent + _INDENT if row.hanging else indent)


def _values(items: Sequence[Item], indent: int) -> list[Line]:
    """Arguments, or a part of a long value; the commas between them stay."""
    comma = Token(",", "sign")
    parts = split(items)
    divided = [[*part, comma] for part in parts[:-1]] + parts[-1:]
    if items and is_text(items[-1], ","):
        divided[-1].append(comma)
    return _packed(divided, " ", indent, indent)


def _drop_last_comma(found: Sequence[Row]) -> None:
    last = next((row for row in reversed(found) if row.items), None)
    if last and is_text(last.items[-1], ","):
        del last.items[-1]


def _packed(parts: Sequence[Sequence[Item]], between: str, indent: int, first: int) -> list[Line]:
    """Fills lines with parts; a spread part gets its own line. `first` is the first line's indentation."""
    result: list[Line] = []
    alone = True
    for part in parts:
        own = _laid(part, indent if result else first)
        if len(own) == 1 and not alone:
            together = replace(result[-1], text=result[-1].text + between + own[0].text)
            if together.width <= WIDTH:
                result[-1] = together
                continue
        result += own
        alone = len(own) > 1
    return result


def _branches(found: Sequence[Row], indent: int) -> Iterator[tuple[Row, list[Line], int]]:
    """A branch starts with its `|`; its further lines are indented to its first step."""
    inner = indent + _INDENT
    for n, row in enumerate(found):
        if _starts(row, "|"):
            own = _steps(Row(row.items[1:]), inner) or [Line(inner, "")]
            yield row, [replace(own[0], indent=indent, text=f"| {own[0].text}".rstrip()), *own[1:]], indent
        elif row.items:
            yield row, _steps(row, inner), inner
        else:
            # A comment belongs to the row below it.
            below = next((other for other in found[n:] if other.items), None)
            yield row, [], inner if below and not _starts(below, "|") else indent


def _rules(found: Sequence[Row], indent: int) -> Iterator[list[Line]]:
    """The rules of an `init`, one on a line, the keys in a column."""
    keys = [len(flat(rule[:1])) for row in found for rule in split(row.items)]
    for row in found:
        result: list[Line] = []
        for rule in split(row.items):
            first, *rest = _laid(rule, indent)
            key, _, text = first.text.partition(" ")
            result += [replace(first, text=f"{key:<{max(keys)}} {text}"), *rest]
        yield result


def _table(found: Sequence[Row], indent: int) -> Iterator[list[Line]]:
    """The rows of a table with aligned cells; transitions are not aligned."""
    shown = iter(aligned([[flat(cell) for cell in cells(row.items)] for row in found if _has_cells(row)]))
    for row in found:
        yield [Line(indent, next(shown))] if _has_cells(row) else _laid(row.items, indent)


def _has_cells(row: Row) -> bool:
    """True if a row is aligned in columns: no comment, no transition, no cell over several lines."""
    return bool(row.items) and not is_brace(row.items[-1]) and not _is_spread(row.items)


def _is_spread(items: Sequence[Item]) -> bool:
    return any(isinstance(item, Group) and item.spread for item in items)


# --- one step, statement or value ----------------------------------------------------------------


def _laid(items: Sequence[Item], indent: int) -> list[Line]:
    """The lines of what commas don't divide: flat if it fits, else with as few groups spread as will do."""
    if not items:
        return []
    if not _is_spread(items) and indent + len(flat(items)) <= WIDTH:
        return [Line(indent, flat(items))]
    for n, (before, item) in enumerate(pairwise(items), start=1):
        if is_text(item, "shortcut") and is_brace(before):
            return _laid(items[:n], indent) + _laid(items[n:], indent)
    # The bodies of a `when` are written alike.
    braces = {n for n, item in enumerate(items) if is_brace(item) and _can_spread(item)}
    lists = [n for n, item in enumerate(items) if not is_brace(item) and _can_spread(item)]
    longest = max(lists, key=lambda n: len(flat(items[n : n + 1])), default=None)
    spread = any(is_brace(item) and _is_spread([item]) for item in items)
    attempts = [braces if spread else set[int](), braces]
    if longest is not None:
        attempts.append({*braces, longest})
    chosen = next((tried for tried in attempts if _fits(_cut(items, indent, tried))), braces)
    result: list[Line] = []
    for line, group in _cut(items, indent, chosen):
        result += [line, *_content(group, indent + _INDENT)] if group else [line]
    return result


def _can_spread(item: Item) -> bool:
    """True if a group is not empty and on one line."""
    return isinstance(item, Group) and not item.spread and len(flat([item])) > 2


def _cut(items: Sequence[Item], indent: int, chosen: set[int]) -> list[tuple[Line, Group | None]]:
    """The lines around the groups that are spread and those chosen to be, each with the group it opens."""
    result: list[tuple[Line, Group | None]] = []
    line = Line(indent, "")
    before: Item | None = None
    for n, item in enumerate(items):
        line = replace(line, text=line.text + gap(before, item))
        if isinstance(item, Group) and (item.spread or n in chosen):
            opening = replace(line, text=line.text + item.opening, comment=_comment_behind(item))
            result.append((opening, item))
            line = Line(indent, item.closing)
        else:
            line = replace(line, text=line.text + flat([item]))
        before = item
    return [*result, (line, None)]


def _fits(cut: Sequence[tuple[Line, Group | None]]) -> bool:
    return all(line.width <= WIDTH for line, _ in cut)
