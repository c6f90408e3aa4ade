"""What the command line's options say, in the words of the language."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

F = TypeVar("F", bound=Callable[..., None])


def setting_options(command: F) -> F:
    command = click.option(
        "--input", "shape", metavar="CxHxW", help="Another shape of one example than the file's: 3x64x64."
    )(command)
    return click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        help="Set a parameter of the network; may be given several times.",
    )(command)


device_option = click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True
)
weights_option = click.option(
    "--weights",
    type=click.Choice(["best", "last"]),
    default="best",
    show_default=True,
    help="Those of the best validation accuracy, or of the last epoch.",
)


def pairs(settings: tuple[str, ...], shape: str | None) -> dict[str, str]:
    """`--set name=value` and `--input` as a dictionary."""
    from netdsl.compiler import INPUT

    given = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise click.BadParameter(f"`{setting}` is not of the form name=value", param_hint="--set")
        given[name.strip()] = value
    return given if shape is None else {**given, INPUT: shape}


def recipe_overrides(arguments: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """The file, and `--optimizer.lr 0.05 --loss=cross_entropy` as a dictionary."""
    from netdsl.diagnostics import nearest
    from netdsl.passes.recipe import KEYS

    files: list[str] = []
    overrides: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if not argument.startswith("-"):
            files.append(argument)
            continue
        option, equals, value = argument.partition("=")
        key = option.removeprefix("--")
        if key.partition(".")[0] not in KEYS:
            hint = nearest(key, [*KEYS, "set", "style", "device", "run", "tensorboard", "help"])
            raise click.UsageError(f"no such option: {option}" + (f"; {hint}" if hint else ""))
        if not equals and not rest:
            raise click.UsageError(f"{option} needs a value")
        overrides[key] = value if equals else rest.pop(0)
    if len(files) != 1:
        given = f"not {len(files)} ({', '.join(files)})" if files else "and none is given"
        raise click.UsageError(f"one FILE is trained, {given}")
    return files[0], overrides


def data_override(data: str) -> str:
    """`folder:PATH` in the words of the language."""
    kind, colon, path = data.partition(":")
    if not colon:
        return data
    if kind != "folder" or not path or '"' in path or "\n" in path:
        raise click.BadParameter("cifar10, cifar100, digits, or folder:PATH", param_hint="--data")
    return f'folder("{path}")'
