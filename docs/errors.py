"""Writes docs/errors.md: all codes, from the texts of `netdsl/errors` that `netdsl explain` shows.

python -m docs.errors
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from netdsl.base import atomic
from netdsl.diagnostics.render_text import render
from netdsl.errors.error_docs import ErrorDoc, codes, error_doc

PAGE = Path(__file__).parent / "errors.md"

INTRODUCTION = """\
# Errors and warnings

Written by `python -m docs.errors`. Every finding of the compiler has a code. Errors stop a network from being
built, warnings don't. `netdsl explain NET401` shows the same text in the terminal.

"""


def main() -> None:
    atomic.write(PAGE, page().encode())


def page() -> str:
    texts = [error_doc(code) for code in codes()]
    families = [(family, list(members)) for family, members in groupby(texts, key=lambda text: text.family)]
    table = "| code | |\n| --- | --- |\n" + "".join(
        f"| [{t.code}](#{t.code.lower()}) | {t.title} |\n" for t in texts
    )
    sections = [f"## {family}\n\n" + "\n".join(map(entry, members)) for family, members in families]
    return INTRODUCTION + table + "\n" + "\n".join(sections)


def entry(text: ErrorDoc) -> str:
    """A code's part of the page; the heading is the code alone, so that links to it last."""
    parts = [f"### {text.code}", f"**{text.title[0].upper()}{text.title[1:]}**", text.cause]
    if text.wrong:
        said = "\n\n".join(render(diagnostic) for diagnostic in text.emitted)
        parts += ["Wrong:", text.wrong, f"```text\n{said}\n```", "Right:", text.right]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
