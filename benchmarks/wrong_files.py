"""Counts the wrong files of `tests/wrong_files` that `check --fix --unsafe` turns into what was meant.

    python -m benchmarks.wrong_files [--list]

Each case is a sound file with a mistake: lines after `- ` are in the file, those after `+ ` are written in
their place, and those after `= `, if there are any, mean the same. The fixed file must have the same shapes,
costs and recipe as the sound one. `--list` prints the cases in which it hasn't, and what is left to fix.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from netdsl.base.source import Source
from netdsl.compiler import compile_network, emit
from netdsl.diagnostics.apply_fixes import Fixed, apply_fixes

FOLDER = Path(__file__).parent.parent / "tests" / "wrong_files"
SETS = ("students", "pytorch", "keras", "mixed")


class WrongFile(NamedTuple):
    """A wrong file, and a sound one that says what is meant."""

    name: str
    text: str
    meant: str


def wrong_files(name: str) -> Iterator[WrongFile]:
    """The cases of a set."""
    bases = dict(_sections("bases"))
    for title, body in _sections(name):
        text = meant = bases[title.partition(":")[0]]
        for old, new, same in re.findall(r"((?:- .*\n)+)((?:\+ .*\n)+)((?:= .*\n)*)", body):
            old, new, same = ("\n".join(line[2:] for line in part.splitlines()) for part in (old, new, same))
            assert old in text, title
            text = text.replace(old, new, 1)
            meant = meant.replace(old, same or old, 1)
        yield WrongFile(title, text, meant)


def _sections(name: str) -> Iterator[tuple[str, str]]:
    parts = re.split(r"^=== (.*)\n", (FOLDER / f"{name}.txt").read_text(), flags=re.MULTILINE)
    return zip(parts[1::2], parts[2::2], strict=True)


def fixed(text: str) -> Fixed:
    return apply_fixes(Source("a.net", text), lambda source: compile_network(source).diagnostics, unsafe=True)


def meaning(text: str) -> str:
    """The typed network without places and its name; empty if the file has errors."""
    compiled = compile_network(Source("a.net", text))
    typed = emit(compiled, "typed") if compiled.network else ""
    return re.sub(r" ?@([\w.]+:)?\d+:\d+|ResolvedNetwork \w+", "", typed)


@cache
def fixed_meaning(text: str) -> str:
    return meaning(fixed(text).source.text)


def is_mended(case: WrongFile) -> bool:
    return fixed_meaning(case.text) == fixed_meaning(case.meant) != ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--list", action="store_true", help="print the cases that are not mended")
    arguments = parser.parse_args()
    for name in SETS:
        cases = list(wrong_files(name))
        failed = [case for case in cases if not is_mended(case)]
        for case in failed if arguments.list else ():
            left = [f"    {found.code} {found.message}: {found.help_text}" for found in fixed(case.text).left]
            print(f"  {case.name}", *left, sep="\n")
        print(f"{name}: {len(cases) - len(failed)} of {len(cases)} become what was meant")


if __name__ == "__main__":
    main()
