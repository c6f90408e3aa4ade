"""`netdsl train --tensorboard`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from netdsl.runtime import metrics
from tests.support.commands import netdsl


def test_tensorboard_reads_what_was_measured(trained: Path, tmp_path: Path) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason='needs the extra: pip install "netdsl[tensorboard]"',
    )
    run = tmp_path / "run"
    assert netdsl("train", trained / "small.net", "--epochs", 2, "--run", run, "--tensorboard").exit_code == 0
    events = accumulator.EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    names = {
        "loss/training": "loss",
        "loss/validation": "validation_loss",
        "accuracy/training": "accuracy",
        "accuracy/validation": "validation_accuracy",
        "learning rate": "lr",
        "images per second": "images_per_second",
    }
    assert set(events.Tags()["scalars"]) == names.keys()
    rows = metrics.read(run)
    for tag, name in names.items():
        assert [event.step for event in events.Scalars(tag)] == [1, 2]
        found = [event.value for event in events.Scalars(tag)]
        assert found == pytest.approx([row.to_json()[name] for row in rows])


def test_a_missing_extra_is_named(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    result = netdsl("train", trained / "small.net", "--run", tmp_path / "run", "--tensorboard")
    assert result.exit_code == 1
    assert 'pip install "netdsl[tensorboard]"' in result.output
    assert not any(tmp_path.iterdir())
