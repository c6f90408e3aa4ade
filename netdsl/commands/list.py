"""`netdsl list`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import click

from netdsl.commands.shared_completion import complete_bare_names
from netdsl.commands.shared_errors import fail
from netdsl.commands.shared_networks import short_lived
from netdsl.commands.shared_tables import echo, format_option, print_json, print_table

if TYPE_CHECKING:
    from netdsl.syntax.net_files import NetFile

COLUMNS = ("name", ">parameters", ">MACs", "input", "settings")


class Listed(TypedDict):
    """A network that comes with netdsl. `settings` are the parameters that `--set` changes, with their
    defaults and the values that they can have; of a variant, the values that it gives them.
    """

    name: str
    description: str
    file: str
    variant_of: str | None
    settings: list[str]


class Measured(Listed):
    """With the size of the network, and the multiply-accumulates of one example."""

    parameters: int
    macs: int
    input: list[int]


@click.command("list")
@click.argument("word", default="", shell_complete=complete_bare_names)
@format_option
def list_networks(word: str, form: str) -> None:
    """List the networks that come with netdsl.

    With the parameters that `--set` changes, their defaults, and the values that they can have. A variant
    is another name of a network, with values of its parameters. WORD selects the networks that have it in
    their name or description, and adds their sizes.
    """
    from netdsl.syntax.net_files import bare_names

    short_lived()
    found = {
        name: listed
        for name, file in bare_names().items()
        for listed in [_listed(name, file)]
        if word.lower() in f"{name} {listed['description']}".lower()
    }
    if not found:
        fail(f"no network has `{word}` in its name or description", "`netdsl list` shows all")
    if form == "json":
        print_json([_measured(listed) for listed in found.values()])
    elif word:
        _print_measured([_measured(listed) for listed in found.values()])
    else:
        width = max(map(len, found)) + 2
        for name, listed in found.items():
            shown = f"  {name}" if listed["variant_of"] else name
            echo(f"{shown:{width}}  {', '.join(listed['settings'])}".rstrip())


def _listed(name: str, file: NetFile) -> Listed:
    from netdsl.syntax.net_files import head_of

    head = head_of(file.path)
    assert head.network is not None
    variant = next((variant for variant in head.variants if variant.name.text == file.variant), None)
    settings = [argument.span.text for argument in variant.arguments] if variant else []
    return Listed(
        name=name,
        description=" ".join(head.network.documentation.split()),
        file=file.path.name,
        variant_of=head.network.name.text if variant else None,
        settings=settings if variant else [str(parameter) for parameter in head.network.parameters],
    )


def _measured(listed: Listed) -> Measured:
    from netdsl.api.loading import load

    network = load(listed["name"])
    return Measured(
        **listed, parameters=network.parameters_count, macs=network.macs, input=list(network.input_shape)
    )


def _print_measured(found: list[Measured]) -> None:
    from netdsl.ops.operation import show_shape

    print_table(
        COLUMNS,
        [
            (
                listed["name"],
                f"{listed['parameters']:,}",
                f"{listed['macs']:,}",
                show_shape(tuple(listed["input"])),
                ", ".join(listed["settings"]),
            )
            for listed in found
        ],
    )
    echo()
    for file in dict.fromkeys(listed["file"] for listed in found):
        description = next(listed["description"] for listed in found if listed["file"] == file)
        echo(f"{file}: {description}")
