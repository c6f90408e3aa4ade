"""Measures how time, memory and code size grow with the number of blocks, from 10 to 10,000.

    python benchmarks/scale.py [--rounds 3]

Residual networks of one stage are compiled, each in a separate process, so that peak memory can be measured;
imports are finished before the clock starts, and the fastest round counts. `stage` repeats one block;
`distinct` gives every block a different drop path, so that no two blocks are equal: of these, a network has
at most 10,000.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

NETWORK = """\
network scale
input 3x32x32
classes 10
stem {{ conv(16, 3), bn, relu }}
stage residual(16, repeat={blocks})
head {{ global_avgpool, flatten, linear(classes) }}
"""
DISTINCT = """\
network scale
input 3x32x32
classes 10
block dropped(drop) {{ skip(drop_path=drop) {{ conv(16, 3), bn, relu, conv(16, 3), bn }} }}
stem {{ conv(16, 3), bn, relu }}
stage dropped(repeat={blocks}, drop=0.5 * block_index / (block_count - 1))
head {{ global_avgpool, flatten, linear(classes) }}
"""
KINDS = {"stage": (NETWORK, (10, 100, 1_000, 10_000)), "distinct": (DISTINCT, (10, 100, 1_000, 10_000))}

MEASURE = """
import json, resource, sys, time
from netdsl.compiler import STYLES, compile_network, generate
from netdsl.base.source import Source
import jinja2
small = compile_network(Source("warm.net", sys.argv[1].replace("repeat=" + sys.argv[2], "repeat=3")))
for style in STYLES:
    generate(small, style)
start = time.process_time()
compiled = compile_network(Source("scale.net", sys.argv[1]))
checked = time.process_time()
assert compiled.network is not None, [found.message for found in compiled.diagnostics]
code = {style: generate(compiled, style) for style in STYLES}
built = time.process_time()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
lines = {style: len(text.splitlines()) for style, text in code.items()}
print(json.dumps({"check": checked - start, "build": built - start, "peak": peak, "lines": lines}))
"""


def measured(text: str, blocks: int) -> dict[str, float]:
    """Returns the CPU seconds to check and to build all styles, peak memory in MiB, and lines of code."""
    command = [sys.executable, "-c", MEASURE, text, str(blocks)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    return {"check": found["check"], "build": found["build"], "peak": found["peak"], **found["lines"]}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    for kind, (template, sizes) in KINDS.items():
        print(f"{kind:9} {'check':>9} {'build':>9} {'peak':>9}   module functional sequential lines")
        first: dict[str, float] = {}
        for blocks in sizes:
            runs = [measured(template.format(blocks=blocks), blocks) for _ in range(rounds)]
            best = {name: min(run[name] for run in runs) for name in runs[0]}
            first = first or best
            print(
                f"{blocks:9,} {best['check']:7.3f} s {best['build']:7.3f} s {best['peak']:5.0f} MiB"
                f"   {best['module']:6.0f} {best['functional']:10.0f} {best['sequential']:10.0f}"
            )
        grown = {name: best[name] / first[name] for name in ("check", "build", "peak", "module")}
        print("ratio    " + "  ".join(f"{name} {ratio:.2f}" for name, ratio in grown.items()), "\n")


if __name__ == "__main__":
    main()
