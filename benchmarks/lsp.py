"""Measures how fast the language server answers right after an edit of a file of 1,000 lines.

    python -m benchmarks.lsp [--lines 1000] [--rounds 50]

The server runs as a process behind pipes, as in an editor. Each round edits one line and immediately requests
a hover, or completions; or a hover later, while the server is compiling the edited text. The time until the
errors of the edited text arrive is measured too, including the delay that the server waits after an edit.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from netdsl.lsp.documents import QUIET
from netdsl.lsp.requests import STALE
from tests.support.editor import Editor

# Seconds after an edit at which a long text is being compiled.
LATER = QUIET + 0.03

BLOCK = """\
# Block {number} of the file.
block part{number}(out, stride=1, act=relu) {{
  let hidden = out // 2
  skip {{
    conv(hidden, 1), bn, act
    depthwise(3, stride), bn, act
    conv(out, 1), bn
  }}
  shortcut {{ conv(out, 1, stride), bn }}
  act
}}
"""


def network(lines: int) -> str:
    """Returns a valid network with the given number of lines: a stage for each of its blocks."""
    count = (lines - 6) // (BLOCK.count("\n") + 1)
    stages = (f"stage part{number}({16 + number // 10 * 8})\n" for number in range(count))
    blocks = (BLOCK.format(number=number) for number in range(count))
    head = "network long\ninput 3x32x32\nclasses 10\ndefault conv(bias=no)\nstem { conv(16, 3), bn, relu }\n"
    end = "head { global_avgpool, flatten, linear(classes) }\n"
    return "".join([head, *stages, end, *blocks])


def measure(lines: int, rounds: int) -> tuple[dict[str, list[float]], int]:
    """Returns the seconds of each kind of answer, and how many hovers were of the edited text."""
    times: dict[str, list[float]] = {kind: [] for kind in ("hover", "completion", "hover, later", "errors")}
    fresh = 0
    with tempfile.TemporaryDirectory() as folder:
        editor = Editor(Path(folder).resolve())
        editor.start(module="netdsl")
        text = network(lines)
        editor.open("long.net", text)
        middle = text.index("  skip {", len(text) // 2)
        step, argument = (
            text[middle - 60 : middle] + "  skip {\n    co",
            text[middle - 60 : middle] + "  skip {\n    conv(",
        )
        width = 16
        for _ in range(rounds):
            for question in ("hover", "completion", "hover, later"):
                before, width = width, width % 32 + 16
                editor.replace("long.net", f"conv({before}, 3)", f"conv({width}, 3)", settle=False)
                edited = time.perf_counter()
                if question == "hover, later":
                    editor.sleep(LATER)
                start = time.perf_counter()
                if question == "completion":
                    assert "stride" in editor.complete("long.net", argument)
                else:
                    fresh += STALE not in editor.hover("long.net", step)
                times[question].append(time.perf_counter() - start)
                editor.settle("long.net")
                times["errors"].append(time.perf_counter() - edited)
        editor.stop()
    return times, fresh


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lines", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=50)
    options = parser.parse_args()
    times, fresh = measure(options.lines, options.rounds)
    print(f"after an edit of {network(options.lines).count(chr(10)):,} lines, {options.rounds} rounds:")
    for what, seconds in times.items():
        median, longest = statistics.median(seconds) * 1e3, max(seconds) * 1e3
        print(f"{what:<13}median {median:6.1f} ms   longest {longest:6.1f} ms")
    print(f"{fresh} of {2 * options.rounds} hovers spoke of the edited text, the others of the one before")


if __name__ == "__main__":
    main()
