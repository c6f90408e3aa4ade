"""Diagnostics as data: the message, its places in the text, notes, and fixes or a help."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal

from netdsl.base.lazy_dataclass import lazy_dataclass
from netdsl.base.source import Span
from netdsl.diagnostics.fixes import Fix, Help
from netdsl.diagnostics.rules import rule

# Further diagnostics are dropped: so many have a common cause.
MAX_DIAGNOSTICS = 1000
# Causes and fixes are searched only for the first ones: each search reads the whole file.
MAX_EXPLAINED = 10


@lazy_dataclass
class Label:
    """A place in the text, and a text about it (may be empty)."""

    span: Span
    text: str = ""


@lazy_dataclass
class Diagnostic:
    """One finding of the compiler; `labels[0]` is the place that an editor jumps to.

    `name` is the slug of its rule, or the code if that is of one rule.
    """

    name: str
    message: str
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    help: Help = ""

    @property
    def code(self) -> str:
        return rule(self.name).code

    @property
    def slug(self) -> str:
        return rule(self.name).slug

    @property
    def severity(self) -> Literal["error", "warning"]:
        return rule(self.name).severity

    @property
    def help_text(self) -> str:
        """The printed help: the titles of the fixes, and the sentences."""
        titles = [each.instruction if isinstance(each, Fix) else each for each in _each(self.help)]
        if all(title.startswith("write ") for title in titles):
            return " or ".join([titles[0], *(title.removeprefix("write ") for title in titles[1:])])
        return ", or ".join(titles)

    @property
    def fixes(self) -> tuple[Fix, ...]:
        """The fixes that apply to files, the best first."""
        return tuple(each for each in _each(self.help) if isinstance(each, Fix) and each.applies)


def _each(help: Help) -> tuple[str | Fix, ...]:
    return help if isinstance(help, tuple) else (help,)


class Diagnostics:
    """Collects the diagnostics of a run, each once."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, Span | None], Diagnostic] = {}

    def error(
        self,
        name: str,
        message: str,
        span: Span | None = None,
        label: str = "",
        *,
        also: Iterable[Label] = (),
        notes: Iterable[str] = (),
        help: Help = "",
    ) -> None:
        """Reports an error, or a warning if its rule is one. `name` is that of `Diagnostic`."""
        labels = (Label(span, label), *also) if span else tuple(also)
        self.add(Diagnostic(name, message, labels, tuple(notes), help))

    @property
    def errors(self) -> int:
        """The number of errors; a network with errors isn't compiled."""
        return sum(found.severity == "error" for found in self._found.values())

    @property
    def full(self) -> bool:
        """True if further diagnostics are dropped."""
        return len(self._found) >= MAX_DIAGNOSTICS

    @property
    def explains(self) -> bool:
        """True if causes and fixes are still searched."""
        return len(self._found) < MAX_EXPLAINED

    def add(self, diagnostic: Diagnostic) -> None:
        place = diagnostic.labels[0].span if diagnostic.labels else None
        if len(self._found) < MAX_DIAGNOSTICS:
            self._found.setdefault((diagnostic.code, diagnostic.message, place), diagnostic)

    @contextmanager
    def captured(self) -> Iterator[list[Diagnostic]]:
        """Collects the diagnostics of the block in a separate list, which is complete after the block."""
        kept, self._found = self._found, {}
        found: list[Diagnostic] = []
        try:
            yield found
        finally:
            found += self._found.values()
            self._found = kept

    def __iter__(self) -> Iterator[Diagnostic]:
        """In the order of the text; those without a place first."""
        sources = [label.span.source for found in self._found.values() for label in found.labels[:1]]

        def place(found: Diagnostic) -> tuple[int, int]:
            span = found.labels[0].span if found.labels else None
            return (sources.index(span.source), span.start) if span else (-1, 0)

        return iter(sorted(self._found.values(), key=place))


def listing(names: Iterable[str]) -> str:
    """`a`, `b` and `c`."""
    quoted = [f"`{name}`" for name in names]
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]]) if len(quoted) > 1 else "".join(quoted)
