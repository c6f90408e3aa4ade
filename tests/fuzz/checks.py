"""Properties of every text: it compiles to code, or has errors that can be rendered and have a help."""

from __future__ import annotations

import ast
import re
import signal
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from netdsl.base.resources import NETWORKS
from netdsl.base.source import Source
from netdsl.compiler import STYLES, compile_network, generate
from netdsl.diagnostics import Diagnostic
from netdsl.diagnostics.render_text import render
from netdsl.syntax.net_files import recorded

# Seconds of this process's work, however busy the machine is: more is a finding, much more is stopped.
SLOW, HANGS = 2, 20

LIBRARIES = {
    str(path.relative_to(NETWORKS)): path.read_text(encoding="utf-8") for path in NETWORKS.glob("*/*.net")
}

# Texts about the compiler's internals, or Python's.
_INSIDES = re.compile(
    r"Traceback|object at 0x|Token\(|__ANON|\b_NL\b|NoneType|\bNone\b|Fraction\(|Symbol\(|<class"
)


# Codes whose messages say all: "`+` takes numbers, and this is `yes`".
PLAIN = {"NET303"}


class Finding(NamedTuple):
    """A finding: its kind, a place that is the same for all texts with the same cause, and the details."""

    kind: str
    place: str
    details: str


class Hangs(BaseException):
    """No Exception: nothing must catch it."""


def check(text: str, generated: int | None = None) -> Iterator[Finding]:
    """The findings about a text; for networks also about the code in the style of that number
    is made too.
    """
    started = time.process_time()
    try:
        with _limited():
            yield from _check(text, generated)
    except (Exception, Hangs) as error:  # noqa: BLE001 - whatever it is, it is a finding
        own = [frame for frame in traceback.extract_tb(error.__traceback__) if "netdsl" in frame.filename]
        last = own[-1] if own else None
        place = f"{Path(last.filename).name}:{last.lineno} {last.name}" if last else "?"
        kind = type(error).__name__
        yield Finding(kind, place if not isinstance(error, Hangs) else "", traceback.format_exc()[-4000:])
    seconds = time.process_time() - started
    if seconds > SLOW:
        yield Finding("slow", "", f"{seconds:.1f} s")


def _check(text: str, generated: int | None) -> Iterator[Finding]:
    source = Source("networks/fuzzed.net", text)
    compiled = compile_network(
        source, read=recorded({f"networks/{n}": t for n, t in LIBRARIES.items()}, "corpus")
    )
    for diagnostic in compiled.diagnostics:
        yield from _check_diagnostic(diagnostic)
    if compiled.network is not None:
        if compiled.errors:
            yield Finding("network with errors", compiled.errors[0].code, "")
        if generated is not None:
            ast.parse(generate(compiled, STYLES[generated % len(STYLES)]))


def _check_diagnostic(diagnostic: Diagnostic) -> Iterator[Finding]:
    place = f"{diagnostic.code} {_without_names(diagnostic.message)}"
    shown = render(diagnostic)
    if not shown.startswith(f"{diagnostic.severity}[{diagnostic.code}]: "):
        yield Finding("rendered badly", place, shown)
    if any(not char.isprintable() for char in shown.replace("\n", "")):
        yield Finding("control character shown", place, repr(shown))
    if _INSIDES.search(diagnostic.message + diagnostic.help_text):
        yield Finding("speaks of insides", place, shown)
    if not diagnostic.message.strip():
        yield Finding("says nothing", place, shown)
    if not (
        diagnostic.help_text or diagnostic.notes or len(diagnostic.labels) > 1 or diagnostic.code in PLAIN
    ):
        yield Finding("without help", place, shown)
    for label in diagnostic.labels:
        span = label.span
        if not 0 <= span.start <= span.end <= len(span.source.text):
            yield Finding("place outside of the text", place, f"{span.start}-{span.end}\n{shown}")


def _without_names(message: str) -> str:
    """A message that is the same whatever it speaks of."""
    return re.sub(r"`[^`]*`|[\d,.]+", "…", message)[:80]


@contextmanager
def _limited() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise Hangs

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, HANGS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
