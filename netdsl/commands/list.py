"""`netdsl list`."""

from __future__ import annotations

import click

from netdsl.commands.shared_tables import echo


@click.command("list")
def list_networks() -> None:
    """List the networks that come with netdsl.

    With the parameters that `--set` changes, their defaults, and the values that they can have.
    """
    from netdsl.syntax.net_files import parameters_of, shipped

    names = [name for name in shipped() if name != "std"]
    width = max(map(len, names))
    for name in names:
        echo(f"{name:{width}}  {', '.join(map(str, parameters_of(name)))}".rstrip())
