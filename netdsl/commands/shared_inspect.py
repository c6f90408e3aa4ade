"""Shared by the commands that inspect trained networks: runs, options, budgets, printed results."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from netdsl.commands.shared_errors import errors_shown
from netdsl.commands.shared_help import F
from netdsl.commands.shared_options import device_option, finite, weights_option
from netdsl.commands.shared_outputs import print_written, require_outputs
from netdsl.commands.shared_tables import (
    answer_record,
    format_option,
    percent,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from netdsl.inspect.inspected_run import InspectedRun
    from netdsl.inspect.sheets.captions import Answer
    from netdsl.trained.open_run import Which

T = TypeVar("T")

# A number as Python writes it; a few digits of each part: an exponent of many would take for ever.
_NUMBER = r"(?:[0-9]{1,9}\.?[0-9]{0,20}|\.[0-9]{1,20})(?:[eE][+-]?[0-9]{1,2})?"
_BUDGET = re.compile(rf"({_NUMBER})(?:/([1-9][0-9]{{0,8}}))?")


def inspect_options(command: F) -> F:
    """The last options of each command: --weights, --device and --format."""
    return weights_option(device_option(format_option(command)))


def real_option(name: str, low: float, high: float | None = None, **options: object) -> Callable[[F], F]:
    """An option for a finite number of a range."""
    kind = click.FloatRange(low, high, min_open=bool(options.pop("min_open", False)))
    return click.option(name, type=kind, callback=finite, **options)  # type: ignore[arg-type]


@contextmanager
def inspecting(
    runs: Sequence[Path],
    weights: Which,
    device: str,
    outputs: Sequence[Path],
    inputs: Sequence[str | Path] = (),
    *,
    places: bool = False,
) -> Iterator[list[InspectedRun]]:
    """Opens runs, after a check of the pictures to write; if allowed, those with scores of `places`, too.
    Errors within the block end the program.
    """
    from netdsl.inspect.inspected_run import InspectedRun
    from netdsl.runtime.plot import require_format

    with errors_shown():
        for output in outputs:
            require_format(output)
        require_outputs(outputs, inputs)
        yield [InspectedRun.open(run, weights, device, places=places) for run in runs]


def print_results(
    form: str,
    results: Sequence[T],
    headings: Sequence[str],
    row: Callable[[T], Sequence[str]],
    record: Callable[[T], object],
    *written: Path,
) -> None:
    """Prints results as JSON, or as a table followed by the names of the written files."""
    if form == "json":
        print_json([record(result) for result in results])
    else:
        print_table(headings, [row(result) for result in results])
        print_written(*written)


def answer_cells(answer: Answer) -> list[str]:
    """A predicted class and its probability, in two columns of a table."""
    return [answer.name, percent(answer.probability)]


def answer_records(**answers: Answer) -> dict[str, object]:
    """Predicted classes and their probabilities in JSON, by name."""
    return {name: answer_record(*answer) for name, answer in answers.items()}


def read_budget(text: str) -> Fraction:
    """`8/255`, `0.03` or `3e-2`, exactly."""
    match = _BUDGET.fullmatch(text.strip())
    budget = Fraction(match[1]) / Fraction(match[2] or 1) if match else Fraction(0)
    if 0 < budget <= 1:
        return budget
    hint = f"{text.strip()}/255" if 1 < budget <= 255 and budget.denominator == 1 else "8/255"
    raise click.BadParameter(f"`{text}` is no budget, a number above 0 and up to 1: write `{hint}`")


def in_255ths(value: float) -> str:
    return f"{255 * value:.4g}/255" if value else "0"
