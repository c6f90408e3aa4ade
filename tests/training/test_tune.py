"""`netdsl tune`: spaces, refused candidates, a killed search that goes on, and the best file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import netdsl
from netdsl.runtime.run_files import CHECKPOINT
from netdsl.training import tune
from netdsl.training.search_space import Choice, NoDomain, Range, domain
from netdsl.training.tune import pareto
from tests.support.commands import netdsl as command
from tests.support.programs import LONGEST, started, wait_until

optuna = pytest.importorskip("optuna", reason='needs the extra: pip install "netdsl[tune]"')

NETWORK = """\
network wide(width=2, depth=1)
input 1x8x8
classes 10
default conv(bias=no)
layers { repeat depth { conv(width, 3), bn, relu }, flatten, linear(classes) }
expect params < 4000
train {
  data digits
  images 100
  epochs 1
}
"""
SPACE = ("--set", "width=2..16", "--set", "depth=1,2", "--optimizer.lr", "1e-3..1e-1")


@pytest.fixture
def file(place: Path) -> Path:
    path = place / "wide.net"
    path.write_text(NETWORK)
    return path


@pytest.mark.parametrize(
    "text, found",
    [
        ("8..32", Range(8, 32, True)),
        ("1e-3..1e-1", Range(1e-3, 1e-1, False)),
        ("0.0..0.5", Range(0, 0.5, False)),
        ("20,32, 44", Choice(("20", "32", "44"))),
        ("step(at=[6, 8]), cosine", Choice(("step(at=[6, 8])", "cosine"))),
        ("sgd(lr=0.1, momentum=0.9)", None),
        ("8", None),
    ],
)
def test_domains(text: str, found: object) -> None:
    assert domain(text) == found


@pytest.mark.parametrize("text", ["3..1", "a..b", "1,1", "1,,2"])
def test_what_is_no_domain(text: str) -> None:
    with pytest.raises(NoDomain):
        domain(text)


def test_logarithmic_from_a_decade_on() -> None:
    assert Range(1, 10, True).logarithmic
    assert not Range(1, 9, True).logarithmic and not Range(0, 1, False).logarithmic


def test_a_search(file: Path) -> None:
    result = command("tune", file, "--trials", 4, *SPACE, "--run", "search")
    assert result.exit_code == 0, result.output
    study = optuna.load_study(study_name="netdsl", storage="sqlite:///search/study.db")
    refused = [trial for trial in study.trials if "refused" in trial.user_attrs]
    trained = [trial for trial in study.trials if trial not in refused]
    assert len(trained) == 4
    assert f"; {len(refused)} refused by the compiler" in result.output
    for trial in study.trials:
        settings = {name.removeprefix("set."): value for name, value in trial.params.items()}
        lr = settings.pop("optimizer.lr")
        assert 1e-3 <= lr <= 1e-1
        compiled = netdsl.check(NETWORK, width=int(settings["width"]), depth=int(settings["depth"]))
        assert compiled.ok == (trial not in refused)
        assert Path(f"search/trial-{trial.number:04}").exists() == (trial not in refused)
    best = netdsl.load("search/best.net")
    run = netdsl.open(f"search/trial-{study.best_trial.number:04}")
    assert best.recipe == run.network.recipe
    assert best.parameters == run.network.parameters
    assert Path("search/front.png").read_bytes().startswith(b"\x89PNG")


def test_a_killed_search_goes_on(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def killed(self: object, row: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(tune._Reporting, "epoch", killed)
        command("tune", file, "--trials", 2, *SPACE, "--epochs", 2, "--run", "search")
    (begun,) = Path("search").glob("trial-*")
    assert (begun / CHECKPOINT).exists() and not (begun / "report.json").exists()
    result = command("tune", "--resume", "search", "--trials", 2)
    assert result.exit_code == 0, result.output
    assert (begun / "report.json").exists()
    assert "2 trained, 0 pruned, 0 failed" in result.output
    assert command("tune", "--resume", "search", "--trials", 2).output.splitlines()[-4:]
    assert len(list(Path("search").glob("trial-*"))) == 2


def test_two_processes_share_a_search_and_one_is_killed(file: Path) -> None:
    options = ("--trials", "4", *SPACE, "--epochs", "3", "--run", "search", "--device", "cpu")
    line = [sys.executable, "-m", "netdsl", "tune", str(file), *options, "--compile", "off"]
    one_thread = {"OMP_NUM_THREADS": "1"}
    with (
        started(line, one_thread, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as survivor,
        started(line, one_thread, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as killed,
    ):
        # Both have begun; from here on one of them works alone.
        wait_until(lambda: len(list(Path("search").glob("trial-*/checkpoint.safetensors"))) >= 2)
        killed.kill()
        output, _ = survivor.communicate(timeout=LONGEST)
    assert survivor.returncode == 0, output
    study = optuna.load_study(study_name="netdsl", storage="sqlite:///search/study.db")
    trained = [trial for trial in study.trials if "refused" not in trial.user_attrs]
    assert [trial.state.name for trial in trained] == ["COMPLETE"] * 4
    assert "4 trained, 0 pruned, 0 failed" in output
    assert len({str(trial.params) for trial in trained}) == 4
    reports = [path.parent.name for path in Path("search").glob("trial-*/report.json")]
    assert sorted(reports) == [f"trial-{trial.number:04}" for trial in trained]
    assert netdsl.load("search/best.net").parameters_count < 4000


def test_processes_claim_different_trials(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial that was claimed, and whose training has not yet begun, is not taken from its process."""
    claimed: list[int] = []
    refused = tune._Tuning._refused

    def asked(self: tune._Tuning, trial: Any) -> bool:
        claimed.append(trial.number)
        if len(claimed) == 1:  # Another process, while this one compiles its candidate.
            tune.resume(Path("search"), 2)
        return refused(self, trial)

    monkeypatch.setattr(tune._Tuning, "_refused", asked)
    space = ("--set", "width=2..4")
    assert command("tune", file, "--trials", 2, *space, "--run", "search").exit_code == 0
    assert claimed == [0, 1]


def test_a_grid_ends_by_itself(file: Path) -> None:
    options = ("--sampler", "grid", "--trials", 99, "--set", "width=2,3", "--set", "depth=1,99")
    result = command("tune", file, *options, "--run", "search")
    assert result.exit_code == 0, result.output
    assert "2 trained, 0 pruned, 0 failed; 2 refused by the compiler" in result.output


def test_wrong_searches(file: Path) -> None:
    for options, message in {
        ("--set", "width=3"): "there is nothing to search",
        ("--set", "width=9..3"): "is empty",
        ("--set", "width=3..4", "--sampler", "grid"): "a grid needs choices",
        ("--set", "breadth=3,4"): "breadth",
        ("--resume", "nowhere"): "there is no nowhere/search.json",
    }.items():
        files = [] if "--resume" in options else [file]
        result = command("tune", *files, *options, "--run", "x")
        assert result.exit_code in (1, 2) and message in result.output, result.output


def test_the_front() -> None:
    points = [(10, 0.5), (20, 0.4), (30, 0.9), (30, 0.8), (40, 0.9), (5, 0.1)]
    assert pareto(points) == [(5, 0.1), (10, 0.5), (30, 0.9)]


def test_the_best_file_has_what_was_found(place: Path) -> None:
    from netdsl.base.source import Source
    from netdsl.compiler import compile_network
    from netdsl.training.tuned_file import tuned_text

    Path("blocks.net").write_text("block b(out) { conv(out, 3), relu }\n")
    text = 'use "blocks.net"\nnetwork a(n=2, half=0.5)\nvariant big(n=4)\ninput 1x8x8\nclasses 10\n'
    text += "layers { b(n), dropout(half), flatten, linear(classes) }\n"
    settings, overrides = {"variant": "big", "half": "0.25", "input": "1x6x6"}, {"optimizer.lr": "0.3"}
    candidate = compile_network(Source("a.net", text), settings, overrides)
    Path("deep").mkdir()
    Path("deep/best.net").write_text(tuned_text(candidate, overrides, Path("deep")))
    found = netdsl.load("deep/best.net")
    original = netdsl.Network(candidate)
    assert (found.parameters, found.recipe) == (original.parameters, original.recipe)
    assert found.input_shape == (1, 6, 6) and found.parameters_count == original.parameters_count
