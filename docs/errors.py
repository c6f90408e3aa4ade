"""Writes docs/errors.md: the policy for codes, and the documentation of each, from `netdsl/errors`.

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

Written by `python -m docs.errors`. Every diagnostic of the compiler has a code. An error stops a network from
being built, a warning does not. `netdsl explain NET401` shows the same text in the terminal.

Each code has a slug, which `# allow`, `netdsl explain` and JSON take too; where unrelated mistakes share a
code, each has its own. Codes are stable, so that scripts, `# allow` comments and bug reports can rely on
them:

- A code keeps its meaning. It is never renumbered, and a new mistake gets a new code, or one whose
  description already covers it.
- A code that is no longer reported is never reused. It stays on this page, marked as removed.
- Only a minor release (0.x.0) adds codes, turns a warning into an error or an error into a warning, or
  reports a code for files that had none. A patch release may report fewer diagnostics, not more, apart from
  fixes of wrong results.
- Messages, labels and helps may improve in any release: match the code, not the text.

"""


def main() -> None:
    atomic.write(PAGE, page().encode())


def page() -> str:
    texts = [error_doc(code) for code in codes()]
    families = [(family, list(members)) for family, members in groupby(texts, key=lambda text: text.family)]
    table = "| code | slugs | |\n| --- | --- | --- |\n" + "".join(
        f"| [{t.code}](#{t.code.lower()}) | {', '.join(f'`{slug}`' for slug in t.slugs)} | {t.title} |\n"
        for t in texts
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
