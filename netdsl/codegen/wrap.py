"""Wraps the long lines of generated code with black, at 88 columns.

Templates write each statement on one line and lay out the rest as black does, so only long lines need it.
"""

from __future__ import annotations

from functools import cache
from textwrap import indent

WIDTH = 88


def wrapped(code: str) -> str:
    """The code, which compiles, with its long lines broken. Comments and docstrings stay as they are."""
    lines = []
    quoted = False
    for line in code.split("\n"):
        quotes = line.count('"""')
        short = len(line) <= WIDTH or line.lstrip().startswith("#")
        lines.append(line if short or quoted or quotes else _broken(line))
        quoted ^= quotes % 2 == 1
    return "\n".join(lines)


@cache
def _broken(line: str) -> str:
    # Imported here: it is a third of the time of a build.
    import black
    from black.mode import TargetVersion

    statement = line.lstrip()
    margin = line[: -len(statement)]
    body = "\n    pass" if statement.endswith(":") else ""
    mode = black.Mode(target_versions={TargetVersion.PY311}, line_length=WIDTH - len(margin))
    laid_out = black.format_str(statement + body, mode=mode).removesuffix(f"{body}\n")
    return indent(laid_out, margin)
