"""`netdsl completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from netdsl.commands.shared_tables import echo_file


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that enables completion in a shell.

    \b
    bash:  echo 'eval "$(netdsl completion bash)"' >> ~/.bashrc
    zsh:   echo 'eval "$(netdsl completion zsh)"' >> ~/.zshrc    (after compinit)
    fish:  netdsl completion fish > ~/.config/fish/completions/netdsl.fish
    """
    script = get_completion_class(shell)
    assert script is not None
    source = script(context.find_root().command, {}, "netdsl", "_NETDSL_COMPLETE").source()
    # Only the first comma separates: click's script for fish cuts texts at the next one.
    echo_file(source.replace('string split ","', 'string split -m 1 ","') + "\n")
