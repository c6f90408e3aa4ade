"""The time of parsing and compiling a network, in this checkout beside another one.

    python benchmarks/parsing.py OTHER [--rounds 15] [--network googlenet]

Processes of the two checkouts take turns, so that a busy machine slows down both; the ratios are of medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
# Prints milliseconds as JSON. What other parts of the compiler import too is imported before.
SCRIPT = """
import json, sys, time
from pathlib import Path
import netdsl.ops, netdsl.base.tree
from netdsl.base.source import Source
from netdsl.diagnostics import Diagnostics
text = Path(sys.argv[1]).read_text(encoding="utf-8")
def milliseconds(work):
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000
def first():
    global parse
    from netdsl.syntax.parser import parse
    warm()
def warm():
    parse(Source("n.net", text), Diagnostics())
found = {"first parse of a process": milliseconds(first)}
found["parse, warm"] = min(milliseconds(warm) for _ in range(30))
from netdsl.compiler import compile_network
compile_network(Source("n.net", text))
found["compile, warm"] = min(milliseconds(lambda: compile_network(Source("n.net", text))) for _ in range(20))
print(json.dumps(found))
"""


def measured(checkout: Path, network: Path) -> dict[str, float]:
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(network)],
        cwd=checkout,
        env=environment,
        check=True,
        capture_output=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("other", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--network", default="googlenet")
    arguments = parser.parse_args()
    network = HERE / "networks" / f"{arguments.network}.net"
    times: dict[Path, list[dict[str, float]]] = {HERE: [], arguments.other.resolve(): []}
    for turn in range(arguments.rounds + 1):  # the first one fills the caches
        for checkout, found in times.items():
            new = measured(checkout, network)
            found += [new] if turn else []
    here, other = times.values()
    print(f"{'':26} {'here':>9} {'other':>9}  {'here / other':>12}   ({arguments.rounds} rounds)")
    for name in here[0]:
        ours, theirs = (statistics.median(found[name] for found in one) for one in (here, other))
        print(f"{name:26} {ours:6.1f} ms {theirs:6.1f} ms  {ours / theirs:12.2f}")


if __name__ == "__main__":
    main()
