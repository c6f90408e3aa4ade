"""Fine-tuning beside training from scratch on CIFAR-10: `python -m benchmarks.fine_tuning IMAGES FOLDER`.

IMAGES has the data set as `train/CLASS/*` and `test/CLASS/*`. A small network learns nine classes from 500
images of each; then all ten from 100 other images of each, from scratch, from the weights of the nine, and
from those with all but the head frozen. docs/results/fine_tuning.md has the figures.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

NETWORK = """\
network tenth(number=10)
input 3x32x32
classes number
order conv, bn, relu
default conv(bias=no)
stem { unit(16, 3) }
stages residual_block {
  out  repeat  stride
  16     1       1
  32     1       2
  64     1       2
}
block residual_block(out, stride=1) {
  skip { unit(out, 3, stride), conv(out, 3), bn }
  shortcut { conv(out, 1, stride), bn }
  relu
}
head { global_avgpool, flatten, linear(classes) }
train {
  augment flip, crop(4)
  schedule cosine(warmup=1)
  optimizer sgd(lr=0.1, momentum=0.9, weight_decay=5e-4)
}
"""
NEW = "truck"
WAYS = {
    "scratch": (),
    "tuned": ("--weights", "nine", "--optimizer.lr", "0.02"),
    "head": ("--weights", "nine", "--freeze", "stem,stage1,stage2,stage3"),
}


def link(images: Path, target: Path, classes: list[str], first: int, count: int) -> None:
    """A folder of some of the images: `count` of each class from the `first` on, and 200 for the test."""
    for name in classes:
        for part, start, number in (("train", first, count), ("test", 0, 200)):
            (target / part / name).mkdir(parents=True, exist_ok=True)
            for image in sorted((images / part / name).iterdir())[start : start + number]:
                (target / part / name / image.name).symlink_to(image.resolve())


def train(folder: Path, run: str, *options: str) -> None:
    command = [
        sys.executable,
        "-m",
        "netdsl",
        "train",
        "tenth.net",
        "--run",
        run,
        "--compile",
        "off",
        *options,
    ]
    subprocess.run(command, cwd=folder, check=True)


def main(images: Path, folder: Path) -> None:
    classes = sorted(path.name for path in (images / "train").iterdir())
    link(images, folder / "images9", [name for name in classes if name != NEW], 0, 500)
    link(images, folder / "images10", classes, 1000, 100)
    (folder / "tenth.net").write_text(NETWORK)
    train(folder, "nine", "--data", "folder:images9", "--epochs", "8", "--set", "number=9")
    for way, options in WAYS.items():
        for seed in ("0", "1"):
            common = ("--data", "folder:images10", "--epochs", "10", "--validation", "0", "--seed", seed)
            train(folder, f"{way}{seed}", *common, *options)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
