"""`netdsl tune`: a search for the best candidate of a space, with Optuna.

A candidate is a network with values for some parameters and keys of its recipe. It is compiled before
anything is trained, and refused if it has errors, such as an `expect` that doesn't hold. The study is a
database in the folder of the search, so that several processes work on one, and a killed one goes on: the
run of a killed process is resumed from its checkpoint by the next that comes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from filelock import FileLock, Timeout
from rich.console import Console

from netdsl.compiler import Compiled, compile_network
from netdsl.diagnostics.network_error import NetworkError
from netdsl.network import CompiledNetwork
from netdsl.runtime import report
from netdsl.runtime.callback import Callback
from netdsl.runtime.console import say, user_console
from netdsl.runtime.errors import Diverged, RunError
from netdsl.runtime.extras import require_extra
from netdsl.runtime.metrics import METRICS, Metrics
from netdsl.runtime.plot import drawn_if_possible
from netdsl.runtime.run_files import CHECKPOINT
from netdsl.runtime.silence import silenced
from netdsl.runtime.speed import SpeedRequest
from netdsl.runtime.storage import read_json, write_atomic, write_json
from netdsl.syntax.net_files import recorded
from netdsl.trained.run_settings import NETWORK_FILE, RUN_FILE
from netdsl.training.dataset_cache import DatasetCache
from netdsl.training.plan import Entry
from netdsl.training.search_space import SETTING, Choice, Range, Space
from netdsl.training.train_run import Watchers, resume_run, train_run
from netdsl.training.tuned_file import tuned_text

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial, TrialState

SEARCH, STUDY, BEST, FRONT = "search.json", "study.db", "best.net", "front.png"
Sampler: TypeAlias = Literal["tpe", "random", "grid"]
Pruner: TypeAlias = Literal["median", "hyperband", "none"]
# A search ends when so many candidates in a row are refused.
_MOST_REFUSED = 1000


@dataclass(frozen=True, slots=True)
class Search:
    """A search, as `search.json` keeps it. Numbers of a range that are not whole have three digits."""

    entry: Entry
    ranges: dict[str, Range]
    choices: dict[str, list[str]]
    sampler: Sampler
    pruner: Pruner
    request: SpeedRequest

    @property
    def space(self) -> Space:
        choices = {name: Choice(tuple(texts)) for name, texts in self.choices.items()}
        return {**self.ranges, **choices}

    @staticmethod
    def of(
        compiled: Compiled,
        overrides: Mapping[str, str],
        space: Space,
        sampler: Sampler,
        pruner: Pruner,
        request: SpeedRequest,
    ) -> Search:
        ranges = {name: found for name, found in space.items() if isinstance(found, Range)}
        choices = {name: list(found.texts) for name, found in space.items() if isinstance(found, Choice)}
        entry = Entry.of("candidate", compiled, overrides, 1)
        return Search(entry, ranges, choices, sampler, pruner, request)

    def require_names(self) -> None:
        """Raises NetworkError if a name of the space is unknown, or a first value of it is not valid."""
        first = {
            name: found.low if isinstance(found, Range) else found.texts[0]
            for name, found in self.space.items()
        }
        whole = {name: int(found.low) for name, found in self.ranges.items() if found.whole}
        compiled, _ = self.candidate({**first, **whole})
        of_options = [e for e in compiled.errors if any(label.span.source.is_option for label in e.labels)]
        if of_options:
            raise NetworkError(of_options)

    def candidate(self, values: Mapping[str, object]) -> tuple[Compiled, dict[str, str]]:
        """The network with values of the space, and the overrides of its recipe."""
        from netdsl.base.source import Source

        texts = {n: f"{v:.3g}" if isinstance(v, float) else str(v) for n, v in values.items()}
        settings = {
            name.removeprefix(SETTING): text for name, text in texts.items() if name.startswith(SETTING)
        }
        overrides = {name: text for name, text in texts.items() if not name.startswith(SETTING)}
        overrides = {**self.entry.overrides, **overrides}
        source = Source(self.entry.file, self.entry.text)
        settings = {**self.entry.settings, **settings}
        return compile_network(source, settings, overrides, recorded(self.entry.used, "search")), overrides


@dataclass(frozen=True, slots=True)
class Candidate:
    """A finished trial: its number, values and results. `score` is the best one on validation images."""

    number: int
    values: dict[str, object]
    score: float
    parameters: int
    macs: int


@dataclass(frozen=True, slots=True)
class Tuned:
    """The result of a search so far; `candidates` are sorted, the best first. `front` are the numbers of
    those that no other one beats in score and parameters. `refused` were not trained; `refusing` is the time
    for that, in seconds.
    """

    metric: str
    candidates: list[Candidate]
    pruned: int
    failed: int
    refused: int
    refusing: float

    @property
    def front(self) -> set[int]:
        points = {(each.parameters, each.score): each.number for each in reversed(self.candidates)}
        return {points[point] for point in pareto(points)}


def pareto(points: Iterable[tuple[int, float]]) -> list[tuple[int, float]]:
    """The points (size, score) that no smaller one has the score of, the smallest first."""
    front: list[tuple[int, float]] = []
    for size, score in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or score > front[-1][1]:
            front.append((size, score))
    return front


def tune(search: Search, folder: Path, trials: int) -> Tuned:
    """Searches in a folder until its study has so many complete, pruned or failed trials; continues that of
    the folder. Raises RunError, NetworkError, and Interrupted when it is stopped.
    """
    require_extra("tune", "optuna", "Optuna", "netdsl tune")
    search.require_names()
    console = user_console()
    with _opened(folder):
        before = read_json(folder / SEARCH, Search)
        if before is None:
            write_json(folder / SEARCH, asdict(search))
        elif before != search:
            raise RunError(
                f"{folder} holds another search",
                f"continue it with `--resume {folder}`, or name another `--run`",
            )
        study = _study(search, folder)
    return _Tuning(search, folder, study, console).run(trials)


def resume(folder: Path, trials: int) -> Tuned:
    """Continues the search of a folder. Raises the errors of `tune`."""
    search = read_json(folder / SEARCH, Search)
    if search is None:
        raise RunError(f"there is no {folder / SEARCH}", "name the folder of a search")
    return tune(search, folder, trials)


@contextmanager
def _opened(folder: Path) -> Iterator[None]:
    """Within the block, other processes wait: files of the search are made once."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".search.lock"):
            yield
    except OSError as error:
        raise RunError(f"{folder} can't be written: {error.strerror or error}") from error


def _study(search: Search, folder: Path) -> Study:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    seed = search.entry.seeds[0]
    samplers = optuna.samplers
    sampler: Any = {"tpe": samplers.TPESampler, "random": samplers.RandomSampler}.get(search.sampler)
    if search.sampler == "grid":
        if search.ranges:
            name = next(iter(search.ranges)).removeprefix(SETTING)
            raise RunError(
                f"a grid needs choices, and `{name}` has a range", f"list its values: `{name}=8,16,32`"
            )
        chosen = samplers.GridSampler(search.choices, seed=seed)
    else:
        # Processes that draw with one seed would try the same candidates.
        alone = not (folder / STUDY).exists()
        with silenced():
            chosen = sampler(seed=seed if alone else None)
    pruners: dict[str, Any] = {
        "median": optuna.pruners.MedianPruner,
        "hyperband": optuna.pruners.HyperbandPruner,
        "none": optuna.pruners.NopPruner,
    }
    return optuna.create_study(
        storage=f"sqlite:///{folder / STUDY}",
        study_name="netdsl",
        direction="maximize",
        sampler=chosen,
        pruner=pruners[search.pruner](),
        load_if_exists=True,
    )


class _Tuning:
    """The work of one process on a study."""

    def __init__(self, search: Search, folder: Path, study: Study, console: Console) -> None:
        self._search, self._folder, self._study, self._console = search, folder, study, console
        self._inputs = DatasetCache()
        self._distributions = {name: domain.distribution() for name, domain in search.space.items()}

    def run(self, trials: int) -> Tuned:
        refused = 0
        while refused < _MOST_REFUSED and (claimed := self._claimed(trials)):
            trial, lock = claimed
            with lock:
                if self._refused(trial):
                    refused += 1
                else:
                    refused = 0
                    self._train(trial)
            if self._search.sampler == "grid" and self._exhausted():
                break
        found = self._tuned()
        if not found.candidates and refused >= _MOST_REFUSED:
            raise RunError(
                f"{_MOST_REFUSED:,} candidates in a row were refused: {self._last_reason()}",
                "widen the space, or relax the `expect` lines of the file",
            )
        self._write(found)
        return found

    def _claimed(self, trials: int) -> tuple[Trial, AbstractContextManager[object]] | None:
        """The next trial, with a lock that ends with this process; None if there are enough.

        It is one of a process that was killed, so that nobody holds its lock, or a new one. Processes claim
        one after the other.
        """
        from optuna.trial import Trial, TrialState

        with _opened(self._folder):
            for frozen in self._study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
                with suppress(Timeout):
                    lock = self._lock(frozen.number)
                    return Trial(self._study, frozen._trial_id), lock
            if self._trained() >= trials:
                return None
            trial = self._study.ask(self._distributions)
            return trial, self._lock(trial.number)

    def _lock(self, number: int) -> AbstractContextManager[object]:
        """Locks a trial for this process. Raises Timeout if another one has it."""
        return FileLock(self._folder / f".trial-{number:04}.lock").acquire(timeout=0)

    def _exhausted(self) -> bool:
        from optuna.samplers import GridSampler

        sampler = self._study.sampler
        return isinstance(sampler, GridSampler) and sampler.is_exhausted(self._study)

    def _trained(self) -> int:
        """The number of trials of all processes that were trained, or are being trained."""
        return sum("refused" not in trial.user_attrs for trial in self._study.get_trials(deepcopy=False))

    def _refused(self, trial: Trial) -> bool:
        """Compiles the candidate; refuses one with errors."""
        from optuna.trial import TrialState

        started = time.perf_counter()
        compiled, _ = self._search.candidate(trial.params)
        if not compiled.errors:
            network = CompiledNetwork(compiled)
            trial.set_user_attr("parameters", network.parameters_count)
            trial.set_user_attr("macs", network.macs)
            return False
        trial.set_user_attr("refused", compiled.errors[0].message)
        trial.set_user_attr("seconds", time.perf_counter() - started)
        self._tell(trial, state=TrialState.PRUNED)
        return True

    def _tell(self, trial: Trial, value: float | None = None, state: TrialState | None = None) -> None:
        with suppress(RuntimeError):  # a grid that is exhausted would stop a loop of Optuna's own
            self._study.tell(trial, value, state)

    def _last_reason(self) -> str:
        return str(self._study.get_trials(deepcopy=False)[-1].user_attrs.get("refused", ""))

    def _run(self, number: int) -> Path:
        return self._folder / f"trial-{number:04}"

    def _train(self, trial: Trial) -> None:
        """Trains a candidate from the start, or from the checkpoint of the process that had it before."""
        from optuna import TrialPruned
        from optuna.trial import TrialState

        run, search = self._run(trial.number), self._search
        compiled, overrides = search.candidate(trial.params)
        values = ", ".join(f"{name.removeprefix(SETTING)}={value}" for name, value in trial.params.items())
        say(self._console, f"trial {trial.number}: {values}")
        watchers = Watchers(callbacks=[_Reporting(trial)], quiet=True)
        try:
            if (run / CHECKPOINT).exists():
                done = report.read(run) or resume_run(
                    run, {}, search.request, watchers=watchers, inputs=self._inputs
                )
            else:
                for name in (
                    NETWORK_FILE,
                    RUN_FILE,
                ):  # of a process that was killed before its first checkpoint
                    (run / name).unlink(missing_ok=True)
                done = train_run(
                    compiled, overrides, "module", run, search.request, watchers=watchers, inputs=self._inputs
                )
        except TrialPruned:
            self._tell(trial, state=TrialState.PRUNED)
            say(self._console, "  pruned")
            return
        except Diverged as error:
            trial.set_user_attr("failed", str(error))
            self._tell(trial, state=TrialState.FAIL)
            say(self._console, f"  failed: {error}")
            return
        if done.validation_score is None:
            raise RunError(
                "candidates are compared by their validation images, and there are none",
                "remove `validation 0` from the recipe",
            )
        trial.set_user_attr("metric", done.metric)
        self._tell(trial, done.validation_score)
        size = f"{trial.user_attrs['parameters']:,} parameters"
        say(self._console, f"  validation {METRICS[done.metric]} {done.validation_score:.2%}, {size}")

    def _tuned(self) -> Tuned:
        from optuna.trial import TrialState

        trials = self._study.get_trials(deepcopy=False)
        complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
        refused = [trial for trial in trials if "refused" in trial.user_attrs]
        states = [trial.state for trial in trials]
        return Tuned(
            next((trial.user_attrs["metric"] for trial in complete), "accuracy"),
            sorted(map(_candidate, complete), key=lambda each: (-each.score, each.parameters)),
            states.count(TrialState.PRUNED) - len(refused),
            states.count(TrialState.FAIL),
            len(refused),
            sum(trial.user_attrs.get("seconds", 0.0) for trial in refused),
        )

    def _write(self, found: Tuned) -> None:
        """Writes the best file and the picture of the front."""
        if not found.candidates:
            return
        best = found.candidates[0]
        text = tuned_text(*self._search.candidate(best.values), self._folder)
        write_atomic(self._folder / BEST, text.encode())
        with drawn_if_possible(self._console):
            draw_front(found, self._folder / FRONT)


class _Reporting(Callback):
    """Tells the study of a trial's epochs, and ends the trial where its pruner says so."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def epoch(self, row: Metrics) -> None:
        from optuna import TrialPruned

        if row.validation_score is None:
            return
        with suppress(Exception):  # the step of a resumed run is there already
            self._trial.report(row.validation_score, int(row.epoch))
        if self._trial.should_prune():
            raise TrialPruned


def _candidate(trial: FrozenTrial) -> Candidate:
    assert trial.value is not None
    facts = trial.user_attrs
    return Candidate(trial.number, dict(trial.params), trial.value, facts["parameters"], facts["macs"])


def draw_front(found: Tuned, file: Path) -> None:
    """Draws the candidates' scores over their numbers of parameters and of MACs, and the fronts. Raises
    RunError.
    """
    from netdsl.runtime.plot import drawing, write_figure

    with drawing(file):
        from matplotlib.figure import Figure
        from matplotlib.ticker import PercentFormatter

        figure = Figure(figsize=(9, 4), dpi=120, layout="constrained")
        for axes, (name, label) in zip(
            figure.subplots(1, 2, sharey=True),
            {"parameters": "parameters", "macs": "MACs"}.items(),
            strict=True,
        ):
            points = [(getattr(each, name), each.score) for each in found.candidates]
            front = pareto(points)
            axes.scatter(*zip(*points, strict=True), s=18, alpha=0.5, linewidths=0, label="candidates")
            axes.step(
                *zip(*front, strict=True),
                where="post",
                marker="o",
                markersize=4,
                color="C1",
                label="Pareto front",
            )
            axes.set(xscale="log", xlabel=label)
            axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
            axes.grid(alpha=0.3)
            axes.label_outer()
        figure.axes[0].set_ylabel(f"validation {METRICS[found.metric]}")
        figure.axes[0].legend(loc="lower right")
        write_figure(figure, file)
