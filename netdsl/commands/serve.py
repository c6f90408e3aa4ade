"""`netdsl serve`."""

from __future__ import annotations

import sys
import webbrowser

import click

from netdsl.commands.shared_completion import complete_networks
from netdsl.commands.shared_errors import INPUT_ERROR, fail
from netdsl.commands.shared_options import pairs, setting_options
from netdsl.commands.shared_report import show
from netdsl.commands.shared_tables import echo


@click.command()
@click.argument("file", metavar="FILE", shell_complete=complete_networks)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port; 0 chooses a free one.")
@click.option("--open/--no-open", "opened", default=False, help="Open the page in the browser.")
@setting_options
def serve(file: str, port: int, opened: bool, settings: tuple[str, ...], shape: str | None) -> None:
    """Show a network in the browser, again on every save.

    The page has its errors, picture, shapes and code, as the playground of the documentation. Only this
    machine can reach it, at an address that is printed and that is another one each time. Ctrl-C ends it.
    """
    from netdsl.diagnostics import Diagnostics
    from netdsl.playground.server import PageServer
    from netdsl.syntax.net_files import find, read

    named, diagnostics = find(file), Diagnostics()
    if read(named.path, diagnostics) is None:
        show(tuple(diagnostics))
        sys.exit(INPUT_ERROR)
    try:
        server = PageServer(named.path, named.settings(pairs(settings, shape)), port)
    except OSError as error:
        fail(f"port {port} can't be used: {error.strerror}", "choose another, or leave out `--port`")
    with server:
        echo(f"{named.path} is shown at {server.address}")
        echo("Ctrl-C ends it")
        if opened:
            webbrowser.open(server.address)
        try:
            server.serve_forever(poll_interval=0.1)
        except KeyboardInterrupt:
            server.closing = True
            echo()
