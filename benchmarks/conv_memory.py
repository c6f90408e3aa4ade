"""Finds convolutions of torch that write outside of their memory or compute wrong results on this CPU.

    python benchmarks/conv_memory.py results.json           # measure; needs a C compiler, and torch alone
    python benchmarks/conv_memory.py --table *.json         # the table of docs/results/conv_memory.md

A convolution runs forward and backward for each combination of `GRID`. Every block of memory ends at a
write-protected page (`guard_pages.c`), so a write behind a block ends the process at once instead of
corrupting memory; numbers are compared with those of float64. The cases of a combination run in one process,
with a time limit; if it crashes, each case is run again in a separate process.

`ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2` restrict a newer CPU to the implementation for AVX2.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

GRID: dict[str, tuple[Any, ...]] = {
    "dtype": ("float32", "bfloat16"),
    "layout": ("channels_last", "contiguous"),
    "kernel": (1, 3),
    "stride": ((1, 1), (2, 2), (3, 3), (2, 1)),
    "groups": ("1", "2", "depthwise"),
    "threads": (1, 2),
}
# The cases of each combination: input channels; output channels, images.
CHANNELS, OUT, BATCH = range(1, 33), 8, 4
# Seconds that a process may take for several cases and for one: a loop without an end is a finding.
LIMIT, LIMIT_ALONE = 40.0, 6.0
PARTS = {
    "forward": "forward pass",
    "input": "gradient of the input",
    "weight": "gradient of the weights",
}


def cases(combination: dict[str, Any], size: int) -> list[dict[str, Any]]:
    found = []
    for channels in CHANNELS:
        depthwise = combination["groups"] == "depthwise"
        groups = channels if depthwise else int(combination["groups"])
        if channels % groups == 0:
            out = channels if depthwise else OUT
            found.append({**combination, "groups": groups, "in": channels, "out": out, "size": size})
    return found


def run(case: dict[str, Any], part: str) -> bool:
    """Computes one part of a case; returns whether its numbers are right."""
    import torch

    torch.set_num_threads(case["threads"])
    torch.manual_seed(0)
    dtype = getattr(torch, case["dtype"])
    layout = torch.channels_last if case["layout"] == "channels_last" else torch.contiguous_format
    padding = [case["kernel"] // 2] * 2
    images = torch.rand(BATCH, case["in"], case["size"], case["size"])
    weight = torch.rand(case["out"], case["in"] // case["groups"], case["kernel"], case["kernel"])
    options = (list(case["stride"]), padding, [1, 1], False, [0, 0], case["groups"])

    def compute(images: torch.Tensor, weight: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        # Without a forward pass before it: what that leaves in oneDNN's workspace would hide a write.
        mask = [part == "input", part == "weight", False]
        gradients: tuple[torch.Tensor, ...] = torch.ops.aten.convolution_backward(
            out, images, weight, None, *options, mask
        )
        return gradients[0] if part == "input" else gradients[1]

    if part == "forward":
        right = torch.convolution(images.double(), weight.double(), None, *options)
        images, weight = images.to(dtype=dtype, memory_format=layout), weight.to(dtype, memory_format=layout)
        found = torch.convolution(images, weight, None, *options)
    else:
        side = [(case["size"] + 2 * padding[0] - case["kernel"]) // stride + 1 for stride in case["stride"]]
        tensors = (images, weight, torch.rand(BATCH, case["out"], *side))
        right = compute(*(tensor.double() for tensor in tensors))
        found = compute(*(tensor.to(dtype=dtype, memory_format=layout) for tensor in tensors))
    tolerance = 1e-4 if dtype is torch.float32 else 2e-2
    return bool((found.double() - right).abs().max() <= tolerance * right.abs().max())


def in_child(cases: list[dict[str, Any]], part: str) -> str | None:
    """Runs the cases in a separate process; returns how they fail: "signal 11", "no end", "wrong numbers"."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            status = 0 if all(run(case, part) for case in cases) else 2
        finally:
            os._exit(status)
    end = time.monotonic() + (LIMIT if len(cases) > 1 else LIMIT_ALONE)
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return {0: None, 1: "error", 2: "wrong numbers"}.get(code, f"signal {-code}")
        time.sleep(0.002)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return "no end"


def failures(cases: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Returns the failing cases with the part that fails; cases run alone only if they fail together."""
    for part in PARTS:
        if in_child(cases, part):
            for case in cases:
                if outcome := in_child([case], part):
                    yield {**case, "part": part, "outcome": outcome}


def measure(output: Path, size: int) -> None:
    import torch

    begun = time.monotonic()
    found: list[dict[str, Any]] = []
    count = 0
    for values in product(*GRID.values()):
        combination = dict(zip(GRID, values, strict=True))
        every = cases(combination, size)
        count += len(every)
        bad = list(failures(every))
        found += [{**case, "kind": combination["groups"]} for case in bad]
        if bad:
            print(combination, f"{len(bad)} of {len(every)} cases fail", flush=True)
    facts = {
        "torch": torch.__version__,
        "onednn": torch.__config__.show().split("MKL-DNN v")[1].split()[0],
        "capability": torch.backends.cpu.get_cpu_capability(),
        "isa": os.environ.get("ONEDNN_MAX_CPU_ISA", "default"),
        "size": size,
        "cases": count,
        "seconds": round(time.monotonic() - begun),
        "failures": found,
    }
    output.write_text(json.dumps(facts) + "\n", encoding="utf-8")
    print(f"{len(found)} of {count} cases fail: {output}")


def table(paths: list[Path]) -> None:
    """Prints a Markdown table: a row per kind of failing case, a column per measurement."""
    results = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    titles = [f"{r['torch']} (oneDNN {r['onednn']}), {r['isa']}, {r['size']}x{r['size']}" for r in results]
    rows: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for title, result in zip(titles, results, strict=True):
        for case in result["failures"]:
            stride = "x".join(map(str, case["stride"]))
            key = (
                f"{case['dtype']}, {case['layout'].replace('_', ' ')}, {case['kernel']}x{case['kernel']}, "
                f"stride {stride}, groups {case['kind']}, "
                f"{case['threads']} threads: {PARTS[case['part']]}"
            )
            rows.setdefault(key, {}).setdefault(title, []).append(case)
    print("| case | " + " | ".join(titles) + " |")
    print("| --- |" + " --- |" * len(titles))
    for key, row in rows.items():
        cells = []
        for title in titles:
            found = row.get(title, [])
            channels = sorted({case["in"] for case in found})
            outcomes = sorted({case["outcome"] for case in found})
            cells.append(f"{', '.join(map(str, channels))} channels: {', '.join(outcomes)}" if found else "")
        print(f"| {key} | " + " | ".join(cells) + " |")
    print(
        f"| cases that fail, of {results[0]['cases']:,} | "
        + " | ".join(str(len(r["failures"])) for r in results)
        + " |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--table", action="store_true", help="print measurements as a table")
    parser.add_argument("--size", type=int, default=24, help="side of the images in pixels (default: 24)")
    arguments = parser.parse_args()
    if arguments.table:
        table(arguments.paths)
    elif "LD_PRELOAD" in os.environ:
        measure(arguments.paths[0], arguments.size)
    else:
        with tempfile.TemporaryDirectory() as folder:
            library = Path(folder) / "guard_pages.so"
            source = Path(__file__).with_name("guard_pages.c")
            subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
            command = [
                sys.executable,
                __file__,
                str(arguments.paths[0].resolve()),
                "--size",
                str(arguments.size),
            ]
            # Threads that wait sleep, so that other work on the machine doesn't look like a loop without an
            # end.
            quiet = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
            subprocess.run(command, env={**os.environ, **quiet, "LD_PRELOAD": str(library)}, check=True)


if __name__ == "__main__":
    main()
