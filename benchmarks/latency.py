"""The time of `netdsl check` and `netdsl build`, beside `python -c "import torch"`, as whole processes.

    python benchmarks/latency.py [--rounds 15] [--network resnet32]

The commands take turns in one run, so that a busy machine slows down all of them; the ratios are of medians.
An unmeasured round comes first, so that bytecode and the disk's cache are warm. The exit status is 1 if a
ratio is above its limit.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

# Upper bounds of the ratio to `import torch`.
LIMITS = {"netdsl --help": 0.05}


def seconds(command: list[str]) -> float:
    """Wall time of a process from start to end."""
    # With bytecode, as after an installation: this variable would make every process compile all modules.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--network", default="resnet32")
    arguments = parser.parse_args()
    netdsl = [sys.executable, "-m", "netdsl"]
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            "import torch": [sys.executable, "-c", "import torch"],
            "netdsl --help": [*netdsl, "--help"],
            "netdsl check": [*netdsl, "check", arguments.network],
            "netdsl build": [*netdsl, "build", arguments.network, "-o", folder],
            "netdsl build --style all": [*netdsl, "build", arguments.network, "--style", "all", "-o", folder],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for turn in range(arguments.rounds + 1):
            for name, command in commands.items():
                elapsed = seconds(command)
                if turn:
                    times[name].append(elapsed)
    base = statistics.median(times["import torch"])
    print(f"{'command':26} {'median':>9} {'fastest':>9} {'ratio':>7}   ({arguments.rounds} rounds)")
    for name, values in times.items():
        median = statistics.median(values)
        limit = f"   limit {LIMITS[name]}" if name in LIMITS else ""
        print(f"{name:26} {median * 1e3:6.0f} ms {min(values) * 1e3:6.0f} ms {median / base:7.3f}{limit}")
    if any(statistics.median(times[name]) > limit * base for name, limit in LIMITS.items()):
        sys.exit("a command is slower than its limit")


if __name__ == "__main__":
    main()
