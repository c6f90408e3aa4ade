"""Training on real photographs: some of CIFAR-10's, as a folder of JPEGs."""

from __future__ import annotations

import os
import re
import tarfile
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from netdsl.cli import main

ARCHIVE = Path(__file__).resolve().parents[3] / "shared" / "data" / "cifar10-images.tar.gz"
PER_CLASS = {"train": 400, "test": 50}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 training and 50 test images of each class."""
    if not ARCHIVE.is_file():
        message = "the archive of CIFAR-10 images is not beside the repository"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    folder = tmp_path_factory.mktemp("images")
    taken: Counter[str] = Counter()
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            parts = Path(member.name).parts
            split, kind = parts[-3:-1] if len(parts) > 2 else ("", "")
            if member.isfile() and taken[f"{split}/{kind}"] < PER_CLASS.get(split, 0):
                taken[f"{split}/{kind}"] += 1
                archive.extract(member, folder, filter="data")
    assert len(taken) == 20
    return next(folder.rglob("train")).parent


def test_a_convnet_learns_to_see(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NETDSL_CACHE", str(tmp_path / "cache"))
    options = ["--epochs", "3", "--optimizer", "sgd(lr=3e-3, momentum=0.9, nesterov=yes)", "--batch", "32"]
    arguments = ["train", "three_layer_convnet", "--data", f"folder:{images}", "--run", "run", *options]
    trained = CliRunner().invoke(main, arguments)
    assert trained.exit_code == 0, trained.output
    found = re.search(r"test accuracy ([\d.]+)%", trained.output)
    assert found is not None
    # 3,600 images in three epochs; guessing gives 10 %.
    assert float(found[1]) > 30
    evaluated = CliRunner().invoke(main, ["eval", "run"])
    assert f"test accuracy {found[1]}%" in evaluated.output
