"""What the arguments of commands complete to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import click
from click.shell_completion import CompletionItem

# The file by which a folder is known as a run (netdsl/trained/open_run.py, which needs torch).
_RUN_FILE = "run.json"


def complete_networks(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """For FILE: the networks that come with netdsl, and .net files."""
    from netdsl.syntax.net_files import shipped

    names = [name for name in shipped() if name.startswith(incomplete) and name != "std"]
    return [CompletionItem(name) for name in names] + complete_paths(context, parameter, incomplete)


def complete_paths(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """For a path: .net files."""
    return _items(incomplete, lambda path: path.suffix == ".net" and path.is_file())


def complete_runs(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """For RUN: the folders of runs."""
    return _items(incomplete, lambda path: (path / _RUN_FILE).is_file())


def _items(incomplete: str, wanted: Callable[[Path], bool]) -> list[CompletionItem[str]]:
    return [CompletionItem(path) for path in _paths(incomplete, wanted)]


def _paths(incomplete: str, wanted: Callable[[Path], bool]) -> Iterator[str]:
    """What is wanted of the paths that start so, and the folders in which there may be more.

    A shell sets a blank behind a single answer: in place of a single folder stands what is in it.
    """
    folder, slash, start = incomplete.rpartition("/")
    try:
        inside = sorted((Path(folder + slash).expanduser()).iterdir())
    except OSError:
        return
    matching = [path for path in inside if path.name.startswith(start) and _is_shown(path, start)]
    found = [path for path in matching if wanted(path)]
    folders = [path for path in matching if path.is_dir() and path not in found]
    if len(folders) == 1 and not found:
        within = list(_paths(f"{folder}{slash}{folders[0].name}/", wanted))
        yield from within or [f"{folder}{slash}{folders[0].name}/"]
        return
    for path in sorted([*found, *folders]):
        yield f"{folder}{slash}{path.name}" + ("/" if path in folders else "")


def _is_shown(path: Path, start: str) -> bool:
    return start.startswith(".") or not path.name.startswith((".", "__"))
