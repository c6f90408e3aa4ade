"""`netdsl diff`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from netdsl.commands.shared_completion import complete_networks
from netdsl.commands.shared_errors import errors_shown
from netdsl.commands.shared_networks import compiled_network
from netdsl.commands.shared_options import PATH, pairs
from netdsl.commands.shared_tables import format_option, print_document, print_json

# Exit statuses, as those of `diff`.
DIFFERENT, TROUBLE = 1, 2


@click.command(name="diff")
@click.argument("before", metavar="A", shell_complete=complete_networks)
@click.argument("after", metavar="B", shell_complete=complete_networks)
@click.option("--set-a", multiple=True, metavar="NAME=VALUE", help="Set a parameter of A.")
@click.option("--set-b", multiple=True, metavar="NAME=VALUE", help="Set a parameter of B.")
@click.option(
    "--weights",
    type=PATH,
    metavar="FILE|RUN",
    help="Weights of A: a .safetensors, .pth or .pt file, or a run.  [default: all of A]",
)
@format_option
def diff(
    before: str, after: str, set_a: tuple[str, ...], set_b: tuple[str, ...], weights: Path | None, form: str
) -> None:
    """Compare two networks, and list which weights fit both.

    Shows differences of structure, shapes, sizes and recipe between A and B; names of blocks, comments
    and layout are ignored. The exit status is 0 if nothing differs, 1 if something does, 2 on errors.
    """
    with _troubles():
        settings = [pairs(given, None) for given in (set_a, set_b)]
        compiled = [
            compiled_network(name, given, {}) for name, given in zip((before, after), settings, strict=True)
        ]

    from netdsl.api.difference import difference

    with _troubles(), errors_shown():
        found = difference(compiled[0], compiled[1], weights)
    if form == "json":
        print_json(found.record())
    else:
        print_document(found.document())
    sys.exit(0 if found.same else DIFFERENT)


@contextmanager
def _troubles() -> Iterator[None]:
    """Errors within the block end the program with status 2, since 1 means that the networks differ."""
    try:
        yield
    except SystemExit as end:
        sys.exit(TROUBLE if end.code else 0)
