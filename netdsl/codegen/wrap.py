"""Wraps the long lines of generated code as black does, at 88 columns.

Only what generated code has: signatures, assignments, `return`, `if`, `for` and calls, each on one line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate

from netdsl.base.named_tuple import NamedTuple

WIDTH = 88

_TOKEN = re.compile(
    r""" *(?:[rbf]?"(?:\\.|[^"\\])*"|\d+(?:\.\d*)?(?:e[-+]?\d+)?|\w+|\*\*=?|//=?|->|[-+*/%|@<>=!]=|.)"""
)
_OPEN, _CLOSE = "([{", ")]}"
# A line inside of brackets is broken at the operators that bind least: after commas, before others.
_COMMA, _CHAIN = 9, 1
_BINDING = {
    "for": 10,
    ",": _COMMA,
    **dict.fromkeys(("if", "else"), 8),
    **dict.fromkeys(("and", "or"), 7),
    **dict.fromkeys(("==", "!=", "<", ">", "<=", ">=", "in", "is", "not"), 6),
    "|": 5,
    **dict.fromkeys("+-", 4),
    **dict.fromkeys(("*", "/", "//", "%", "@"), 3),
    "**": 2,
}


def wrapped(code: str) -> str:
    """The code with its long lines broken. Comments and docstrings stay as they are."""
    lines = []
    quoted = False
    for line in code.split("\n"):
        quotes = line.count('"""')
        if len(line) <= WIDTH or quoted or quotes or line.lstrip().startswith("#"):
            lines.append(line)
        else:
            depth = (len(line) - len(line.lstrip())) // 4
            lines += [piece.text for piece in _broken(_Line(tuple(_TOKEN.findall(line.strip())), depth))]
        quoted ^= quotes % 2 == 1
    return "\n".join(lines)


class _Line(NamedTuple):
    """Tokens, each with the space before it. `inside` brackets, a line may be broken at operators; `listed`
    says that each item has its own line.
    """

    tokens: tuple[str, ...]
    depth: int
    inside: bool = False
    listed: bool = False

    @property
    def text(self) -> str:
        return "    " * self.depth + "".join(self.tokens).lstrip()

    @property
    def fits(self) -> bool:
        return len(self.text) <= WIDTH

    def part(self, start: int, end: int, deeper: bool = False, listed: bool = False) -> _Line:
        inside = deeper or self.inside
        return _Line(self.tokens[start:end], self.depth + deeper, inside, listed)


def _broken(line: _Line) -> list[_Line]:
    """The line as it is if it fits, otherwise as several."""
    if line.fits and not line.listed:
        return [line]
    if not line.inside:
        parts = _signature(line) if line.tokens[0] == "def" else _statement(line)
    else:
        parts = _delimited(line) or _bracketed(line)
    return [piece for part in parts for piece in _broken(part)] or [line]


def _depths(tokens: Sequence[str]) -> list[int]:
    """The number of brackets around each token; a bracket is outside of itself."""
    after = accumulate((t.strip() in _OPEN) - (t.strip() in _CLOSE) for t in tokens)
    return [depth - (t.strip() in _OPEN) for depth, t in zip(after, tokens, strict=True)]


def _signature(line: _Line) -> list[_Line]:
    depths = _depths(line.tokens)
    start = line.tokens.index("(")
    end = next(n for n in range(start + 1, len(depths)) if depths[n] == 0 and line.tokens[n] == ")")
    if "," not in line.tokens[start:end]:
        line = line._replace(tokens=(*line.tokens[:end], ",", *line.tokens[end:]))
        return _around(line, start, end + 1, listed=True)
    return _around(line, start, end)


def _statement(line: _Line) -> list[_Line]:
    """A statement outside of brackets: its value is broken at its last brackets, or stands in brackets."""
    start = _value(line)
    if start is None or line.tokens[-1].strip() in _OPEN:
        return _bracketed(line)
    end = len(line.tokens) - (line.tokens[-1] == ":")
    value = line.part(start, end, deeper=True)
    if "," in line.tokens[:start] and len(line.part(0, start).text) + len(" (") > WIDTH:
        targets = line.part(0, start - 1, deeper=True, listed=True)
        rest = (")", *line.tokens[start - 1 :])
        return [line._replace(tokens=("(",)), targets, line._replace(tokens=rest)]
    own = _bracketed(line, start) if _without_brackets(value) else []
    if own and own[0].fits:
        return own
    if len(value.tokens) == 1 and not value.fits:
        return []
    boxed = [
        _Line((*line.tokens[:start], " (" if start else "("), line.depth),
        value._replace(listed=_COMMA in _delimiters(value).values()),
        _Line((")", *line.tokens[end:]), line.depth),
    ]
    return boxed if not own or all(part.fits for part in boxed) else own


def _value(line: _Line) -> int | None:
    """The place of the value of an assignment, a `return`, a condition or a loop."""
    if line.tokens[0] in ("return", "if", "elif"):
        return 1
    signs = (" =", " +=", " in") if line.tokens[0] == "for" else (" =", " +=")
    depths = _depths(line.tokens)
    places = (n + 1 for n, token in enumerate(line.tokens) if token in signs and depths[n] == 0)
    return next(places, None)


def _without_brackets(value: _Line) -> bool:
    """True if a value reads well without brackets around it."""
    found = [*_delimiters(value).values()]
    if not found:
        return True
    if found.count(max(found)) > 1:
        return False
    if max(found) == _CHAIN:
        return True
    # It begins or ends with brackets that can be broken.
    tokens, depths = [token.strip() for token in value.tokens], _depths(value.tokens)
    if tokens[0] in _OPEN and tokens[1] not in _CLOSE:
        end = next(n for n in range(1, len(depths)) if depths[n] == 0 and tokens[n] in _CLOSE)
        if value.part(end, len(depths)).fits:
            return True
    if tokens[-1] in _CLOSE and tokens[-2] not in _OPEN:
        begin = max(n for n, depth in enumerate(depths[:-1]) if depth == 0 and tokens[n] in _OPEN)
        return value.part(0, begin + 1).fits or any(token in _OPEN for token in tokens[:begin])
    return False


def _bracketed(line: _Line, least: int = 0) -> list[_Line]:
    """The line broken between its last brackets, or between others if what is before them is too long."""
    found = []
    depths = _depths(line.tokens)
    end = None
    for place in range(len(depths) - 1, least - 1, -1):
        token = line.tokens[place].strip()
        if depths[place] == 0 and token in _CLOSE:
            end = place
        elif depths[place] == 0 and token in _OPEN and end is not None:
            if end > place + 1:
                found.append(_around(line, place, end))
            if len(line.part(place, len(depths)).text) > WIDTH:
                break
    return next((parts for parts in found if parts[0].fits), found[0] if found else [])


def _around(line: _Line, start: int, end: int, listed: bool = False) -> list[_Line]:
    """The line broken after the bracket at `start` and before that at `end`. A list or tuple is `listed`."""
    body = line.part(start + 1, end, deeper=True)
    before = line.tokens[start - 1].strip() if start else ""
    called = re.search(r"[\w\])]$", before) and before not in ("return", "in")
    listed = listed or (not called and _COMMA in _delimiters(body).values())
    return [line.part(0, start + 1), body._replace(listed=listed), line.part(end, len(line.tokens))]


def _delimiters(line: _Line) -> dict[int, int]:
    """The places at which a line may be broken, with how much their operators bind."""
    found = {}
    for place, (token, depth) in enumerate(zip(line.tokens, _depths(line.tokens), strict=True)):
        name, before = token.strip(), line.tokens[place - 1].strip() if place else ""
        if depth:
            continue
        if name == "." and before in _CLOSE and before:
            found[place] = _CHAIN
        elif name in _BINDING and (name == "," or (place and token[0] == " " and before not in _BINDING)):
            found[place] = _BINDING[name]
    return found


def _delimited(line: _Line) -> list[_Line]:
    """The line broken at the operators that bind least; a list ends with a comma."""
    found = _delimiters(line)
    last = len(line.tokens) - 1
    inner = {place: binding for place, binding in found.items() if place != last}
    if not inner:
        return []
    binding = max(inner.values())
    places = [place for place, own in inner.items() if own == binding]
    if binding == _CHAIN and len(places) == 1:
        return []
    after = binding == _COMMA
    cuts = [0, *(place + after for place in places), len(line.tokens)]
    parts = [line.part(a, b) for a, b in zip(cuts, cuts[1:], strict=False)]
    if after and line.tokens[-1] != ",":
        parts[-1] = parts[-1]._replace(tokens=(*parts[-1].tokens, ","))
    return parts
