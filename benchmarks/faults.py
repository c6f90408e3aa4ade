"""Every operation on a file of netdsl's commands fails once, with ENOSPC, EIO and a kill.

    python -m benchmarks.faults [TASK=EVERY ...]

prints a table for docs/results/reliability.md, and what went wrong. EVERY=3 tries each third point with one
of the faults in turn. Takes about half an hour on two cores; needs a C compiler.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.support.faults import FAULTS, TASKS, compiled, swept


def main() -> None:
    every = dict.fromkeys(TASKS, 1) | {"experiment": 2}
    if chosen := dict(argument.split("=") for argument in sys.argv[1:]):
        every = {name: int(step) for name, step in chosen.items()}
    print(f"| command | points | {' | '.join(FAULTS)} | wrong |")
    print("| --- | ---: |" + " ---: |" * (len(FAULTS) + 1))
    with tempfile.TemporaryDirectory() as place:
        library = compiled(Path(place))
        for name, step in every.items():
            results = swept(Path(place) / name, library, {name: step})
            points, tried, wrong = results[name]
            print(
                f"| {name} | {points} | {' | '.join(map(str, tried.values()))} | {len(wrong)} |", flush=True
            )
            for complaint in wrong:
                print(complaint, file=sys.stderr)


if __name__ == "__main__":
    main()
