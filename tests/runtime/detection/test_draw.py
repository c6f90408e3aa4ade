"""Pictures of images with boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from netdsl.runtime.detection.boxes import Detections
from netdsl.runtime.detection.draw import colours, with_boxes, with_detections, with_truth, write_picture
from netdsl.runtime.errors import RunError

GRAY = torch.full((3, 80, 128), 128, dtype=torch.uint8)
BOX = torch.tensor([[16.0, 20, 96, 60]])


def has_edges(drawn: Tensor, box: list[float], colour: tuple[int, int, int], factor: int) -> bool:
    """True if all four edges of a box are in a colour, away from the corners, where a text may be."""
    left, top, right, bottom = (round(number * factor) for number in box)
    middle, half = (left + right) // 2, (top + bottom) // 2
    wanted = torch.tensor(colour, dtype=torch.uint8)[:, None]
    columns = [drawn[:, half, x - 3 : x + 4] for x in (left, right)]
    rows = [drawn[:, y - 3 : y + 4, middle] for y in (top, bottom)]
    return all(bool((line == wanted).all(0).any()) for line in (*columns, *rows))


def test_small_images_are_enlarged_with_their_boxes() -> None:
    drawn = with_truth(GRAY, torch.tensor([[*BOX[0].tolist(), 1], [-1.0] * 5]), ("cat", "dog"))
    assert drawn.shape == (3, 400, 640) and drawn.dtype == torch.uint8
    assert has_edges(drawn, BOX[0].tolist(), colours(2)[1], 5)
    assert drawn[:, 5, 5].tolist() == [128] * 3


def test_detections_of_a_gray_image() -> None:
    found = Detections(BOX.repeat(2, 1), torch.tensor([0.9, 0.3]), torch.tensor([0, 1]))
    drawn = with_detections(GRAY[:1].repeat(1, 10, 10), found, ("cat", "dog"))
    assert drawn.shape == (3, 800, 1280)
    assert has_edges(drawn, BOX[0].tolist(), colours(2)[0], 1)  # the surest is on top
    none = Detections(BOX[:0], torch.zeros(0), torch.zeros(0, dtype=torch.int64))
    assert with_detections(GRAY[:1], none, ("cat", "dog")).unique().tolist() == [128]


@pytest.mark.parametrize("name", ["猫", "ça va", "$x_1$", "a\nb\x1b[31m", "x" * 300])
def test_any_name_can_be_drawn(name: str) -> None:
    drawn = with_boxes(GRAY, BOX, torch.tensor([0]), [name], 1)
    assert has_edges(drawn, BOX[0].tolist(), colours(1)[0], 5)


@pytest.mark.parametrize("count", [1, 2, 10, 11, 80])
def test_colours_differ(count: int) -> None:
    assert len(set(colours(count))) == count


def test_pictures_are_written_as_they_are(tmp_path: Path) -> None:
    image = torch.arange(3 * 4 * 5, dtype=torch.uint8).view(3, 4, 5)
    write_picture(image, tmp_path / "x.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "x.png")), image.permute(1, 2, 0).numpy())
    write_picture(image, tmp_path / "x.jpg")
    assert Image.open(tmp_path / "x.jpg").size == (5, 4)
    with pytest.raises(RunError, match="unknown picture format `.txt`") as raised:
        write_picture(image, tmp_path / "x.txt")
    assert ".png, .jpg" in raised.value.help
