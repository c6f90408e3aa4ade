"""Counts the helps that say which code to write, and how many of them are fixes that apply.

    python -m benchmarks.helps [--list]

The helps are those of all cases in `tests/cases/diagnostics`. A fix applies if it removes its diagnostic
and adds no syntax error. `--list` prints the helps that name code but are no fix, and the fixes that fail.
"""

from __future__ import annotations

import argparse
import re
from typing import NamedTuple

from netdsl.base.source import Source
from netdsl.compiler import compile_network
from netdsl.diagnostics.apply_fixes import failed, fixes_in
from netdsl.diagnostics.fixes import edited
from tests.test_cases import CASES, read_case

# An instruction followed by code: "write `conv(16, 3)`", "did you mean `relu`?", "add a line `classes 10`".
_NAMES_CODE = re.compile(r"\b(?:write|add|use|mean|give|make|put|move)\b(?! one of)(?: \w+){0,2} `(?!…|\| …)")


class Tally(NamedTuple):
    """The number of helps that name code, those of them that are no fix, and the fixes that fail."""

    helps: int
    sentences: list[str]
    failing: list[str]

    @property
    def share(self) -> float:
        """The share of fixes that apply."""
        return 1 - (len(self.sentences) + len(self.failing)) / self.helps


def tally() -> Tally:
    helps, sentences, failing = 0, [], []
    for path in sorted((CASES / "diagnostics").rglob("*.txt")):
        case = read_case(path)
        source = Source(f"{path.stem}.net", case.source)
        found = compile_network(source, case.settings).diagnostics
        for diagnostic in found:
            if not _NAMES_CODE.search(diagnostic.help_text):
                continue
            if diagnostic.labels and diagnostic.labels[0].span.source.is_option:
                continue  # there is no text to edit
            helps += 1
            shown = f"{path.parent.name}/{path.stem}: {diagnostic.message}: {diagnostic.help_text}"
            if not diagnostic.fixes:
                sentences.append(shown)
            elif fixes := fixes_in(source, diagnostic):
                after = Source(source.name, edited(source.text, fixes[0].edits))
                if failed([diagnostic], found, compile_network(after, case.settings).diagnostics):
                    failing.append(shown)
    return Tally(helps, sentences, failing)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", action="store_true", help="print the helps that are no fix that applies")
    arguments = parser.parse_args()
    found = tally()
    if arguments.list:
        print(*found.sentences, *(f"FAILS {shown}" for shown in found.failing), sep="\n")
    print(f"{found.helps} helps name code, {found.share:.1%} of them are fixes that apply")


if __name__ == "__main__":
    main()
