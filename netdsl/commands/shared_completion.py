"""Shell completion of arguments."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from click.shell_completion import CompletionItem

# The file that makes a folder a run, as in netdsl/trained/open_run.py, which can't be imported without torch.
_RUN_FILE = "run.json"


def complete_networks(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """For FILE: the networks that come with netdsl, and .net files."""
    names = complete_bare_names(context, parameter, incomplete)
    return names + complete_paths(context, parameter, incomplete)


def complete_bare_names(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """The networks that come with netdsl, and their variants."""
    from netdsl.syntax.net_files import bare_names

    return [CompletionItem(name) for name in sorted(bare_names()) if name.startswith(incomplete)]


def complete_settings(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """For --set: the parameters of the networks on the command line, with the values that they declare."""
    from netdsl.syntax.net_files import parameters_of

    found = [p for name in context.args for p in parameters_of(name)]
    settings = (f"{p.name.text}={value}" for p in found for value in [v.span.text for v in p.values] or [""])
    return [CompletionItem(setting) for setting in settings if setting.startswith(incomplete)]


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
    """The wanted paths with this start, and the folders that may contain some.

    If a folder is the only match, its contents are completed instead: a shell would end the word after a
    single candidate.
    """
    folder, slash, start = incomplete.rpartition("/")
    try:
        inside = sorted(Path(os.path.expanduser(folder + slash)).iterdir())
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
