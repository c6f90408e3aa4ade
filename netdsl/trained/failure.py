"""Maps Python tracebacks of generated code to steps of the `.net` file.

A traceback has the generated line that failed, but not which module of an `nn.Sequential` did. The step that
made a module is found with a copy of the network on the meta device, whose code records each module.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NamedTuple

import torch
from torch import nn

from netdsl.base.atomic import write
from netdsl.base.source import Span
from netdsl.codegen.source_map import Place, watched
from netdsl.compiler import Style
from netdsl.diagnostics import Diagnostic, Label
from netdsl.diagnostics.network_error import NetworkError
from netdsl.network import CompiledNetwork
from netdsl.runtime.distributed import lost_others
from netdsl.runtime.errors import RunError

# Python's own traceback, in the run's folder.
TRACEBACK = "traceback.txt"

# The most lines of torch's message that are shown; the traceback has all of it.
_MOST_LINES = 8

# The name of the copy's function that records modules; not an identifier, so that no code can use it.
_NOTE = "<note>"


class StepFailed(NetworkError):
    """A step of the network failed at run time."""


class UnderWay(NamedTuple):
    """A step that was running, and the path of its module, if it has one."""

    step: Span
    module: str = ""


@contextmanager
def failures_located(network: CompiledNetwork, style: Style, folder: Path | None = None) -> Iterator[None]:
    """Replaces exceptions of a network's steps inside the block by StepFailed.

    Python's traceback is written into the `folder`, or to standard error without one.
    """
    try:
        yield
    except Exception as error:
        running = [] if lost_others(error) else under_way(error, network, style)
        if not running:
            raise
        if folder is None:
            traceback.print_exception(error)
            note = "Python's traceback is above"
        else:
            write(folder / TRACEBACK, "".join(traceback.format_exception(error)).encode())
            note = f"Python's traceback is in {folder / TRACEBACK}"
        raise StepFailed([_diagnostic(error, running, note)]) from error


def under_way(error: Exception, network: CompiledNetwork, style: Style) -> Sequence[UnderWay]:
    """The steps that were running when the error was raised, the innermost last; none if neither the error
    nor its causes were raised inside the network.
    """
    places, file = network.source_map(style), network.file(style)
    cause: BaseException | None = error
    while cause is not None:
        frames = list(_frames(cause.__traceback__))
        positions = [at for frame, at in frames if frame.f_code.co_filename == file]
        # torch.compile has the position only in its message.
        compiled = re.findall(rf'File "{re.escape(file)}", line (\d+)', str(cause))
        if compiled and not positions:
            steps = [(step_at(places, Position(int(line))), "") for line in compiled]
        elif style == "functional":
            steps = [(step_at(places, at), "") for at in positions]
        else:
            steps = list(_in_modules(frames, network, style, places))
        found = [UnderWay(step, module) for step, module in steps if step is not None]
        if found:
            return [one for i, one in enumerate(found) if not i or one.step != found[i - 1].step]
        cause = cause.__cause__
    return []


def _diagnostic(error: Exception, running: Sequence[UnderWay], note: str) -> Diagnostic:
    *outer, (step, module) = running
    shown = " ".join(step.text.partition("{")[0].split())
    message_lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    here = Label(step, f"module `{module}`" if module else "")
    around = [Label(own.step, f"in `{own.module}`" if own.module else "from here") for own in reversed(outer)]
    help = error.help if isinstance(error, RunError) else ""
    message = f"`{shown}` failed while the network ran: {message_lines[0]}"
    return Diagnostic("NET502", message, (here, *around), (*message_lines[1:_MOST_LINES], note), help)


class Position(NamedTuple):
    """A position in code; without ranges (`python -X no_debug_ranges`) only the line."""

    line: int
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None


def step_at(places: Sequence[Place], at: Position) -> Span | None:
    """The step of the innermost expression around a position; for a line without columns, all its steps."""
    if at.column is not None and at.end_line is not None and at.end_column is not None:
        covering = [place for place in places if place.covers(at.line, at.column, at.end_line, at.end_column)]
        if covering:
            return covering[-1].step
        return None
    steps = [place.step for place in places if place.line <= at.line <= place.end_line]
    alike = [step for step in steps if step.source is steps[0].source]
    return Span(steps[0].source, min(s.start for s in alike), max(s.end for s in alike)) if steps else None


def _frames(trace: TracebackType | None) -> Iterator[tuple[FrameType, Position]]:
    """The frames of a traceback and their positions, the outermost first."""
    while trace is not None:
        positions = trace.tb_frame.f_code.co_positions()
        line, end_line, column, end_column = next(islice(positions, trace.tb_lasti // 2, None))
        yield trace.tb_frame, Position(line or trace.tb_lineno, column, end_line, end_column)
        trace = trace.tb_next


# --- modules -------------------------------------------------------------------------------------


def _in_modules(
    frames: Sequence[tuple[FrameType, Position]],
    network: CompiledNetwork,
    style: Style,
    places: Sequence[Place],
) -> Iterator[tuple[Span | None, str]]:
    """The steps of the running modules, and the innermost step that is not a module."""
    running = [
        (own, at, frame.f_code.co_filename == network.file(style))
        for frame, at in frames
        if isinstance(own := frame.f_locals.get("self"), nn.Module)
    ]
    # torch.compile wraps the model in another module.
    model = next((own for own, _, _ in running if not hasattr(own, "_orig_mod")), None)
    if model is None:
        return
    paths = {module: path for path, module in model.named_modules()}
    module, at, in_code = [entry for entry in running if entry[0] in paths][-1]
    yield from _makers(network, style, places, paths[module])
    if in_code:
        yield step_at(places, at), ""


def _makers(
    network: CompiledNetwork, style: Style, places: Sequence[Place], path: str
) -> Iterator[tuple[Span | None, str]]:
    """The steps of the modules on a path, the outermost first."""
    made: dict[nn.Module, Span] = {}

    def note(module: nn.Module, number: int) -> nn.Module:
        made[module] = places[number].step
        return module

    namespace: dict[str, Any] = {_NOTE: note}
    exec(compile(watched(network.source(style), places, _NOTE), "<twin>", "exec"), namespace)
    with torch.device("meta"):
        twin: nn.Module = namespace[network.entry(style)]()
    names = path.split(".")
    for length in range(1, len(names) + 1):
        own = ".".join(names[:length])
        yield made.get(twin.get_submodule(own)), own
