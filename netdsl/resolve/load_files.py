"""Loads the files of a network: the main file and those that it uses, directly or not. Each is read once."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from typing import TypeAlias

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Source, Span
from netdsl.diagnostics import Diagnostics, Help, Label, remove, write
from netdsl.syntax import nodes
from netdsl.syntax.parser import parse

# Returns the text of a file by its path. Raises OSError or ValueError.
Reader: TypeAlias = Callable[[str], str]

# A network has at most this many files.
MAX_FILES = 100

# The statements of a library; all others belong to a network.
LIBRARY = (nodes.Block, nodes.Let, nodes.Default, nodes.Use, nodes.Order, nodes.Unread)

# What every network of a file can use.
_SHARED = (nodes.Network, nodes.Block, nodes.Let, nodes.Default, nodes.Use, nodes.Unread)


class File(NamedTuple):
    """A parsed file. `used` are the paths of the files that it uses, with the spans of the `use` statements;
    `missing` is true if one of them couldn't be read.
    """

    path: str
    program: nodes.Program
    used: tuple[tuple[str, Span], ...] = ()
    missing: bool = False


def load_files(main: Source, read: Reader, diagnostics: Diagnostics) -> dict[str, File]:
    """All files by path, the main one first."""
    return _Loading(read, diagnostics).run(main)


class _Loading:
    def __init__(self, read: Reader, diagnostics: Diagnostics) -> None:
        self._read = read
        self._diagnostics = diagnostics
        self._files: dict[str, File] = {}
        # The files being read, outermost first, with the span of the `use` of each.
        self._open: list[tuple[str, Span | None]] = []

    def run(self, main: Source) -> dict[str, File]:
        self._add(_normal(main.name), main, None)
        return self._files

    def _add(self, path: str, source: Source, place: Span | None) -> None:
        program = _of_one_network(parse(source, self._diagnostics))
        if place is not None:
            self._check_library(program, path, place)
        # Added first, so that it precedes the files that it uses.
        self._files[path] = File(path, program)
        self._open.append((path, place))
        uses = [statement for statement in program.statements if isinstance(statement, nodes.Use)]
        used = [(found, use.span) for use in uses if (found := self._use(use, path))]
        self._open.pop()
        self._files[path] = File(
            path,
            program,
            tuple(used),
            missing=len(used) < len(uses) or any(found.kind == "use" for found in program.unread),
        )

    def _use(self, use: nodes.Use, user: str) -> str | None:
        """The path of a used file, read now or before; None after a diagnostic."""
        if not use.path.endswith(".net") or posixpath.isabs(use.path) or ":" in use.path:
            relative = not posixpath.isabs(use.path) and ":" not in use.path
            named = f'use "{posixpath.normpath(use.path)}.net"'
            help: Help = write(use.span, named, safe=False) if relative else 'as in `use "blocks.net"`'
            self._error("`use` takes the relative path of a `.net` file", use.span, help)
            return None
        path = _normal(posixpath.join(posixpath.dirname(user), use.path))
        if path == user:
            message = "a file knows its own blocks without `use`"
            self._diagnostics.error("NET203", message, use.span, help=remove(use.span))
            return None
        names = [name for name, _ in self._open]
        if path in names:
            circle = names[names.index(path) :]
            also = [Label(place) for _, place in self._open[names.index(path) + 1 :] if place]
            shown = " → ".join(posixpath.basename(name) for name in [*circle, path])
            self._diagnostics.error(
                "NET203", f"circular `use`: {shown}", use.span, also=also,
                help="move the blocks that both need into a third file",
            )  # fmt: skip
            return None
        if path in self._files:
            return path
        if len(self._files) >= MAX_FILES:
            self._error(f"the network has more than {MAX_FILES} files", use.span, "join some of them")
            return None
        try:
            text = self._read(path)
        except (OSError, ValueError) as error:
            reason = "it is not UTF-8 text" if isinstance(error, UnicodeError) else None
            reason = reason or getattr(error, "strerror", None) or str(error)
            self._error(f"{path} can't be read: {reason}", use.span, f"the path is relative to {user}")
            return None
        self._add(path, Source(path, text), use.span)
        return path

    def _check_library(self, program: nodes.Program, path: str, place: Span) -> None:
        for statement in program.statements:
            if not isinstance(statement, LIBRARY):
                what = statement.span.text.split(None, 1)[0]
                self._diagnostics.error(
                    "not-a-library", f"{posixpath.basename(path)} is not a library: it has `{what}`", place,
                    also=[Label(statement.span)], help="move its blocks into a separate file",
                )  # fmt: skip
                return

    def _error(self, message: str, span: Span, help: Help) -> None:
        self._diagnostics.error("NET100", message, span, help=help)


def _normal(path: str) -> str:
    return posixpath.normpath(path.replace("\\", "/"))


def _of_one_network(program: nodes.Program) -> nodes.Program:
    """The program without what belongs to a second network: only its `network` is an error."""
    kept: list[nodes.Statement] = []
    layers = ended = False
    for statement in program.statements:
        layers = layers or isinstance(statement, (nodes.Section, nodes.Stage, nodes.Stages))
        ended = ended or (layers and isinstance(statement, nodes.Network))
        if not ended or isinstance(statement, _SHARED):
            kept.append(statement)
    return nodes.Program(tuple(kept))
