"""`netdsl report`: one page of a run, with its figures and pictures; it needs no other file."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from rich.console import Console

from netdsl.base.document import Table, document_html
from netdsl.base.printing import printable
from netdsl.base.resources import TEMPLATES
from netdsl.graph import theme
from netdsl.graph.render_picture import TooLarge, render_picture
from netdsl.inspect.run_pictures import draw_pictures
from netdsl.language.recipe import KEYS
from netdsl.language.recipe_text import recipe_text
from netdsl.runtime import metrics, plot, report
from netdsl.runtime.errors import RunError
from netdsl.runtime.metrics import METRICS, SCORES
from netdsl.runtime.run_files import HOW
from netdsl.runtime.storage import read_json, write_atomic
from netdsl.summary.measure import measure
from netdsl.trained.evaluate import Evaluation
from netdsl.trained.open_run import OpenedRun, open_run

PAGE = "report.html"


class Section(NamedTuple):
    """A part of the page: text and tables as HTML, and pictures as data URLs by their descriptions."""

    title: str
    html: str = ""
    pictures: tuple[tuple[str, str], ...] = ()


def write_report(folder: Path, page: Path, device: str, console: Console) -> list[str]:
    """Writes the page of a run, and returns what it lacks: without the run's data, what is computed from
    images. Raises RunError and NetworkError.
    """
    from jinja2 import Environment, FileSystemLoader

    run, missing = open_run(folder), list[str]()
    sections = [*_training(run), *_network(run)]
    try:
        sections += _images(run, device, console)
    except RunError as error:
        missing.append(str(error))
    sections += _record(run)
    layout = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True).get_template("report.html.j2")
    html = layout.render(
        title=printable(run.title), folder=printable(folder.name), sections=sections, theme=theme
    )
    write_atomic(page, (html + "\n").encode())
    return missing


def _training(run: OpenedRun) -> Iterator[Section]:
    rows, done = metrics.read(run.folder), report.read(run.folder)
    score = METRICS[rows[-1].metric]
    results = [["training loss", f"{rows[-1].loss:.4g}"]]
    best = metrics.best(rows)
    if best.validation_score is not None:
        results.append([f"validation {score}", f"{best.validation_score:.2%}, after epoch {best.epoch:g}"])
    if done is not None:
        results += [[f"test {SCORES[n]}", f"{v:.2%}"] for n, v in done.test.items() if n in SCORES]
        results.append(["time", f"{done.seconds:,.0f} s, {done.images_per_second:,.0f} images/s"])
    else:
        results.append(["state", f"not finished, {len(rows)} epochs"])
    yield Section("Results", document_html([Table(["", ">"], results)]))
    curves = plot.drawn([plot.run_panels(rows)], "svg", shared=False)
    yield Section("Curves", pictures=(_picture("loss, score and learning rate by epoch", curves, "svg+xml"),))


def _network(run: OpenedRun) -> Iterator[Section]:
    typed, pictures = run.network.typed, list[tuple[str, str]]()
    with suppress(TooLarge):
        pictures.append(_picture("the network", render_picture(typed, ".svg"), "svg+xml"))
    yield Section("Network", document_html(measure(typed, 1).document()), tuple(pictures))


def _images(run: OpenedRun, device: str, console: Console) -> Iterator[Section]:
    """The parts that are computed from the run's images."""
    with TemporaryDirectory() as place:
        for part in draw_pictures(run, device, Path(place), console):
            table = "" if part.evaluation is None else document_html([_classes(part.evaluation)])
            yield Section(part.title, table, tuple(_of_file(file) for file in part.files))


def _classes(found: Evaluation) -> Table:
    details = found.details
    names = list(details.classes)
    rows = [
        [each["class"], f"{each[details.things]:,}", *(_share(each[name]) for name in names)]
        for each in found.by_class()
    ]
    return Table(["class", f">{details.things}", *(f">{SCORES[name]}" for name in names)], rows)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2%}"


def _record(run: OpenedRun) -> Iterator[Section]:
    how = read_json(run.folder / HOW, dict[str, object]) or {}
    record = read_json(run.folder / "run.json", dict[str, object]) or {}
    recipe = run.network.recipe
    rows = [[key, recipe_text(getattr(recipe, key))] for key in KEYS]
    yield Section("Recipe", document_html([Table(["", ""], rows)]))
    facts = {
        **how,
        **dict(_object(record.get("versions"))),
        "style": run.style,
        "commit": record.get("commit"),
    }
    shown = [[key, _shown(value)] for key, value in facts.items() if value is not None]
    yield Section("How it was computed", document_html([Table(["", ""], shown)]))


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _of_file(file: Path) -> tuple[str, str]:
    return _picture(file.stem.replace("_", " "), file.read_bytes(), "png")


def _picture(description: str, content: bytes, kind: str) -> tuple[str, str]:
    """A description and a data URL."""
    return description, f"data:image/{kind};base64,{b64encode(content).decode()}"
