"""Runs that are stopped anywhere, and go on to the very weights of a run that wasn't."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._dynamo  # Optimizers import it, which takes longer than a run here.

from netdsl.commands.shared_networks import compiled_network
from netdsl.runtime import checkpoint, loop, metrics, train
from netdsl.runtime.checkpoint import Checkpoint
from netdsl.runtime.errors import Interrupted, RunError
from netdsl.runtime.run_files import CHECKPOINT, locked
from netdsl.runtime.speed import SpeedRequest
from netdsl.trained.failure import StepFailed
from netdsl.trained.open_run import open_run
from netdsl.training.reproduce import reproduce_run
from netdsl.training.train_run import resume_run, train_run
from tests.support.processes import with_torch
from tests.support.programs import LONGEST
from tests.support.samples import save_image

# Everything that has a state: momentum, running statistics, dropout, an average, augmentation, parts.
NETWORK = """
network stateful
input 1x8x8
classes 10
stem { conv(4, 3), bn, relu }
head { dropout(0.2), flatten, linear(classes) }
train {
  data digits
  epochs 12
  batch 64
  optimizer sgd(lr=0.05, momentum=0.9, nesterov=yes, weight_decay=1e-4)
  schedule cosine(warmup=2)
  augment flip(alternating=yes), crop(1, padding_mode=reflect), cutout(2)
  average ema(decay=0.99)
  accumulate 2
}
"""
FP32 = SpeedRequest(device="cpu", precision="fp32", compile="off")
# What depends on the clock.
CLOCK = {"seconds", "images_per_second"}


@pytest.fixture
def net(tmp_path: Path) -> Path:
    file = tmp_path / "stateful.net"
    file.write_text(NETWORK)
    return file


def begin(net: Path, run: Path, **overrides: str) -> None:
    train_run(compiled_network(str(net), {}, overrides), overrides, "module", run, FP32)


def work(net: Path, run: Path, begun: Any) -> None:
    """A process that trains the run to its end, from its last checkpoint on; it saves often."""
    os.environ["NETDSL_CACHE"] = str(net.parent / "cache")
    torch.set_num_threads(1)
    train.SAVE_EVERY = 0.02
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - until the process ends
    try:
        begun.set()
        if (run / CHECKPOINT).exists():
            resume_run(run, {}, SpeedRequest())
        else:
            begin(net, run)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Python, which ends now, can't be interrupted
    except Interrupted as stopped:
        sys.exit(stopped.status)
    except KeyboardInterrupt:  # Before the training began.
        sys.exit(128 + signal.SIGINT)


def outcome(run: Path) -> tuple[dict[str, torch.Tensor], list[dict[str, Any]]]:
    """All that a run has come to: its checkpoint's tensors, and its metrics."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    tensors = checkpoint.load(run / CHECKPOINT)
    tensors |= {f"last.{n}": t for n, t in checkpoint.load(run / "last.safetensors").items()}
    return tensors, [{k: v for k, v in row.items() if k not in CLOCK} for row in rows]


def assert_same(run: Path, other: Path) -> None:
    (tensors, rows), (others, other_rows) = outcome(run), outcome(other)
    assert rows == other_rows
    assert tensors.keys() == others.keys()
    assert [name for name in tensors if not torch.equal(tensors[name], others[name])] == []


def test_runs_killed_ten_times_end_with_the_same_bits(net: Path, tmp_path: Path) -> None:
    context: Any = with_torch()

    @contextmanager
    def started(run: Path) -> Iterator[Any]:
        begun = context.Event()
        process = context.Process(target=work, args=(net, run, begun))
        process.start()
        try:
            assert begun.wait(LONGEST), "the process hangs"
            yield process
        finally:
            process.kill()
            process.join()

    whole = tmp_path / "whole"
    with started(whole) as process:
        process.join(LONGEST)
        assert process.exitcode == 0
    chance, kills, runs = random.Random(0), 0, 0
    while kills < 10:
        runs += 1
        killed, answers = tmp_path / f"killed {runs}", list[int]()
        while not (killed / "report.json").exists():
            with started(killed) as process:
                # A moment anywhere in it, the reading of data and the writing of files included.
                process.join(0.05 + chance.random())
                how = chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
                # On a slow machine a run might never get further than its start.
                if process.is_alive() and len(answers) < 15:
                    os.kill(process.pid, how)
                    kills += 1
                process.join(LONGEST)
                answers.append(process.exitcode)
                assert process.exitcode in (0, -how, 128 + how), answers
        assert_same(killed, whole)
        # The incomplete files of a killed process are removed.
        assert [file.name for file in killed.glob(".*")] == [".lock"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETDSL_CACHE", str(tmp_path / "cache"))


def stopped(net: Path, run: Path, monkeypatch: pytest.MonkeyPatch, epoch: int = 1, **overrides: str) -> None:
    """A run that got a SIGTERM in the middle of an epoch."""
    seen = loop.train_epoch

    def interrupted(*arguments: Any) -> None:
        train_step, data, progress, look, *others = arguments
        if progress.epoch == epoch:

            def answer(up_to_date: bool) -> bool:
                if progress.steps == 7:
                    os.kill(os.getpid(), signal.SIGTERM)
                return bool(look(up_to_date))

            seen(train_step, data, progress, answer, *others)
        else:
            seen(*arguments)

    with monkeypatch.context() as patched, pytest.raises(Interrupted):
        patched.setattr(train, "train_epoch", interrupted)
        begin(net, run, **overrides)


@pytest.mark.usefixtures("cache")
def test_a_recipe_of_parts_and_groups_is_resumed(
    net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whitening, whole batches, a part of an epoch, groups with an end, and a share that changes."""
    text = NETWORK.replace("conv(4, 3)", "first: conv(4, 3)")
    net.write_text(text + "init { first whiten(images=100) }\n")
    recipe = {
        "epochs": "2.4",
        "drop_last": "yes",
        "schedule": "onecycle(warmup=0.5, start=0.2, end=0.1)",
        "average": "lookahead(every=3, alpha=0.3, power=2, statistics=yes)",
        "groups": 'norms(lr_factor=4, decay_factor=0.25), part("head", epochs=2), biases(epochs=1)',
        "tta": "translate",
    }
    begin(net, tmp_path / "whole", **recipe)
    stopped(net, tmp_path / "run", monkeypatch, 1, **recipe)
    resume_run(tmp_path / "run", {}, SpeedRequest())
    assert_same(tmp_path / "whole", tmp_path / "run")
    assert len(outcome(tmp_path / "run")[1]) == 3


@pytest.mark.usefixtures("cache")
def test_what_a_resumed_run_may_change(
    net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    stopped(net, run, monkeypatch, epochs="2")
    for key, value in (
        ("seed", "1"),
        ("validation", "10"),
        ("average", "none"),
        ("optimizer", "adam(lr=1e-3)"),
        ("optimizer", "sgd(lr=0.1)"),
    ):
        with pytest.raises(RunError, match=f"can't change its `{key}`"):
            resume_run(run, {key: value}, SpeedRequest())
    with pytest.raises(RunError, match="not those that the run"):
        resume_run(run, other_data(tmp_path), SpeedRequest())
    capsys.readouterr()
    report = resume_run(
        run, {"epochs": "3", "batch": "100", "optimizer.lr": "0.02"}, SpeedRequest(precision="bf16")
    )
    said = capsys.readouterr().out
    assert "resumed at epoch 2, image 448 of 1,294" in said
    for word in ("epochs 2 -> 3", "batch 64 -> 100", "precision fp32 -> bf16: from here on numbers round"):
        assert f"changed: {word}" in said
    assert report.epochs == 3
    rows = metrics.read(run)
    assert [row.epoch for row in rows] == [1, 2, 3]
    record = json.loads((run / "run.json").read_text())
    assert record["recipe"]["batch"] == 100 and len(record["changes"]) == 4
    with pytest.raises(RunError, match="was changed when it was resumed"):
        reproduce_run(run, tmp_path / "again")
    with pytest.raises(RunError, match="is complete, with 3 epochs") as raised:
        resume_run(run, {}, SpeedRequest())
    assert "--epochs 6" in raised.value.help


@pytest.mark.usefixtures("cache")
def test_muon_of_other_versions_is_not_gone_on_with(
    net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    stopped(net, run, monkeypatch, epochs="2", optimizer="muon(lr=0.01)")
    found = Checkpoint.read(run / CHECKPOINT)
    record = found.facts["record"]
    assert isinstance(record, dict)
    record["versions"]["netdsl"] = "0.4.0"
    found.write(run / CHECKPOINT)
    before = {path: path.read_bytes() for path in run.iterdir() if path.is_file()}
    with pytest.raises(
        RunError, match="began with netdsl 0.4.0, whose `muon` trained the first layer"
    ) as raised:
        resume_run(run, {}, SpeedRequest())
    assert raised.value.help == "resume with that version, or start a new run"
    assert before == {path: path.read_bytes() for path in run.iterdir() if path.is_file()}
    record["versions"]["netdsl"] = "0.5.0"
    found.write(run / CHECKPOINT)
    assert resume_run(run, {}, SpeedRequest()).epochs == 2


def other_data(tmp_path: Path) -> dict[str, str]:
    """Another data set of ten classes, as an override."""
    for label in range(10):
        for i in range(150):
            save_image(tmp_path / "other" / str(label) / f"{i}.png", (label, i, 0), 8)
    return {"data": f'folder("{tmp_path / "other"}")'}


@pytest.mark.usefixtures("cache")
def test_a_run_is_trained_again_from_its_record(
    net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    stopped(net, run, monkeypatch, epochs="2")
    with pytest.raises(RunError, match="isn't complete"):
        reproduce_run(run, tmp_path / "early")
    resume_run(run, {}, SpeedRequest())
    net.unlink()  # The record needs no other file.
    (run / "run.json").unlink()
    assert reproduce_run(run, tmp_path / "again")
    assert "the same weights" in capsys.readouterr().out
    assert_same(tmp_path / "again", run)

    # One of the first run's weights is another.
    found = Checkpoint.read(run / CHECKPOINT)
    next(iter(found.part("model").values())).view(-1)[0] += 1
    found.write(run / CHECKPOINT)
    assert not reproduce_run(run, tmp_path / "third")
    assert "other weights" in (said := capsys.readouterr().out)
    assert ": 1 of " in said and "by at most 1\n" in said


@pytest.mark.usefixtures("cache")
def test_damaged_and_foreign_checkpoints(net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    stopped(net, run, monkeypatch, epochs="2")
    file = run / CHECKPOINT
    whole = file.read_bytes()

    def refused(content: bytes, message: str) -> None:
        file.write_bytes(content)
        with pytest.raises(RunError, match=message) as raised:
            resume_run(run, {}, SpeedRequest())
        assert raised.value.help
        assert file.read_bytes() == content

    flipped = bytearray(whole)
    flipped[-5] ^= 1
    refused(bytes(flipped), "is damaged: its checksum differs")
    refused(whole[:-1], "is damaged")
    refused(b"", "is damaged")
    refused(b"PK\x03\x04 a pickle in a zip", "is damaged")
    refused((run / CHECKPOINT).with_name("network.net").read_bytes(), "is damaged")
    weights = tmp_path / "weights.safetensors"
    checkpoint.save(weights, {"a": torch.zeros(3)})
    refused(weights.read_bytes(), "is not a checkpoint of this version")
    file.unlink()
    for missing in (run, tmp_path / "nowhere"):
        with pytest.raises(RunError, match="there is no checkpoint"):
            resume_run(missing, {}, SpeedRequest())
    assert not (tmp_path / "nowhere").exists()
    file.write_bytes(whole)
    resume_run(run, {}, SpeedRequest())


@pytest.mark.usefixtures("cache")
def test_a_run_in_use_is_left_alone(net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    stopped(net, run, monkeypatch, epochs="2")
    before = {file.name: file.read_bytes() for file in run.iterdir()}
    with locked(run):
        with pytest.raises(RunError, match="another process trains in"):
            resume_run(run, {}, SpeedRequest())
        with pytest.raises(RunError, match="already holds a run"):
            begin(net, run)
    assert {file.name: file.read_bytes() for file in run.iterdir()} == before


@pytest.mark.usefixtures("cache")
def test_a_full_disk_leaves_the_checkpoint_before(
    net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    begin(net, whole, epochs="3")
    content, written = checkpoint._content, 0

    def full(tensor: torch.Tensor) -> memoryview | bytes:
        nonlocal written
        written += 1
        if written == 60:  # In the second epoch.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return content(tensor)

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "_content", full)
        with pytest.raises(RunError, match="No space left on device") as raised:
            begin(net, run, epochs="3")
    assert "the files saved before are intact" in raised.value.help
    resume_run(run, {}, SpeedRequest())
    assert_same(run, whole)


@pytest.mark.usefixtures("cache")
def test_a_folder_that_cannot_be_written(net: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="can't be written"):
        begin(net, tmp_path / "file" / "run")


def test_a_full_disk_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mkdir(*_: object, **__: object) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with pytest.raises(RunError) as raised, locked(tmp_path / "run"):
        pass
    assert raised.value.help == "free disk space, or choose another folder: `--run`"


@pytest.mark.usefixtures("cache")
def test_a_run_killed_before_its_first_checkpoint_is_started_again(net: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    begin(net, run, epochs="1")
    for file in run.iterdir():
        if file.name not in ("run.json", "network.net"):
            file.unlink()
    begin(net, run, epochs="1")
    # A file of the user's own stays.
    other = tmp_path / "other"
    other.mkdir()
    (other / "network.net").write_text("mine")
    with pytest.raises(RunError, match="already holds a network.net"):
        begin(net, other, epochs="1")
    assert [file.name for file in other.iterdir() if file.suffix] == ["network.net"]


@pytest.mark.usefixtures("cache")
def test_a_strangers_record_writes_nothing_elsewhere(
    net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "runs" / "strange"
    stopped(net, run, monkeypatch, epochs="2")
    found = Checkpoint.read(run / CHECKPOINT)
    record: Any = found.facts["record"]
    record["network"], record["code"] = "../../escaped", "print('stranger')"
    found.write(run / CHECKPOINT)
    resume_run(run, {}, SpeedRequest())
    assert not (tmp_path / "escaped.py").exists()
    assert not [file for file in run.glob("*.py") if "stranger" in file.read_text()]


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("position", "epoch"), "x"),
        (("position", "seen"), 99_999),
        (("how", "precision"), "fp7"),
        (("how", "device"), "meta"),
        (("rows",), [{"epoch": 1}]),
        (("record", "style"), "none"),
        (("record", "text"), 3),
    ],
)
def test_facts_that_cannot_be(
    place: tuple[str, ...], value: object, net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    stopped(net, run, monkeypatch, epochs="2")
    found = Checkpoint.read(run / CHECKPOINT)
    facts: Any = found.facts
    for key in place[:-1]:
        facts = facts[key]
    facts[place[-1]] = value
    found.write(run / CHECKPOINT)
    before = (run / CHECKPOINT).read_bytes()
    with pytest.raises(RunError):
        resume_run(run, {}, SpeedRequest())
    assert (run / CHECKPOINT).read_bytes() == before


@pytest.mark.usefixtures("cache")
def test_another_runs_checkpoint_is_refused(net: Path, tmp_path: Path) -> None:
    for name in ("one", "other"):
        begin(net, tmp_path / name, epochs="1")
    shutil.copy(tmp_path / "one" / CHECKPOINT, tmp_path / "other")
    with pytest.raises(RunError, match="is of another run than"):
        resume_run(tmp_path / "other", {"epochs": "2"}, SpeedRequest())


@pytest.mark.usefixtures("cache")
def test_what_a_resumed_run_was_told_is_kept_at_once(
    net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    begin(net, run, epochs="1")

    def killed(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(Interrupted, match="all of it is saved"):
        patched.setattr(train, "train_epoch", killed)
        resume_run(run, {"epochs": "3", "optimizer.lr": "0.01"}, SpeedRequest())
    assert not (run / "report.json").exists()  # It was of one epoch.
    assert resume_run(run, {}, SpeedRequest()).epochs == 3
    assert json.loads((run / "run.json").read_text())["recipe"]["optimizer"]["sgd"]["lr"] == 0.01


def test_batch_norm_on_one_image_is_explained(net: Path, tmp_path: Path, cache: None) -> None:
    net.write_text(NETWORK.replace("stem { conv(4, 3), bn, relu }", "stem { flatten, linear(4), bn, relu }"))
    with pytest.raises(StepFailed, match="statistics of a single image") as raised:
        begin(net, tmp_path / "run", batch="8", accumulate="8", epochs="1")
    assert "--accumulate" in raised.value.diagnostics[0].help_text


def test_a_run_of_a_variant_is_of_its_values(net: Path, tmp_path: Path) -> None:
    text = net.read_text().replace("network stateful", "network stateful(rate=0.2)\nvariant strict(rate=0.5)")
    net.write_text(text.replace("dropout(0.2)", "dropout(rate)"))
    overrides = {"epochs": "1", "images": "128"}
    run = tmp_path / "run"
    compiled = compiled_network(str(net), {"variant": "strict"}, overrides)
    train_run(compiled, overrides, "module", run, FP32)
    opened = open_run(run)
    assert opened.title == opened.network.name == "strict"
    assert dict(opened.network.parameters) == {"rate": Fraction(1, 2)}


# Recipes whose steps depend on more than the seed, the epoch and the images.
EXACT: dict[str, dict[str, str]] = {
    "plateau and best epochs": {
        "schedule": "plateau(factor=0.5, patience=0)",
        "optimizer": "sgd(lr=2)",
        "clip": "0.5",
        "keep": "best(1)",
        "patience": "5",
    },
    "balanced classes": {"sampling": "balanced", "loss": "focal(weights=balanced)"},
    "mixed images": {
        "augment": "rotate, resize_crop(low=0.5), erase, jitter(hue=0.2), rand_augment, mixup, cutmix"
    },
    "fine-tuning": {"weights": '"first"', "freeze": "stem", "lr_factor": "0.1"},
}


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("recipe", EXACT.values(), ids=EXACT)
def test_every_recipe_goes_on_bit_for_bit(
    recipe: dict[str, str], net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    whole, run = tmp_path / "whole", tmp_path / "run"
    common = {"epochs": "3", "images": "640"}
    begin(net, tmp_path / "first", **common | {"epochs": "1"})
    begin(net, whole, **common, **recipe)
    stopped(net, run, monkeypatch, 1, **common, **recipe)
    shutil.rmtree(tmp_path / "first")  # A resumed run needs no other file.
    resume_run(run, {}, SpeedRequest())
    assert_same(run, whole)
