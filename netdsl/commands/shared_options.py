"""Options that several commands have, and their values in the words of the language."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from netdsl.commands.shared_completion import complete_runs
from netdsl.runtime.speed_choices import SPEED_CHOICES

if TYPE_CHECKING:
    from netdsl.runtime.speed import SpeedRequest

F = TypeVar("F", bound=Callable[..., None])

# What is counted: more of anything takes longer than anybody waits, and may be no number for a library.
_MOST = 10**6

# Options of `netdsl train` beside the recipe's keys: for the hint at a misspelt one.
OPTIONS = ("set", "input", "style", "run", "seeds", "overfit", "resume", "tensorboard", "help") + (
    "device",
    "precision",
    "compile",
    "layout",
    "fused",
    "batch-norm",
    "loader",
    "workers",
)


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


class OutputPath(click.Path):
    """A path to write, which isn't empty: that would be the current folder."""

    def __init__(self, *, file: bool = True, folder: bool = False) -> None:
        super().__init__(path_type=Path, file_okay=file, dir_okay=folder)

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        if not os.fspath(value):
            self.fail("it is empty: name a file or a folder", param, ctx)
        return super().convert(value, param, ctx)


picture_option = click.option(
    "-o",
    "--output",
    required=True,
    type=OutputPath(),
    metavar="PICTURE",
    help="The file to draw; its ending chooses the format (png, pdf, svg, ...).",
)
device_option = click.option(
    "--device", type=click.Choice(SPEED_CHOICES["device"]), default="auto", show_default=True
)
weights_option = click.option(
    "--weights",
    type=click.Choice(["best", "last"]),
    default="best",
    show_default=True,
    help="Those of the best validation accuracy, or of the last epoch.",
)

images_argument = click.argument("images", nargs=-1, required=True, type=str, metavar="IMAGE|test:N...")
runs_argument = click.argument(
    "runs",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
    metavar="RUN...",
    shell_complete=complete_runs,
)


def png_file(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    if value is not None and value.suffix.lower() != ".png":
        raise click.BadParameter("the picture is a .png file")
    return value


def seed_option(help: str) -> Callable[[F], F]:
    """`help` says what is drawn by chance; libraries take seeds of 32 bits."""
    return click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help=help)


def counted(least: int = 1) -> click.IntRange:
    """How many of something."""
    return click.IntRange(least, _MOST)


def finite(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """Refuses `nan` and `inf`, which a `click.FloatRange` may let pass."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter("it must be a finite number")
    return value


def speed_options(command: F) -> F:
    """How fast, and how it counts: what doesn't change the recipe."""
    for option in (
        click.option("--workers", type=click.IntRange(0), help="Processes that decode images (stream)."),
        click.option(
            "--loader", type=click.Choice(SPEED_CHOICES["loader"]), default="auto", help="Where images lie."
        ),
        click.option(
            "--batch-norm",
            type=click.Choice(SPEED_CHOICES["batch_norm"]),
            default="auto",
            help="Over the images of each process, or of all (sync).",
        ),
        click.option(
            "--fused",
            type=click.Choice(SPEED_CHOICES["fused"]),
            default="auto",
            help="Fused optimizer kernels.",
        ),
        click.option(
            "--layout",
            type=click.Choice(SPEED_CHOICES["layout"]),
            default="auto",
            help="Of images and weights.",
        ),
        click.option(
            "--compile", type=click.Choice(SPEED_CHOICES["compile"]), default="auto", help="torch.compile."
        ),
        click.option(
            "--precision",
            type=click.Choice(SPEED_CHOICES["precision"]),
            default="auto",
            help="Of the forward pass.",
        ),
        device_option,
    ):
        command = option(command)
    return command


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


def recipe_overrides(arguments: tuple[str, ...]) -> tuple[list[str], dict[str, str]]:
    """The files, and `--optimizer.lr 0.05 --loss=cross_entropy` as a dictionary."""
    from netdsl.diagnostics import nearest
    from netdsl.language.recipe import KEYS

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
            hint = nearest(key, [*KEYS, *OPTIONS])
            raise click.UsageError(f"no such option: {option}" + (f"; {hint}" if hint else ""))
        if not equals and not rest:
            raise click.UsageError(f"{option} needs a value")
        overrides[key] = value if equals else rest.pop(0)
    return files, overrides


def one_file(files: list[str]) -> str:
    if len(files) != 1:
        given = f"not {len(files)} ({', '.join(files)})" if files else "and none is given"
        raise click.UsageError(f"one FILE is trained, {given}")
    return files[0]


def data_override(data: str) -> str:
    """`folder:PATH` in the words of the language."""
    kind, colon, path = data.partition(":")
    if not colon:
        return data
    if kind != "folder" or not path or '"' in path or "\n" in path:
        raise click.BadParameter("cifar10, cifar100, digits, or folder:PATH", param_hint="--data")
    return f'folder("{path}")'


def speed_request(options: dict[str, Any]) -> SpeedRequest:
    """What `speed_options` were given."""
    from netdsl.runtime.speed import SpeedRequest

    return SpeedRequest(**options)
