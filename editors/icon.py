"""Draws the icon of the VS Code extension: a layer with a skip connection.

python -m editors.icon
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

ICON = Path(__file__).parent / "vscode" / "icon.png"
SIZE = 128
# Drawn so many times larger: reducing it smooths the edges.
SCALE = 4


def main() -> None:
    side = SIZE * SCALE
    image = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)

    def scaled(*numbers: float) -> list[float]:
        return [number * SCALE for number in numbers]

    draw.rounded_rectangle(scaled(0, 0, SIZE, SIZE), 28 * SCALE, fill="#3f51b5")
    draw.line(scaled(24, 76, 104, 76), fill="white", width=9 * SCALE)
    draw.arc(scaled(36, 30, 92, 122), 180, 360, fill="white", width=9 * SCALE)
    draw.rounded_rectangle(
        scaled(48, 60, 80, 92), 7 * SCALE, fill="#abc9f6", outline="white", width=9 * SCALE
    )
    image.resize((SIZE, SIZE), Image.Resampling.LANCZOS).save(ICON, optimize=True)


if __name__ == "__main__":
    main()
