"""`netdsl train --log`: what other programs read is what was measured."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from netdsl.runtime import metrics
from tests.support.commands import netdsl


def needed(module: str, extra: str) -> Any:
    """A module of an extra; the test is skipped without it."""
    return pytest.importorskip(module, reason=f'needs the extra: pip install "netdsl[{extra}]"')


def train(trained: Path, run: Path, *options: object) -> None:
    result = netdsl("train", trained / "small.net", "--images", 100, "--run", run, *options)
    assert result.exit_code == 0, result.output


def resumed(run: Path) -> list[dict[str, float]]:
    """The metrics of a run that is trained for one more epoch, with the loggers that it had."""
    result = netdsl("train", "--resume", run, "--epochs", 2)
    assert result.exit_code == 0, result.output
    return [row.to_json() for row in metrics.read(run)]


def test_csv(trained: Path, tmp_path: Path) -> None:
    train(trained, tmp_path / "run")
    rows = resumed(tmp_path / "run")
    with (tmp_path / "run" / "results.csv").open() as file:
        found = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert found == rows and len(rows) == 2


def test_tensorboard_has_training_and_validation_in_one_chart(trained: Path, tmp_path: Path) -> None:
    accumulator = needed("tensorboard.backend.event_processing.event_accumulator", "tensorboard")
    run = tmp_path / "run"
    train(trained, run, "--log", "tensorboard")
    rows = resumed(run)
    names = {
        "training": {"loss": "loss", "accuracy": "accuracy", "learning rate": "lr"},
        "validation": {"loss": "validation_loss", "accuracy": "validation_accuracy"},
    }
    names["training"]["images per second"] = "images_per_second"
    for part, own in names.items():
        events = accumulator.EventAccumulator(str(run / "tensorboard" / part))
        events.Reload()
        assert set(events.Tags()["scalars"]) == own.keys()
        for tag, name in own.items():
            assert [event.step for event in events.Scalars(tag)] == [1, 2]
            found = [event.value for event in events.Scalars(tag)]
            assert found == pytest.approx([row[name] for row in rows])


def test_mlflow_in_its_database(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = needed("mlflow", "mlflow")
    store = f"sqlite:///{tmp_path / 'store.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    run = tmp_path / "run"
    train(trained, run, "--log", "mlflow")
    rows = resumed(run)
    client = mlflow.MlflowClient(store)
    (found,) = client.search_runs([client.get_experiment_by_name("small").experiment_id])
    assert found.info.status == "FINISHED" and found.info.run_name == "run"
    assert found.data.params["optimizer"].startswith("{'sgd'")
    for name in ("loss", "validation_accuracy", "lr"):
        history = client.get_metric_history(found.info.run_id, name)
        assert {each.step: each.value for each in history} == {1: rows[0][name], 2: rows[1][name]}
    test = json.loads((run / "report.json").read_text())["test_accuracy"]
    assert client.get_metric_history(found.info.run_id, "test_accuracy")[-1].value == test


def test_weights_and_biases_offline(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = needed("wandb", "wandb")
    for name, value in {"MODE": "offline", "DATA_DIR": str(tmp_path), "CACHE_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    run = tmp_path / "run"
    train(trained, run, "--log", "wandb")
    wandb.teardown()  # its server would outlive the test
    id = json.loads((run / "run.json").read_text())["id"]
    (log,) = (run / "wandb").glob(f"offline-run-*/run-{id}.wandb")
    content = log.read_bytes()
    assert b"validation_accuracy" in content and b"test_accuracy" in content


def test_no_logger_any_more(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(trained, run, "--log", "none")
    assert json.loads((run / "how.json").read_text())["log"] == []
    assert netdsl("train", "--resume", run, "--epochs", 2, "--log", "none").exit_code == 0


@pytest.mark.parametrize(
    "name, module", [("tensorboard", "torch.utils.tensorboard"), ("mlflow", "mlflow"), ("wandb", "wandb")]
)
def test_a_missing_extra_is_named(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    result = netdsl("train", trained / "small.net", "--run", tmp_path / "run", "--log", name)
    assert result.exit_code == 1
    assert f'pip install "netdsl[{name}]"' in result.output
    assert not any(tmp_path.iterdir())
    assert f"write `--log {name}`" in netdsl("train", trained / "small.net", f"--{name}").output
