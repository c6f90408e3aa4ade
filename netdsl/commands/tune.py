"""`netdsl tune`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netdsl.commands.shared_completion import complete_networks
from netdsl.commands.shared_errors import errors_shown
from netdsl.commands.shared_help import GroupedOptionsCommand, option_group
from netdsl.commands.shared_networks import compiled_network
from netdsl.commands.shared_options import (
    PATH,
    counted,
    one_file,
    pairs,
    recipe_options,
    recipe_overrides,
    setting_options,
    speed_options,
)
from netdsl.commands.shared_tables import echo, percent, print_table

if TYPE_CHECKING:
    from netdsl.training.search_space import Space
    from netdsl.training.tune import Pruner, Sampler, Tuned

# The most candidates in the table.
_SHOWN = 10


@click.command(cls=GroupedOptionsCommand, context_settings={"ignore_unknown_options": True})
@click.argument(
    "arguments",
    nargs=-1,
    type=click.UNPROCESSED,
    metavar="FILE [--KEY VALUE|RANGE]...",
    shell_complete=complete_networks,
)
@option_group(
    "Search",
    click.option("--trials", type=counted(), default=20, help="Candidates to train, of all processes."),
    click.option(
        "--sampler", type=click.Choice(["tpe", "random", "grid"]), default="tpe", help="Chooses candidates."
    ),
    click.option(
        "--pruner",
        type=click.Choice(["median", "hyperband", "none"]),
        default="median",
        help="Ends candidates that fall behind.",
    ),
    click.option("--run", type=PATH, help="Folder of the search.  [default: runs/NAME-tune]"),
    click.option("--resume", type=PATH, metavar="FOLDER", help="Continue a search, or join its processes."),
)
@recipe_options
@speed_options
@setting_options
def tune(
    arguments: tuple[str, ...],
    trials: int,
    sampler: Sampler,
    pruner: Pruner,
    run: Path | None,
    resume: Path | None,
    settings: tuple[str, ...],
    shape: str | None,
    **options: Any,
) -> None:
    """Search for the best parameters and recipe.

    A value that is a range (1e-3..1e-1, 8..32) or has commas (20,32,44) is searched; others are fixed:

    \b
      netdsl tune mine.net --trials 50 --optimizer.lr 1e-3..1e-1 \\
        --set width=8..32 --set depth=20,32,44

    Candidates that break an `expect` of the file are refused before anything is trained. The best one by
    its validation score is written to best.net. Several processes work on one search with --resume.
    """
    from netdsl.language.recipe import KEYS

    files, keys = recipe_overrides(arguments, {key: options.pop(key) for key in KEYS})
    if resume is not None:
        if excess := [*files, *(f"--{key}" for key in keys), *settings]:
            raise click.UsageError(
                f"--resume continues a search with its own space: remove {', '.join(excess)}"
            )
    else:
        space, fixed, overrides = _divided(pairs(settings, shape), keys)
        compiled = compiled_network(one_file(files), fixed, overrides)

    from netdsl.runtime.speed import SpeedRequest
    from netdsl.training.train_run import free_folder
    from netdsl.training.tune import Search
    from netdsl.training.tune import resume as resume_search
    from netdsl.training.tune import tune as search

    with errors_shown():
        if resume is not None:
            folder, found = resume, resume_search(resume, trials)
        else:
            assert compiled.network is not None
            wanted = Search.of(compiled, overrides, space, sampler, pruner, SpeedRequest(**options))
            folder = run or free_folder(f"{compiled.network.network.name}-tune")
            found = search(wanted, folder, trials)
    _show(found, folder)


def _divided(settings: dict[str, str], keys: dict[str, str]) -> tuple[Space, dict[str, str], dict[str, str]]:
    """The space, and the fixed settings and overrides."""
    from netdsl.language.recipe import LISTS
    from netdsl.training.search_space import SETTING, NoDomain, domain

    space, fixed, overrides = {}, {}, {}
    try:
        for name, text in settings.items():
            if (found := domain(text)) is not None:
                space[SETTING + name] = found
            else:
                fixed[name] = text
        for key, text in keys.items():
            if key not in LISTS and (found := domain(text)) is not None:
                space[key] = found
            else:
                overrides[key] = text
    except NoDomain as error:
        raise click.UsageError(str(error)) from None
    if not space:
        raise click.UsageError(
            "there is nothing to search: give a range, `--optimizer.lr 1e-3..1e-1`, or choices, "
            "`--set width=8,16`"
        )
    return space, fixed, overrides


def _show(found: Tuned, folder: Path) -> None:
    """Prints the best candidates, and the numbers of others."""
    from netdsl.runtime.metrics import METRICS
    from netdsl.training.search_space import SETTING

    echo()
    if found.candidates:
        names = list(found.candidates[0].values)
        front = found.front
        headings = ["trial", *(f">{name.removeprefix(SETTING)}" for name in names)]
        headings += [f">validation {METRICS[found.metric]}", ">parameters", ">MACs", "front"]
        rows = [
            [
                f"{each.number}",
                *(f"{v:.4g}" if isinstance(v := each.values[name], float) else str(v) for name in names),
                percent(each.score),
                f"{each.parameters:,}",
                f"{each.macs:,}",
                "*" * (each.number in front),
            ]
            for each in found.candidates
            if each in found.candidates[:_SHOWN] or each.number in front
        ]
        print_table(headings, rows)
        echo()
    counts = f"{len(found.candidates)} trained, {found.pruned} pruned, {found.failed} failed"
    each = f", {1000 * found.refusing / found.refused:.0f} ms each" if found.refused else ""
    echo(f"{counts}; {found.refused} refused by the compiler{each}")
    if found.candidates:
        echo(f"the best is in {folder / 'best.net'}, the front in {folder / 'front.png'}")
