"""Runs all benchmarks on an NVIDIA GPU; docs/performance.md has no such figures yet.

    python -m benchmarks.gpu FOLDER_OF_IMAGES [--out gpu-results]

FOLDER_OF_IMAGES holds CIFAR-10 as `train/<class>/*` and `test/<class>/*`. In this order:

1. throughput at batch 64, three loops and three networks, with peak memory (benchmarks/throughput.py);
   netdsl auto should reach 5 times the notebook's loop on resnet32;
2. comparison with the device's limits, and of fp32 with bf16, without compiling and with CUDA graphs
   (benchmarks/machine.py);
3. comparison of generated and hand-written code (benchmarks/handwritten.py);
4. resnet32's recipe of 10 epochs with `netdsl train`: as `auto` chooses, in fp32, and in bf16 with and
   without CUDA graphs: seconds, images per second, accuracy, from each run's report.json and how.json.

Every command is printed before it runs, and can be run by itself.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from pathlib import Path

import torch

# On a GPU `--compile on` records CUDA graphs.
TRAININGS = {
    "auto": [],
    "fp32": ["--precision", "fp32", "--compile", "off"],
    "bf16": ["--precision", "bf16", "--compile", "off"],
    "bf16, CUDA graphs": ["--precision", "bf16", "--compile", "on"],
}


def run(arguments: list[str]) -> None:
    print(f"\n$ python {shlex.join(arguments)}", flush=True)
    subprocess.run([sys.executable, *arguments], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=Path)
    parser.add_argument("--out", type=Path, default=Path("gpu-results"), help="where the runs are written")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("torch finds no CUDA device: these figures need an NVIDIA GPU")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, CUDA {torch.version.cuda}")

    # More steps in a round than on a CPU: a step takes milliseconds.
    run(["-m", "benchmarks.throughput", str(options.images), "--device", "cuda", "--steps", "96"])
    run(["-m", "benchmarks.machine", "--device", "cuda", "--rounds", "100"])
    run(["-m", "benchmarks.handwritten", "--device", "cuda", "--rounds", "100"])
    rows = []
    for name, request in TRAININGS.items():
        folder = options.out / name.replace(", ", "-").replace(" ", "-")
        data = ["--data", f"folder:{options.images}", "--run", str(folder)]
        run(["-m", "netdsl", "train", "resnet32", *data, "--device", "cuda", *request])
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        how = json.loads((folder / "how.json").read_text(encoding="utf-8"))
        rows.append(
            f"| {name} | {how['precision']}, compile {how['compile']} | {report['seconds']:.0f} s "
            f"| {report['images_per_second']:,.0f} | {report['validation_accuracy']:.2%} "
            f"| {report['test_accuracy']:.2%} |"
        )
    print("\n| resnet32, 10 epochs | chosen | time | images/s | validation | test |")
    print("\n".join(["| --- | --- | ---: | ---: | ---: | ---: |", *rows]))


if __name__ == "__main__":
    main()
