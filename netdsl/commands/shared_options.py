"""Options and arguments that several commands share, and the conversion of their values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from netdsl.commands.shared_completion import complete_runs, complete_settings
from netdsl.commands.shared_help import F, option_group
from netdsl.runtime.logger_names import LOGGERS
from netdsl.runtime.speed_choices import SPEED_CHOICES

# Upper bound of counts: larger numbers never finish, or overflow in a library.
_MOST = 10**6

setting_options = option_group(
    "Network",
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        shell_complete=complete_settings,
        help="Set a parameter of the network; `netdsl list` shows those of shipped networks. Repeatable.",
    ),
    click.option("--input", "shape", metavar="CxHxW", help="Use another input shape, such as 3x64x64."),
)


PATH = click.Path(path_type=Path)

device_option = click.option(
    "--device", type=click.Choice(SPEED_CHOICES["device"]), default="auto", help="Device to compute on."
)


def _weights(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Accepts `best`, `last`, and `epoch7`: the weights of an epoch that the recipe's `keep` kept."""
    if not re.fullmatch(r"best|last|epoch[1-9]\d*", value):
        raise click.BadParameter(f"`{value}` is not `best`, `last` or `epochN`")
    return value


weights_option = click.option(
    "--weights",
    callback=_weights,
    metavar="best|last|epochN",
    default="best",
    help="Use the weights of the best epoch on validation images, the last one, or one that `keep` kept.",
)

images_argument = click.argument("images", nargs=-1, required=True, type=str, metavar="IMAGE|test:N...")
run_argument = click.argument("run", type=PATH, shell_complete=complete_runs)
runs_argument = click.argument(
    "runs", nargs=-1, required=True, type=PATH, metavar="RUN...", shell_complete=complete_runs
)


def seed_option(help: str) -> Callable[[F], F]:
    """`--seed`, of at most 32 bits, as libraries require; `help` names the random numbers."""
    return click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, help=help)


def counted(least: int = 1) -> click.IntRange:
    """The type of a count."""
    return click.IntRange(least, _MOST)


def finite(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """Rejects `nan` and `inf`, which `click.FloatRange` may accept."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter("it must be a finite number")
    return value


def _speed_option(name: str, help: str) -> Callable[[F], F]:
    choices = SPEED_CHOICES[name.removeprefix("--").replace("-", "_")]
    return click.option(name, type=click.Choice(choices), default="auto", show_default=False, help=help)


# Options of other programs, and those of netdsl.
_OTHER_OPTIONS = {
    **dict.fromkeys(("lr", "learning-rate"), "--optimizer.lr 0.1"),
    "momentum": "--optimizer.momentum 0.9",
    **dict.fromkeys(("wd", "weight-decay"), "--optimizer.weight_decay 5e-4"),
    **dict.fromkeys(("amp", "fp16", "mixed-precision"), "--precision bf16"),
    **dict.fromkeys(("gpu", "cuda"), "--device cuda"),
    **dict.fromkeys(("batch-size", "bs"), "--batch 64"),
    **dict.fromkeys(("dataset", "data-path"), "--data folder:images"),
    **{name: f"--log {name}" for name in LOGGERS},
    "num-workers": "--workers 2",
    "scheduler": "--schedule cosine",
    "label-smoothing": "--loss.smoothing 0.1",
}

speed_options = option_group(
    "Computation (auto: chosen for this machine)",
    _speed_option("--device", "Device to train on."),
    _speed_option("--precision", "Precision of the forward pass."),
    _speed_option("--compile", "Use torch.compile."),
    _speed_option("--layout", "Memory layout of images and weights."),
    _speed_option("--fused", "Use fused optimizer kernels."),
    _speed_option("--batch-norm", "Statistics: per process, or over all (sync)."),
    _speed_option("--loader", "Images: in memory, or decoded as needed."),
    click.option(
        "--workers", type=click.IntRange(0, 1000), metavar="N", help="Processes that decode images."
    ),
)


def pairs(settings: tuple[str, ...], shape: str | None) -> dict[str, str]:
    """`--set name=value` and `--input` as a dictionary."""
    from netdsl.language.words import INPUT

    given = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise click.BadParameter(f"`{setting}` is not of the form name=value", param_hint="--set")
        given[name.strip()] = value
    return given if shape is None else {**given, INPUT: shape}


def recipe_options(command: F) -> F:
    """An option for each key of the recipe: `--epochs`, `--lr-factor`."""
    from netdsl.language.recipe import KEYS

    options = (
        click.option(_option(key), metavar=_metavar(key), help=documentation)
        for key, documentation in KEYS.items()
    )
    return option_group("Recipe (arguments too: --optimizer.lr 0.1)", *options)(command)


def _option(key: str) -> str:
    """The option for a key of the recipe."""
    return f"--{key.replace('_', '-')}"


def _metavar(key: str) -> str:
    from netdsl.language.argument_types import Maybe, Names, Path, Real, Whole, Word
    from netdsl.language.recipe import LISTS, key_type

    arg_type = key_type(key)
    match arg_type.other if isinstance(arg_type, Maybe) else arg_type:
        case Word(words):
            return "|".join(words)
        case Whole():
            return "N"
        case Real():
            return "X"
        case Path():
            return "PATH"
        case Names():
            return "PART,..."
    return "KIND,..." if key in LISTS else "KIND"


def recipe_overrides(
    arguments: tuple[str, ...], options: Mapping[str, str | None]
) -> tuple[list[str], dict[str, str]]:
    """The files, and the keys of the recipe with their values in its notation: those of `options`, and
    `--optimizer.lr 0.05` among the arguments.
    """
    from netdsl.diagnostics import nearest
    from netdsl.language.recipe import KEYS

    files: list[str] = []
    overrides = {key: _text(key, text) for key, text in options.items() if text is not None}
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if not argument.startswith("-"):
            files.append(argument)
            continue
        option, equals, value = argument.partition("=")
        key = option.removeprefix("--").replace("-", "_")
        if key.partition(".")[0] not in KEYS:
            known = [f"--{name}" for name in _options()]
            own = _OTHER_OPTIONS.get(option.removeprefix("--").replace("_", "-"), "")
            hint = f"write `{own}`" if own else nearest(option, known)
            raise click.UsageError(f"no such option: {option}" + (f"; {hint}" if hint else ""))
        if not equals and not rest:
            raise click.UsageError(f"{option} needs a value")
        overrides[key] = _text(key, value if equals else rest.pop(0))
    return files, overrides


def _options() -> list[str]:
    """Names of the running command's own options."""
    context = click.get_current_context()
    parameters = context.command.get_params(context)
    return [option.removeprefix("--") for parameter in parameters for option in parameter.opts]


def _text(key: str, text: str) -> str:
    from netdsl.language.recipe_text import option_text

    try:
        return option_text(key, text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=_option(key)) from None


def data_override(data: str) -> str:
    """The value of `--data` in the syntax of the recipe: `folder("PATH")` for `folder:PATH`."""
    return _text("data", data)


def one_file(files: list[str]) -> str:
    if len(files) != 1:
        given = f"got {len(files)} ({', '.join(files)})" if files else "got none"
        raise click.UsageError(f"expected one FILE, {given}")
    return files[0]
