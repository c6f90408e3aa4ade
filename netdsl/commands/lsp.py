"""`netdsl lsp`."""

from __future__ import annotations

from importlib.util import find_spec

import click

from netdsl.commands.shared_errors import fail


@click.command()
@click.option(
    "--stdio", is_flag=True, hidden=True, help="Accepted since editors pass it; it is the only transport."
)
def lsp(stdio: bool) -> None:
    """Run the language server for editors, over standard IO."""
    if find_spec("pygls") is None:
        fail("the language server needs pygls", "pip install 'netdsl[lsp]'")
    from netdsl.lsp.server import run

    run()
