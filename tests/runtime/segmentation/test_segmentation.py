"""Losses and scores of masks, masks that move with their images, and scenes with masks."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from netdsl.language.recipe import Augmentation, Crop, Cutout, Flip, Zoom
from netdsl.runtime import augment
from netdsl.runtime.detection.scenes import Scenes
from netdsl.runtime.distributed import ALONE
from netdsl.runtime.segmentation import IGNORED
from netdsl.runtime.segmentation.task import Segmentation, mean_entropies, overlaps

CPU = torch.device("cpu")


def some_masks(count: int, classes: int, size: tuple[int, int], seed: int = 0) -> Tensor:
    """Random masks, a fifth of whose pixels are ignored."""
    generator = torch.Generator().manual_seed(seed)
    masks = torch.randint(classes, (count, *size), generator=generator)
    return masks.masked_fill(torch.rand(masks.shape, generator=generator) < 0.2, IGNORED).to(torch.uint8)


def test_the_loss_is_the_mean_of_the_pixels_of_each_image() -> None:
    masks, scores = some_masks(3, 4, (5, 6)), torch.randn(3, 4, 5, 6)
    found = mean_entropies(scores, masks, 0.1)
    for own, mask, logits in zip(found, masks, scores, strict=True):
        known = mask != IGNORED
        expected = F.cross_entropy(logits[:, known].T, mask[known].long(), label_smoothing=0.1)
        assert own == pytest.approx(expected.item(), rel=1e-5)
    nothing = torch.full((1, 5, 6), IGNORED, dtype=torch.uint8)
    assert mean_entropies(scores[:1], nothing).item() == 0


def test_overlaps_of_a_confusion_matrix() -> None:
    counts = torch.tensor([[3, 1, 0], [2, 4, 0], [0, 0, 0]])
    assert overlaps(counts) == (3 / 6, 4 / 7, None)


def test_scores_are_those_of_all_pixels() -> None:
    task = Segmentation(4, (8, 8))
    masks, small = some_masks(6, 4, (8, 8)), torch.randn(6, 4, 4, 4)
    scoring = task.scoring(CPU)
    for rows in torch.arange(6).split(4):
        scoring.add(small[rows], masks[rows])
    found, details = scoring.result(ALONE), scoring.details()
    predicted = F.interpolate(small, (8, 8), mode="bilinear").argmax(1)
    known = masks != IGNORED
    assert found["pixels"] == pytest.approx((predicted == masks)[known].float().mean().item())
    ious = []
    for kind in range(4):
        own, taken = (masks == kind) & known, (predicted == kind) & known
        ious.append(((own & taken).sum() / (own | taken).sum()).item())
    assert details.classes["iou"] == pytest.approx(ious)
    assert found["iou"] == pytest.approx(sum(ious) / 4)
    assert details.counts == [int((masks == kind).sum()) for kind in range(4)]
    assert found["loss"] == pytest.approx(
        mean_entropies(F.interpolate(small, (8, 8), mode="bilinear"), masks).mean().item()
    )


def test_auxiliary_maps_change_the_gradient_only() -> None:
    task = Segmentation(3, (4, 4), aux=0.5)
    masks = some_masks(2, 3, (4, 4))
    main, other = (torch.randn(2, 3, 4, 4, requires_grad=True) for _ in range(2))
    loss, figures = task.objective((main, other), masks)
    loss.backward()
    assert loss.item() == pytest.approx(mean_entropies(main, masks).sum().item()) and not len(figures)
    alone = other.detach().requires_grad_()
    mean_entropies(alone, masks).sum().backward()
    assert alone.grad is not None and other.grad is not None
    assert torch.allclose(other.grad, 0.5 * alone.grad)


@pytest.mark.parametrize("step", [Flip(), Crop(3), Crop(3, "reflect"), Zoom(0.5, 2), Cutout(4)])
def test_masks_move_with_their_images(step: Augmentation) -> None:
    """Each pixel's colour is the number of its class: it stays so, apart from the edges of a zoom."""
    coarse = torch.randint(1, 6, (8, 1, 4, 4), generator=torch.Generator().manual_seed(0))
    masks = F.interpolate(coarse.float(), scale_factor=6)[:, 0].to(torch.uint8)
    images = masks[:, None].float() / 10
    draws = augment.draw((step,), 8, (24, 24), 0, 1)
    moved, found = augment.apply(images, masks, (step,), draws, torch.zeros(1))
    assert found.dtype is torch.uint8 and found.shape == masks.shape
    known = found != IGNORED
    right = (moved[:, 0] * 10 - found).abs()[known] < 0.01
    if isinstance(step, Flip):
        assert known.all() and right.all() and not torch.equal(found, masks)
    elif isinstance(step, Cutout):
        assert torch.equal(found, masks)
    elif isinstance(step, Zoom):
        assert right.float().mean() > 0.55 and 0 < (~known).float().mean() < 0.5
        inner = F.max_pool2d(moved, 3, 1, 1) == -F.max_pool2d(-moved, 3, 1, 1)
        assert ((moved[:, 0] * 10 - found).abs() < 0.01)[known & inner[:, 0]].all()
    else:
        assert isinstance(step, Crop)
        assert right.all() and (step.padding_mode == "reflect") == bool(known.all())


def test_scenes_have_the_same_digits_as_boxes_and_as_masks() -> None:
    rows = torch.arange(20)
    scenes = Scenes("test", rows, (3, 64, 64), seed=0)
    images, boxes = scenes.draw(rows)
    again, masks = Scenes("test", rows, (3, 64, 64), seed=0, masks=True).draw(rows)
    assert torch.equal(images, again) and masks.shape == (20, 64, 64) and masks.dtype is torch.uint8
    inside = torch.zeros_like(masks, dtype=torch.bool)
    for mask, own, covered in zip(masks, boxes, inside, strict=True):
        for left, top, right, bottom, kind in own[own[:, 4] >= 0].long().tolist():
            part = mask[top:bottom, left:right]
            assert (part == kind + 1).sum() > 0.1 * part.numel()
            covered[top:bottom, left:right] = True
    assert not masks[~inside].any()
