from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from rich.console import Console
from torchvision.datasets import CIFAR10

from netdsl.language.recipe import Cifar10, Digits
from netdsl.runtime.data import statistics
from netdsl.runtime.errors import RunError
from netdsl.runtime.images import Split, fit, require_memory
from tests.support.samples import load, pixels


def test_digits(console: Console) -> None:
    data = load(Digits(), (3, 16, 12), 10, 100, 0, console)
    assert [len(split) for split in (data.train, data.validation, data.test)] == [1337, 100, 360]
    assert pixels(data.train).shape == (1337, 3, 16, 12)
    assert pixels(data.train).dtype == torch.uint8
    assert torch.equal(pixels(data.train)[:, 0], pixels(data.train)[:, 2])
    assert data.classes == tuple("0123456789")
    everything = torch.cat([data.train.labels, data.validation.labels, data.test.labels])
    assert everything.bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_normalised_training_images_have_mean_0_and_deviation_1(console: Console) -> None:
    data = load(Digits(), (1, 8, 8), 10, None, 0, console)
    images = data.normalise(data.floats(pixels(data.train))).double()
    assert images.mean().item() == pytest.approx(0, abs=1e-6)
    assert images.std(correction=0).item() == pytest.approx(1, abs=1e-6)


def test_the_seed_moves_validation_but_never_the_test(console: Console) -> None:
    one, same, other = (load(Digits(), (1, 8, 8), 10, None, s, console) for s in (1, 1, 2))
    assert len(one.validation) == 143  # A tenth, as that is below 1,000.
    assert torch.equal(pixels(one.validation), pixels(same.validation))
    assert not torch.equal(one.validation.labels, other.validation.labels)
    assert torch.equal(pixels(one.test), pixels(other.test))


def test_validation_is_taken_as_asked(console: Console) -> None:
    assert len(load(Digits(), (1, 8, 8), 10, 0, 0, console).validation) == 0
    rest = load(Digits(), (1, 8, 8), 10, 1427, 0, console).train
    assert rest.labels.sort().values.tolist() == list(range(10))  # One of each class.
    with pytest.raises(RunError, match="1,428 of 1,437 images can't be split off"):
        load(Digits(), (1, 8, 8), 10, 1428, 0, console)
    with pytest.raises(RunError, match="1437 images for validation leave none of the 1437"):
        load(Digits(), (1, 8, 8), 10, 1437, 0, console)


def test_fewer_images_leave_validation_and_test_as_they_are(console: Console) -> None:
    whole = load(Digits(), (1, 8, 8), 10, 100, 3, console)
    few = load(Digits(), (1, 8, 8), 10, 100, 3, console, images=50)
    assert torch.equal(few.train.labels, whole.train.labels[:50])
    assert torch.equal(pixels(few.validation), pixels(whole.validation))
    assert torch.equal(pixels(few.test), pixels(whole.test))
    # They are normalised by their own statistics.
    assert torch.equal(few.mean, statistics(few.train)[0])
    with pytest.raises(RunError, match="1,337 training images, fewer than the requested 2,000"):
        load(Digits(), (1, 8, 8), 10, 100, 3, console, images=2000)


@pytest.mark.parametrize(
    ("shape", "classes", "message"),
    [
        ((64,), 10, "a vector of 64 numbers"),
        ((4, 8, 8), 10, "4 channels"),
        ((1, 8, 8), 100, r"10 classes \(0, 1, .* 9\), but the network has 100 outputs"),
    ],
)
def test_networks_that_do_not_fit(
    shape: tuple[int, ...], classes: int, message: str, console: Console
) -> None:
    with pytest.raises(RunError, match=message) as raised:
        load(Digits(), shape, classes, None, 0, console)
    assert raised.value.help


def test_statistics_are_those_of_the_pixels() -> None:
    images = torch.randint(0, 256, (7, 3, 5, 4), dtype=torch.uint8)
    images[:, 1] = 51
    mean, deviation = statistics(Split.of(images, torch.zeros(7)))
    floats = images.double() / 255
    torch.testing.assert_close(mean, floats.mean((0, 2, 3)).float())
    assert deviation[1] == 1  # Nothing is divided by zero.
    torch.testing.assert_close(deviation[0], floats[:, 0].std(correction=0).float())


def test_fit() -> None:
    images = torch.randint(0, 256, (3, 3, 8, 8), dtype=torch.uint8)
    assert torch.equal(fit(images, (3, 8, 8)), images)
    small = fit(images, (3, 4, 4))
    expected = F.interpolate(images.float(), (4, 4), mode="bilinear", antialias=True)
    assert (small.float() - expected).abs().max() <= 0.5
    white = torch.full((1, 3, 8, 8), 255, dtype=torch.uint8)
    assert (fit(white, (1, 6, 6)) == 255).all()
    gray = torch.full((1, 1, 2, 2), 7, dtype=torch.uint8)
    assert torch.equal(fit(gray, (3, 2, 2)), torch.full((1, 3, 2, 2), 7, dtype=torch.uint8))


def test_more_images_than_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sysconf", lambda name: 1024)  # 1 MiB in all.
    require_memory(100, (3, 32, 32))
    with pytest.raises(RunError, match="memory"):
        require_memory(200, (3, 32, 32))


def fake_cifar10(cache: Path, monkeypatch: pytest.MonkeyPatch) -> NDArray[np.uint8]:
    """Writes a CIFAR-10 of 20 images a file, and makes torchvision take it for the real one."""
    folder = cache / "cifar" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    batches = {name: rng.integers(0, 256, (20, 3072), dtype=np.uint8) for name in names}
    for name, bytes in batches.items():
        content = {"data": bytes, "labels": [i % 10 for i in range(20)]}
        (folder / name).write_bytes(pickle.dumps(content))
    classes = [f"class {i}" for i in range(10)]
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": classes}))

    def listed(name: str) -> list[str]:
        return [name, hashlib.md5((folder / name).read_bytes()).hexdigest()]

    monkeypatch.setattr(CIFAR10, "train_list", [listed(name) for name in names[:-1]])
    monkeypatch.setattr(CIFAR10, "test_list", [listed("test_batch")])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": listed("batches.meta")[1]})
    return batches["test_batch"].reshape(20, 3, 32, 32)


def test_cifar10(cache: Path, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    test = fake_cifar10(cache, monkeypatch)
    data = load(Cifar10(), (3, 32, 32), 10, None, 0, console)
    assert [len(split) for split in (data.train, data.validation, data.test)] == [90, 10, 20]
    assert data.classes[3] == "class 3"
    assert torch.equal(pixels(data.test), torch.from_numpy(test))
    assert data.test.labels.tolist() == [i % 10 for i in range(20)]
    assert pixels(load(Cifar10(), (1, 28, 28), 10, 5, 0, console).train).shape == (95, 1, 28, 28)


def test_cifar10_without_network(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(self: CIFAR10) -> None:
        raise OSError("network is unreachable")

    monkeypatch.setattr(CIFAR10, "download", offline)
    with pytest.raises(RunError, match="network is unreachable") as raised:
        load(Cifar10(), (3, 32, 32), 10, None, 0, console)
    assert "folder:" in raised.value.help and "digits" in raised.value.help
