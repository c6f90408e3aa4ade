"""Compiles mutated networks and reports exceptions, hangs and errors that can't be shown.

    python -m benchmarks.fuzz [-n 100000] [--seed 0] [--start 0] [--processes 2] [--findings DIR] [--fixes]

With `--fixes` it also applies the fixes of each error: a safe one must remove its error and add none.
Text i of a seed is always the same: `--start 40000` continues a stopped run. Findings are saved once per kind
and location, with the text that causes them. The exit status is 1 if there are findings.
"""

from __future__ import annotations

import argparse
import gc
import re
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.checks import Finding, check
from tests.fuzz.fix_checks import check_fixes
from tests.fuzz.mutations import mutant

CHUNK = 200
# Code is generated for one in this many networks: formatting it takes ten times as long as everything else.
GENERATED = 60
# The diagnostics of a text whose fixes are applied.
MOST_FIXES = 5
# Limit of additional MB since the start of a process.
MOST_MEMORY = 500


class Found(NamedTuple):
    number: int
    finding: Finding


class Chunk(NamedTuple):
    """Result of compiling some texts; `slowest` has the seconds and the number of a text."""

    found: tuple[Found, ...]
    slowest: tuple[float, int]
    memory: float


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_chunk(seed: int, fixes: bool, numbers: range) -> Chunk:
    gc.disable()  # Collected once per chunk: otherwise it takes half as long again.
    found, slowest = [], (0.0, numbers[0])
    for number in numbers:
        before, started = megabytes(), time.process_time()
        text = mutant(seed, number)
        style = number // GENERATED if number % GENERATED == 0 else None
        findings = chain(check(text, style), check_fixes(text, MOST_FIXES) if fixes else ())
        found += [Found(number, finding) for finding in findings]
        slowest = max(slowest, (time.process_time() - started, number))
        if megabytes() - before > MOST_MEMORY:
            found.append(Found(number, Finding("memory", "", f"{megabytes() - before:.0f} MB")))
    gc.collect()
    return Chunk(tuple(found), slowest, megabytes())


def keep(folder: Path, seed: int, found: Iterable[Found]) -> None:
    """Writes the text that causes each finding, and the finding."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, finding in found:
        name = re.sub(r"\W+", "-", f"{finding.kind} {finding.place}").strip("-")[:100]
        path = folder / f"{name}.{seed}-{number}"
        path.with_suffix(path.suffix + ".net").write_text(mutant(seed, number), "utf-8", "surrogatepass")
        path.with_suffix(path.suffix + ".txt").write_text(finding.details)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-n", type=int, default=100_000, dest="number")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--findings", type=Path, default=Path("findings"))
    parser.add_argument("--fixes", action="store_true")
    arguments = parser.parse_args()
    end = arguments.start + arguments.number
    chunks = [range(i, min(i + CHUNK, end)) for i in range(arguments.start, end, CHUNK)]
    seen: Counter[tuple[str, str]] = Counter()
    slowest, memory, done, started = (0.0, 0), 0.0, 0, time.perf_counter()
    with ProcessPoolExecutor(arguments.processes) as pool:
        work = partial(run_chunk, arguments.seed, arguments.fixes)
        for numbers, chunk in zip(chunks, pool.map(work, chunks), strict=True):
            new = [own for own in chunk.found if (own.finding.kind, own.finding.place) not in seen]
            keep(arguments.findings, arguments.seed, {own.finding[:2]: own for own in new}.values())
            for number, finding in new:
                if not seen[finding[:2]]:
                    print(f"{number}: {finding.kind} {finding.place}", flush=True)
                seen[finding[:2]] += 1
            seen.update(own.finding[:2] for own in chunk.found if own not in new)
            slowest, memory = max(slowest, chunk.slowest), max(memory, chunk.memory)
            done += len(numbers)
            if done % 10_000 == 0:
                rate = done / (time.perf_counter() - started)
                print(f"{arguments.start + done:,}: {rate:.0f} texts/s, slowest {slowest[0]:.2f} s "
                      f"(number {slowest[1]}), {memory:.0f} MB", flush=True)  # fmt: skip
    seconds = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{done:,} texts in {seconds:.0f} s, {done / seconds:.0f}/s with {arguments.processes} processes "
          f"({done / (used.ru_utime + used.ru_stime):.0f} a second of one core); "
          f"slowest {slowest[0]:.2f} s (number {slowest[1]}), {memory:.0f} MB at most")  # fmt: skip
    for (kind, place), times in seen.most_common():
        print(f"{times:7} {kind} {place}")
    sys.exit(1 if seen else 0)


if __name__ == "__main__":
    main()
