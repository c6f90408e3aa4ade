"""One version of a text: its names, its diagnostics, and its runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from netdsl.base.resources import NETWORKS
from netdsl.base.source import Source, Span
from netdsl.base.values import Value
from netdsl.compiler import Compiled, compile_network
from netdsl.diagnostics import Diagnostics
from netdsl.lsp.instances import Instances
from netdsl.resolve.bindings import Bindings, Symbol
from netdsl.resolve.load_files import Reader
from netdsl.resolve.scope import Scope
from netdsl.syntax import nodes

# The standard blocks under the path of their file, so that an editor finds them.
STANDARD = (NETWORKS / "std.net").as_posix()


@dataclass(frozen=True)
class Reading:
    """One version of a text."""

    compiled: Compiled

    @property
    def source(self) -> Source:
        return self.compiled.source

    @property
    def program(self) -> nodes.Program:
        return next(iter(self.compiled.files.values())).program

    @cached_property
    def files(self) -> Mapping[str, str]:
        """The texts of the file and of those that it uses, by path."""
        return {**self.compiled.used, self.source.name: self.source.text}

    @property
    def is_whole(self) -> bool:
        """True if every statement could be read."""
        return not self.program.unread

    def use_of(self, path: str) -> Span | None:
        """The `use` that imports the file at a path, directly or through others."""
        files = self.compiled.files
        for direct, place in next(iter(files.values())).used:
            reached = [direct]
            for one in reached:
                reached += [used for used, _ in files[one].used if used not in reached]
            if path in reached:
                return place
        return None

    @property
    def names(self) -> Bindings:
        return self.compiled.bindings

    @cached_property
    def instances(self) -> Instances | None:
        return Instances(self.compiled.typed) if self.compiled.typed else None

    def constant(self, symbol: Symbol) -> Value | None:
        """The value of a constant of the file or of a network parameter; None where it has none."""
        names = self.names.main
        if names.constants.get(symbol.name) is not symbol:
            return None
        return Scope(names, {name: name for name in names.blocks}, {}, Diagnostics()).constant(symbol.name)


def read(path: str, text: str, reader: Reader) -> Reading:
    """Compiles a text; `reader` gives the texts of used files."""
    reading = Reading(compile_network(Source(path, text), read=reader))
    # Made here, beside the loop that answers, and not by the first who asks.
    _ = reading.names.occurrences, reading.instances
    return reading
