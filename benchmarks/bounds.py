"""Time and memory of netdsl for hostile files.

    python benchmarks/bounds.py [NAME]

Each file is checked in a separate process with a limit of 500 MB; every check must end with a diagnostic
within 2 seconds of CPU time (which a busy machine doesn't affect). Large files without errors are also built,
summarised, compared and drawn. With a NAME, only the files whose names contain it.
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

HEAD = "network wrong\ninput 3x8x8\n"
MEMORY = 500 * 2**20
SECONDS = 2


def hostile() -> dict[str, bytes]:
    """Files by name, each with a different problem."""
    draw = random.Random(0)
    printable = [chr(code) for code in (10, *range(32, 127))]
    brackets = '{}()[]|,\n\nab "#=xstem \n'
    texts = {
        "random text, 1 MB": "".join(draw.choices(printable, k=1_000_000)),
        "random text": "".join(draw.choices(printable, k=99_000)),
        "random brackets": "".join(draw.choices(brackets, k=99_000)),
        "100,000 lines": HEAD + "stem {\n" + "relu\n" * 100_000 + "}\n",
        "a wrong step after 16,000": HEAD + "stem {\n" + "relu\n" * 16_000 + "relu 3 x\n}\n",
        "50,000 errors": "x\n" * 50_000,
        "24,000 errors in a body": HEAD + "stem {\n" + "x y\n" * 24_000 + "}\n",
        "16,000 unknown names": HEAD + "stem {\n" + "".join(f"x{n}\n" for n in range(14_000)) + "}\n",
        "6,000 unknown values": HEAD + "stem {\n" + "".join(f"relu(y{n})\n" for n in range(6_000)) + "}\n",
        "6,000 unknown channels": HEAD
        + "stem {\n"
        + "".join(f"conv(y{n},1)\n" for n in range(6_000))
        + "}\n",
        "6,000 unknown tensors": HEAD + "stem {\n" + "".join(f"from y{n}\n" for n in range(6_000)) + "}\n",
        "20,000 wrong rows": HEAD + "stages residual {\nout\n" + "1 +\n" * 20_000 + "}\n",
        "20,000 wrong recipe lines": HEAD + "train {\n" + "a:b\n" * 20_000 + "}\n",
        "90,000 comments": HEAD + "#\n" * 45_000,
        "huge numbers to split": HEAD
        + "stem { conv(900000001, 1), groupnorm(300000000) }\n"
        + "train {\nbatch 9000000000001\naccumulate 300000000\n}\n",
        "repeat 1e12": HEAD + "stem { repeat 1e12 { relu } }\n",
        "a stage of 1e12": HEAD + "stage residual(16, repeat=1e12)\n",
        "repeat in repeat": HEAD
        + "stem { "
        + "repeat 99999 as i { " * 8
        + "conv(i + 1, 3) "
        + "}" * 9
        + "\n",
        "blocks that double": HEAD
        + "".join(f"block b{n}(k) {{ b{n - 1}(k * 2), b{n - 1}(k * 3) }}\n" for n in range(1, 60))
        + "block b0(k) { conv(k, 3) }\nstem { b59(1) }\n",
        "uses itself": HEAD + 'use "wrong.net"\n',
        "a long line": HEAD + "stem { " + "relu, " * 15_000 + "}\n",
        "a long sum": HEAD + "let n = " + "1+" * 4_900 + "1\n",
        "long sums": HEAD + ("let n = " + "1+" * 4_900 + "1\n") * 10,
        "a long name": HEAD + "stem { " + "a" * 9_000 + " }\n",
        "many arguments": HEAD + "stem { conv(" + "a=1," * 2_000 + ") }\n",
        "nested skips, many": HEAD + ("stem { " + "skip { " * 60 + "x y" + " }" * 60 + " }\n") * 150,
        "nested skips, wide": HEAD
        + "stem { "
        + "skip {\n" * 60
        + "relu\n" * 15_000
        + "x y"
        + " }" * 60
        + " }\n",
        "unclosed bodies": HEAD + "stem {\n" * 12_000,
        "unclosed calls": HEAD + "stem { conv(3,\n" * 6_000,
        "texts": HEAD + '"a"\n' * 24_000,
        "quotes": HEAD + '"\n' * 45_000,
        "for a pattern": HEAD + ("stem { " + "a.b(c) " * 50 + "! }\n") * 250,
        "for another": HEAD + ("stem { conv " + "1 " * 90 + "a=1 " * 40 + "! }\n") * 250,
        "zeros": "\0" * 99_000,
        "7,000 branches": HEAD + "stem { add {\n" + "| relu\n" * 7_000 + "} }\n",
        "4,000 misspelt calls of 1,500 blocks": HEAD
        + "".join(f"block blk{n} {{ relu }}\n" for n in range(1_500))
        + "stem {\n"
        + "".join(f"blc{n}\n" for n in range(4_000))
        + "}\n",
        "a step at 30,000 epochs": HEAD + "train {\n schedule step(at=[" + "1,\n" * 30_000 + "])\n}\n",
    }
    for name, opened, closed in (("(", "(", ")"), ("[", "[", "]"), ("{", "{", "}")):
        texts[f"deep {name}"] = HEAD + "let n = " + opened * 4_900 + "1" + closed * 4_900 + "\n"
        texts[f"deep lines of {name}"] = HEAD + "let n = " + f"{opened}\n" * 24_000 + f"{closed}\n" * 24_000
        texts[f"only {closed}"] = HEAD + f"{closed}\n" * 48_000
        texts[f"only {closed}, in lines"] = HEAD + (closed * 9_000 + "\n") * 10
    files = {name: text.encode() for name, text in texts.items()}
    files["random bytes, 1 MB"] = draw.randbytes(1_000_000)
    return files


def large() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Large files without errors, and the commands for them."""
    end = "head { global_avgpool, flatten, linear(10) }\n"
    stages = HEAD + "stem { conv(8, 3) }\n" + "stage residual(8)\n" * 4_900 + end
    labels = HEAD + "stem {\n" + "".join(f"l{n}: relu\n" for n in range(4_000)) + "}\n" + end
    build = tuple(
        f"build wrong.net --stdout --style {style}" for style in ("module", "functional", "sequential")
    )
    others = ("check wrong.net", "summary wrong.net")
    more = ("diff wrong.net wrong.net", "graph wrong.net -o wrong.svg")
    return {"4,900 stages": (stages, (*build, *others, *more)), "4,000 labels": (labels, (*build, *others))}


class Outcome(NamedTuple):
    """Exit status, CPU and wall time in seconds, peak memory in MB, and last line of output of a process."""

    status: int
    seconds: float
    wall: float
    peak: float
    said: str


def run(path: Path, command: str = "check wrong.net") -> Outcome:
    before = time.perf_counter()
    said = path.with_suffix(".txt")
    with said.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "netdsl", *command.split()],
            cwd=path.parent,
            stderr=output,
            stdout=subprocess.DEVNULL,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
        )
        _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - before
    last = said.read_text(encoding="utf-8").strip().rpartition("\n")[2]
    peak = used.ru_maxrss / 1024
    return Outcome(os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, wall, peak, last)


def main() -> None:
    chosen = sys.argv[1] if len(sys.argv) > 1 else ""
    failed = []
    with TemporaryDirectory() as folder:
        path = Path(folder) / "wrong.net"
        work = [(name, content, "check wrong.net", 1) for name, content in hostile().items()]
        for name, (text, commands) in large().items():
            work += [(f"{name}: {command.split()[0]}", text.encode(), command, 0) for command in commands]
        for name, content, command, status in work:
            if chosen not in name:
                continue
            path.write_bytes(content)
            end = run(path, command)
            if end.status != status or end.seconds > SECONDS:
                failed.append(name)
            times = f"{end.seconds:5.2f} s ({end.wall:5.2f} by the clock)"
            print(f"{name:38} {times}  {end.peak:4.0f} MB  status {end.status}  {end.said[:60]}", flush=True)
    print(f"too slow, or with another status: {', '.join(failed) or 'none'}")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
