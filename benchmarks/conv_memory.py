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
# The cases of each combination: input channels; output channels, images, side of an image.
CHANNELS, OUT, BATCH, SIZE = range(1, 33), 8, 4, 24
# Seconds that a process may take for several cases and for one: a loop without an end is a finding.
LIMIT, LIMIT_ALONE = 60.0, 12.0
PARTS = {
    "forward": "forward pass",
    "input": "gradient of the input",
    "weight": "gradient of the weights",
    "backward": "both gradients",
}


def cases(combination: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for channels in CHANNELS:
        depthwise = combination["groups"] == "depthwise"
        groups = channels if depthwise else int(combination["groups"])
        if channels % groups == 0:
            found.append(
                {**combination, "groups": groups, "in": channels, "out": channels if depthwise else OUT}
            )
    return found


def run(case: dict[str, Any], parts: tuple[str, ...]) -> str | None:
    """Runs a case and returns what is wrong with its numbers."""
    import torch
    from torch.nn.functional import conv2d

    torch.set_num_threads(case["threads"])
    torch.manual_seed(0)
    dtype, layout = getattr(torch, case["dtype"]), torch.channels_last
    layout = layout if case["layout"] == "channels_last" else torch.contiguous_format
    shape = case["out"], case["in"] // case["groups"], case["kernel"], case["kernel"]
    images = torch.rand(BATCH, case["in"], SIZE, SIZE).to(dtype)
    weight = torch.rand(shape).to(dtype)
    options = {"stride": case["stride"], "padding": case["kernel"] // 2, "groups": case["groups"]}

    def compute(images: Any, weight: Any) -> list[Any]:
        images.requires_grad_("input" in parts)
        weight.requires_grad_("weight" in parts)
        out = conv2d(images, weight, **options)
        if out.requires_grad:
            out.backward(torch.ones_like(out))
        return [out.detach(), images.grad, weight.grad]

    expected = compute(images.double(), weight.double())
    got = compute(
        images.clone(memory_format=torch.preserve_format).contiguous(memory_format=layout),
        weight.clone().contiguous(memory_format=layout),
    )
    tolerance = 1e-4 if dtype is torch.float32 else 2e-2
    for name, right, found in zip(("forward", "input", "weight"), expected, got, strict=True):
        if right is not None and (found.double() - right).abs().max() > tolerance * right.abs().max():
            return f"wrong {name}"
    return None


def in_child(cases: list[dict[str, Any]], parts: tuple[str, ...]) -> str | None:
    """Runs the cases in a separate process; returns how they fail: "signal 11", "no end", "wrong weight"."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            wrong = next((text for case in cases if (text := run(case, parts))), None)
            status = 0 if wrong is None else 2 + ["wrong forward", "wrong input", "wrong weight"].index(wrong)
        finally:
            os._exit(status)
    end = time.monotonic() + (LIMIT if len(cases) > 1 else LIMIT_ALONE)
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            outcomes = {0: None, 1: "error", 2: "wrong forward", 3: "wrong input", 4: "wrong weight"}
            return outcomes[code] if code >= 0 else f"signal {-code}"
        time.sleep(0.002)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return "no end"


def failures(cases: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Returns the failing cases with the part that fails; cases run alone only if they fail together."""
    if in_child(cases, ("input", "weight")) is None:
        return
    for case in cases:
        whole = in_child([case], ("input", "weight"))
        if whole:
            parts = ((part, in_child([case], (part,))) for part in ("forward", "input", "weight"))
            part, outcome = next(((part, found) for part, found in parts if found), ("backward", whole))
            yield {**case, "part": part, "outcome": outcome}


def measure(output: Path) -> None:
    import torch

    begun = time.monotonic()
    found: list[dict[str, Any]] = []
    count = 0
    for values in product(*GRID.values()):
        combination = dict(zip(GRID, values, strict=True))
        every = cases(combination)
        count += len(every)
        bad = list(failures(every))
        found += [{**case, "kind": combination["groups"]} for case in bad]
        if bad:
            print(combination, f"{len(bad)} of {len(every)} cases fail", flush=True)
    facts = {
        "torch": torch.__version__,
        "onednn": torch.__config__.show().split("MKL-DNN) v")[1].split()[0],
        "capability": torch.backends.cpu.get_cpu_capability(),
        "isa": os.environ.get("ONEDNN_MAX_CPU_ISA", "default"),
        "cases": count,
        "seconds": round(time.monotonic() - begun),
        "failures": found,
    }
    output.write_text(json.dumps(facts) + "\n", encoding="utf-8")
    print(f"{len(found)} of {count} cases fail: {output}")


def table(paths: list[Path]) -> None:
    """Prints a Markdown table: a row per kind of failing case, a column per measurement."""
    results = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    titles = [f"{r['torch']} (oneDNN {r['onednn']}), {r['isa']}" for r in results]
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
    arguments = parser.parse_args()
    if arguments.table:
        table(arguments.paths)
    elif "LD_PRELOAD" in os.environ:
        measure(arguments.paths[0])
    else:
        with tempfile.TemporaryDirectory() as folder:
            library = Path(folder) / "guard_pages.so"
            source = Path(__file__).with_name("guard_pages.c")
            subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
            command = [sys.executable, __file__, str(arguments.paths[0].resolve())]
            # Threads that wait sleep, so that other work on the machine doesn't look like a loop without an
            # end.
            quiet = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
            subprocess.run(command, env={**os.environ, **quiet, "LD_PRELOAD": str(library)}, check=True)


if __name__ == "__main__":
    main()
