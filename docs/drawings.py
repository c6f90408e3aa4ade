"""Draws the two images of the section on style transfer in docs/inside.md.

python -m docs.drawings FOLDER
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from random import Random

from PIL import Image, ImageDraw

WIDTH, HEIGHT = 256, 192
# Drawn so many times larger: reducing it smooths the edges.
SCALE = 4
NIGHT = ["#0b1d51", "#12306e", "#1d4e9e", "#3f7cc4", "#7fb2dd", "#f2c84b", "#e59a2f", "#f7e9b0"]


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in (("harbour.png", harbour()), ("strokes.png", strokes())):
        image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS).save(folder / name)


def harbour() -> Image.Image:
    """The content: a boat, a lighthouse and hills in flat colours."""
    image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), "#cfe6f2")
    draw = ImageDraw.Draw(image)

    def polygon(colour: str, *points: tuple[float, float]) -> None:
        draw.polygon([(x * SCALE, y * SCALE) for x, y in points], fill=colour)

    def circle(colour: str, x: float, y: float, radius: float) -> None:
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse([side * SCALE for side in box], fill=colour)

    circle("#f6d775", 58, 44, 20)
    for x, y, radius in ((118, 40, 9), (130, 35, 12), (143, 41, 9)):
        circle("#ffffff", x, y, radius)
    hills = [(x, 104 - 22 * math.sin(x / 41) - 10 * math.sin(x / 17)) for x in range(0, 260, 4)]
    polygon("#6f9a6a", (0, 130), *hills, (256, 130))
    polygon("#3c78a8", (0, 122), (256, 122), (256, 192), (0, 192))
    polygon("#8a7a66", (168, 192), (178, 132), (206, 118), (256, 122), (256, 192))
    for level, colour in enumerate(("#f4f0e8", "#c8453b", "#f4f0e8", "#c8453b", "#f4f0e8")):
        top, bottom = 52 + 14 * level, 66 + 14 * level
        left, right = 214 - level, 236 + level
        polygon(colour, (left, top), (right, top), (right + 1, bottom), (left - 1, bottom))
    polygon("#2e3440", (211, 52), (239, 52), (225, 34))
    polygon("#f4f0e8", (96, 76), (96, 140), (62, 140))
    polygon("#e8b04a", (100, 68), (100, 140), (138, 140))
    polygon("#7a3b2e", (54, 146), (144, 146), (130, 164), (68, 164))
    return image


def strokes() -> Image.Image:
    """The style: short brush strokes along a field of whirls."""
    image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), NIGHT[1])
    draw = ImageDraw.Draw(image)
    random = Random(0)
    whirls = [(random.uniform(0, WIDTH), random.uniform(0, HEIGHT), random.choice((-1, 1))) for _ in range(6)]
    for _ in range(5000):
        x, y = random.uniform(-8, WIDTH + 8), random.uniform(-8, HEIGHT + 8)
        nearest = min(math.hypot(x - cx, y - cy) for cx, cy, _ in whirls)
        # Light in the middle of a whirl, dark between them.
        warm = nearest < 26 and random.random() < 0.75
        colour = random.choice(NIGHT[5:] if warm else NIGHT[:5])
        points = [(x, y)]
        for _ in range(5):
            x, y = _step(x, y, whirls)
            points.append((x, y))
        draw.line(
            [(px * SCALE, py * SCALE) for px, py in points], fill=colour, width=3 * SCALE, joint="curve"
        )
    return image


def _step(x: float, y: float, whirls: list[tuple[float, float, int]]) -> tuple[float, float]:
    """Three pixels along the field: around each whirl, the more the nearer."""
    along, across = 0.0, 0.0
    for cx, cy, turn in whirls:
        weight = turn / (1 + math.hypot(x - cx, y - cy)) ** 2
        along, across = along - weight * (y - cy), across + weight * (x - cx)
    length = math.hypot(along, across) or 1.0
    return x + 3 * along / length, y + 3 * across / length


if __name__ == "__main__":
    main(Path(sys.argv[1]))
