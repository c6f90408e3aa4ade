"""`netdsl new`."""

from __future__ import annotations

import keyword
import posixpath
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdsl.base.names import is_module
from netdsl.commands.shared_completion import complete_networks
from netdsl.commands.shared_errors import INPUT_ERROR, fail
from netdsl.commands.shared_networks import compiled_network
from netdsl.commands.shared_outputs import print_written, write_file
from netdsl.commands.shared_report import show
from netdsl.commands.shared_tables import echo

if TYPE_CHECKING:
    from netdsl.compiler import Compiled


@click.command()
@click.argument("name")
@click.option(
    "--from",
    "origin",
    metavar="FILE",
    shell_complete=complete_networks,
    help="Copy this network and the blocks that it uses.  [default: a commented residual network]",
)
def new(name: str, origin: str | None) -> None:
    """Write NAME.net, a network to start from.

    An existing file is never overwritten.
    """
    from netdsl.base.resources import START

    path = Path(name if name.endswith(".net") else f"{name}.net")
    _check_name(path.stem)
    original = compiled_network(origin or str(START), {}, {})
    files = _renamed(original, path)
    for target, text in files.items():
        if target.exists() and (target == path or target.read_text(encoding="utf-8") != text):
            fail(f"{target} exists already", "choose another name, or another folder")
    for target, text in files.items():
        if not target.exists():
            write_file(target, text)
            print_written(target)
    network = original.network
    assert network is not None
    echo()
    echo("next:")
    echo(f"  netdsl check {path}")
    if origin is None:
        echo(f"  netdsl train {path}")
    elif network.output == (10,):
        echo(f"  netdsl train {path} --data digits")
    else:
        echo(f"  netdsl build {path}")


def _check_name(name: str) -> None:
    """Ends the program if the name can't be that of a network, and so of a Python class and module."""
    other = f"choose another name, as `my_{name}`"
    if keyword.iskeyword(name) or name == "self":
        fail(f"`{name}` is reserved in Python", other)
    if is_module(name):
        fail(f"`{name}` is a Python module, which `{name}.py` would shadow", other)
    if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII):
        words = "_".join(re.findall(r"[A-Za-z0-9]+", name)).lstrip("0123456789_")
        better = f"choose another name, as `{words or 'my_net'}`"
        fail(
            f"`{name}` is not a valid name: use letters, digits and `_`, and start with a letter",
            better,
        )


def _with_name(original: Compiled, name: str) -> str:
    """The text of a network under another name. Of a variant, its values become the defaults; the names of
    the variants stay with the original.
    """
    from netdsl.base.values import show as show_value
    from netdsl.diagnostics import Edit, remove, write
    from netdsl.diagnostics.fixes import edited
    from netdsl.ops.operation import show_shape
    from netdsl.syntax.nodes import Input, Network, Variant

    assert original.network is not None
    typed = original.network.network
    edits: list[Edit] = list(write(typed.span, name).edits)
    values = dict(typed.parameters)
    for statement in next(iter(original.files.values())).program.statements:
        match statement:
            case Network(parameters=parameters):
                for parameter in parameters:
                    if parameter.default and original.settings:
                        shown = show_value(values[parameter.name.text])
                        edits += write(parameter.default.span, shown).edits
            case Variant():
                edits += remove(statement.span).edits
            case Input() if original.settings:
                edits += write(statement.shape.span, show_shape(typed.input)).edits
    return edited(original.source.text, edits)


def _renamed(original: Compiled, path: Path) -> dict[Path, str]:
    """The texts of the new network and of the libraries that it uses, by path.

    A library keeps its path relative to the network, so that `use` finds it.
    """
    from netdsl.base.source import Source
    from netdsl.compiler import compile_network

    assert original.network is not None
    text = _with_name(original, path.stem)
    folder = posixpath.dirname(original.source.name.replace("\\", "/"))
    libraries = {
        path.parent / posixpath.relpath(used, folder or "."): content
        for used, content in original.used.items()
    }
    contents = {posixpath.normpath(target.as_posix()): content for target, content in libraries.items()}
    compiled = compile_network(Source(str(path), text), read=contents.__getitem__)
    if compiled.errors:
        show(compiled.errors)
        sys.exit(INPUT_ERROR)
    return {**libraries, path: text}
