"""Average precision equals pycocotools' on random predictions; confusion matrices equal a direct count."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from netdsl.runtime.detection.boxes import Detections, stacked
from netdsl.runtime.detection.mean_ap import average_precision, confusion
from netdsl.runtime.errors import RunError

pytest.importorskip("faster_coco_eval", reason="the extra `detection` is not installed")

NOTHING = Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64))


def scenes(seed: int, count: int = 12, classes: int = 4) -> tuple[list[Detections], list[Tensor]]:
    """Boxes of all sizes, and noisy detections of most of them beside false ones; some images have none."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    found, boxes = [], []
    for number in range(count):
        n = 0 if number % 5 == 4 else int(torch.randint(1, 12, (), generator=generator))
        corners = uniform(n, 2) * 200
        sizes = 4 * 40 ** uniform(n, 2)
        kinds = torch.randint(0, classes - 1, (n,), generator=generator)  # the last class has no boxes
        own = torch.cat((corners, corners + sizes), 1)
        boxes.append(torch.cat((own, kinds[:, None].float()), 1))
        seen = uniform(n) < 0.8
        again = own[seen]
        noisy = again + (uniform(len(again), 4) - 0.5) * 0.3 * (again[:, 2:] - again[:, :2]).repeat(1, 2)
        noisy[:, 2:] = noisy[:, :2].maximum(noisy[:, 2:])
        false = uniform(5, 2) * 200
        places = torch.cat((noisy, torch.cat((false, false + 5 + uniform(5, 2) * 100), 1)))
        guesses = torch.randint(0, classes, (len(places),), generator=generator)
        known = uniform(len(again)) < 0.8
        guesses[: len(again)][known] = kinds[seen][known]
        scores = (uniform(len(places)) * 20).round() / 20  # ties
        found.append(Detections(places, scores, guesses) if number % 7 != 3 else NOTHING)
    return found, boxes


@pytest.mark.parametrize("seed", range(4))
def test_equal_to_pycocotools(seed: int) -> None:
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is the reference")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    found, boxes = scenes(seed)
    ours = average_precision(found, boxes, 4)
    with redirect_stdout(StringIO()):
        truth = coco.COCO()
        annotations: list[dict[str, Any]] = [
            {
                "image_id": i,
                "category_id": int(box[4]),
                "bbox": [*box[:2].tolist(), *(box[2:4] - box[:2]).tolist()],
            }
            for i, own in enumerate(boxes)
            for box in own.double()
        ]
        for number, each in enumerate(annotations, 1):
            each |= {"id": number, "area": each["bbox"][2] * each["bbox"][3], "iscrowd": 0}
        truth.dataset = {
            "images": [{"id": i} for i in range(len(boxes))],
            "annotations": annotations,
            "categories": [{"id": i, "name": str(i)} for i in range(4)],
        }
        truth.createIndex()
        detections = [
            {
                "image_id": i,
                "category_id": int(kind),
                "bbox": [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()],
                "score": float(score),
            }
            for i, own in enumerate(found)
            for box, score, kind in zip(own.boxes.double(), own.scores, own.classes, strict=True)
        ]
        evaluation = cocoeval.COCOeval(truth, truth.loadRes(detections), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    reference = evaluation.stats[:6]
    small, medium, large = ours.sizes.values()
    got = [-1 if value is None else value for value in (ours.ap, ours.ap50, ours.ap75, small, medium, large)]
    assert got == pytest.approx(reference.tolist(), abs=1e-9)
    assert 0.05 < got[0] < 0.95
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    for kind in range(3):
        assert ours.classes[kind] == pytest.approx(precision[:, :, kind].mean(), abs=1e-9)
        assert ours.classes50[kind] == pytest.approx(precision[0, :, kind].mean(), abs=1e-9)
        assert np.allclose(ours.curves[kind].numpy(), precision[0, :, kind])
    assert ours.classes[3] is None and ours.classes50[3] is None and ours.curves[3].isnan().all()


def test_perfect_detections_and_none() -> None:
    _, boxes = scenes(0)
    perfect = [Detections(own[:, :4], torch.ones(len(own)), own[:, 4].long()) for own in boxes]
    for padded in (boxes, stacked(boxes)):
        assert average_precision(perfect, padded, 4).ap == 1
    nothing = average_precision([NOTHING] * len(boxes), boxes, 4)
    assert nothing.ap == nothing.ap50 == 0 and nothing.classes == (0, 0, 0, None)


def test_images_without_boxes_have_no_precision() -> None:
    ours = average_precision([NOTHING], torch.full((1, 2, 5), -1.0), 2)
    assert (ours.ap, ours.ap50, ours.ap75) == (None, None, None)
    assert ours.sizes == {"small": None, "medium": None, "large": None}


def test_at_most_a_hundred_boxes_count() -> None:
    box = torch.tensor([[0.0, 0, 50, 50, 0]])
    false = torch.tensor([[100.0, 100, 150, 150]]).repeat(100, 1)
    places = torch.cat((false, box[:, :4]))
    found = Detections(places, torch.linspace(1, 0.1, 101), torch.zeros(101, dtype=torch.int64))
    assert average_precision([found], [box], 1).ap == 0
    fewer = Detections(*(each[1:] for each in found))
    assert average_precision([fewer], [box], 1).ap == pytest.approx(0.01)


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    with pytest.raises(RunError, match="average precision needs faster-coco-eval") as raised:
        average_precision([NOTHING], torch.zeros(1, 0, 5), 1)
    assert raised.value.help == 'pip install "netdsl[detection]"'


def test_confusion() -> None:
    boxes = torch.tensor([[[0.0, 0, 10, 10, 0], [20, 0, 30, 10, 1], [40, 0, 50, 10, 1], [-1] * 5]])
    places = torch.tensor(
        [[0.0, 0, 10, 9], [1, 0, 10, 10], [21, 0, 30, 10], [40, 0, 50, 4], [60, 0, 70, 9], [0, 0, 10, 10]]
    )
    scores = torch.tensor([0.9, 0.9, 0.8, 0.7, 0.5, 0.3])
    found = [Detections(places, scores, torch.tensor([0, 1, 0, 1, 1, 0]))]
    # Two detections are on the first box, of which the nearer one counts; the fourth is too far from its box.
    assert confusion(found, boxes, 2, 0.5).tolist() == [[1, 0, 0], [1, 0, 1], [0, 3, 0]]
    assert confusion(found, boxes, 2, 0.6).tolist() == [[1, 0, 0], [1, 0, 1], [0, 2, 0]]
    assert confusion(found, boxes, 2, 0.1).tolist() == [[1, 0, 0], [1, 0, 1], [1, 3, 0]]
    assert confusion([NOTHING], boxes, 2, 0.5).tolist() == [[0, 0, 1], [0, 0, 2], [0, 0, 0]]
    assert confusion(found, torch.zeros(1, 0, 5), 2, 0.5).tolist() == [[0, 0, 0], [0, 0, 0], [2, 3, 0]]


@pytest.mark.parametrize("seed", range(3))
def test_every_box_and_detection_is_counted_once(seed: int) -> None:
    found, boxes = scenes(seed)
    counts = confusion(found, boxes, 4, 0.4)
    labels = torch.cat([own[:, 4] for own in boxes]).long()
    kinds = torch.cat([own.classes[own.scores >= 0.4] for own in found])
    assert torch.equal(counts[:-1].sum(1), labels.bincount(minlength=4))
    assert torch.equal(counts[:, :-1].sum(0), kinds.bincount(minlength=4))
