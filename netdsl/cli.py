"""The command line. Heavy imports stand inside the commands that need them."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from netdsl import __version__
from netdsl.options import data_override, pairs, recipe_overrides, setting_options

if TYPE_CHECKING:
    from netdsl.compiler import Compiled, Style
    from netdsl.diagnostics import Diagnostic

# Exit statuses: errors in the input, and wrong use (which click gives by itself).
INPUT_ERROR = 1


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="netdsl %(version)s")
def main() -> None:
    """A language for image networks, with PyTorch code generation.

    FILE is a .net file, or the bare name of a network that comes with netdsl (resnet32).
    """


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@setting_options
def check(files: tuple[str, ...], settings: tuple[str, ...], shape: str | None) -> None:
    """Check files: names, arguments, shapes, recipe. Prints each network's size."""
    _short_lived()
    failed = False
    for path in _paths(files):
        compiled = _compile(path, pairs(settings, shape))
        if isinstance(compiled, list):
            _show(compiled)
            failed = True
        else:
            click.echo(f"{path}: {_summary(compiled)}")
    sys.exit(INPUT_ERROR if failed else 0)


def _summary(compiled: Compiled) -> str:
    from netdsl.ops.base import show_shape

    typed = compiled.network
    if typed is None:
        return "ok, a library of blocks"
    shapes = f"{show_shape(typed.network.input)} -> {show_shape(typed.output)}"
    return f"ok, {shapes}, {typed.cost.parameters:,} parameters, {typed.cost.macs:,} MACs"


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE|FOLDER...")
@click.option(
    "--style",
    type=click.Choice(["module", "functional", "sequential", "all"]),
    default="module",
    show_default=True,
    help="The form of the code.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("generated"),
    show_default=True,
    help="The folder.",
)
@setting_options
@click.option("--stdout", is_flag=True, help="Print the code; write no file.")
@click.option("--check", "check_only", is_flag=True, help="Write nothing; fail where a file is not current.")
def build(
    files: tuple[str, ...],
    style: str,
    output: Path,
    settings: tuple[str, ...],
    shape: str | None,
    stdout: bool,
    check_only: bool,
) -> None:
    """Write the PyTorch code of networks: NAME.py, NAME_functional.py, NAME_sequential.py.

    Nothing is written where any file has an error.
    """
    _short_lived()
    if stdout and check_only:
        raise click.UsageError("--stdout and --check exclude each other")
    codes = _generated(_paths(files), style, pairs(settings, shape))
    if stdout:
        click.echo("\n\n".join(codes.values()), nl=False)
    elif check_only:
        stale = [name for name, code in codes.items() if not _is_current(output / name, code)]
        for name in stale:
            click.echo(f"{output / name} is not current", err=True)
        if stale:
            _fail("run `netdsl build` without `--check` to write it")
        click.echo(f"{len(codes)} files in {output} are current")
    else:
        _write_all(output, codes)


def _generated(paths: list[Path], chosen: str, settings: dict[str, str]) -> dict[str, str]:
    """The code of every network by file name; ends the program where any has an error."""
    from netdsl.compiler import STYLES, generate

    styles: Iterable[Style] = STYLES if chosen == "all" else [chosen]  # type: ignore[list-item]
    errors: list[Diagnostic] = []
    found: dict[str, Path] = {}
    codes: dict[str, str] = {}
    for path in paths:
        compiled = _compile(path, settings)
        if isinstance(compiled, list):
            errors += compiled
        elif compiled.network is None:
            if len(paths) == 1:
                _fail(f"{path} is a library of blocks: it has no `network` to build")
        else:
            name = compiled.network.network.name
            for style in styles:
                file = _file_name(name, style)
                if file in found:
                    _fail(f"{found[file]} and {path} would both be written to {file}: rename a network")
                found[file] = path
                if not errors:
                    codes[file] = generate(compiled, style)
    if errors:
        _show(errors)
        sys.exit(INPUT_ERROR)
    if not codes:
        _fail(f"there is no network in {', '.join(map(str, paths)) or 'no file'}")
    return codes


def _file_name(name: str, style: str) -> str:
    return f"{name}.py" if style == "module" else f"{name}_{style}.py"


def _is_current(path: Path, code: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == code


def _write_all(output: Path, codes: dict[str, str]) -> None:
    from netdsl.atomic import write

    for name, code in codes.items():
        try:
            write(output / name, code.encode())
        except OSError as error:
            _fail(f"{output / name} can't be written: {error.strerror}")
        click.echo(f"wrote {output / name}")


# --- training ------------------------------------------------------------------------------------


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="FILE [--KEY VALUE]...")
@click.option("--data", metavar="KIND", help="cifar10, cifar100, digits, or folder:PATH.")
@click.option("--epochs", metavar="N", help="How often each training image is seen.")
@click.option("--batch", metavar="N", help="Images in a batch.")
@click.option("--seed", metavar="N", help="The same seed gives the same result on the same machine.")
@click.option(
    "--style",
    type=click.Choice(["module", "functional", "sequential"]),
    default="module",
    show_default=True,
    help="The form of the code that is trained.",
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option(
    "--run", type=click.Path(path_type=Path), help="The run's folder.  [default: runs/NAME, numbered]"
)
@setting_options
def train(
    arguments: tuple[str, ...],
    data: str | None,
    style: str,
    device: str,
    run: Path | None,
    settings: tuple[str, ...],
    shape: str | None,
    **common: str | None,
) -> None:
    """Train a network as its recipe says.

    Every key of the recipe can be overridden, also --validation 5000, --optimizer.lr 0.05,
    --optimizer 'adam(lr=1e-3)', --schedule 'step(at=[6, 8], factor=0.1)', --augment 'flip, crop(4)'.
    """
    file, overrides = recipe_overrides(arguments)
    overrides |= {key: value for key, value in common.items() if value is not None}
    if data is not None:
        overrides["data"] = data_override(data)
    parameters = pairs(settings, shape)
    compiled = _compiled_network(find_file(file), parameters, overrides)

    from netdsl.runs import train_run

    _run(lambda: train_run(compiled, parameters, overrides, style, run, device))


@main.command(name="eval")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--weights", type=click.Choice(["best", "last"]), default="best", show_default=True)
@click.option("--data", metavar="KIND", help="Other data: cifar10, cifar100, digits, folder:PATH.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
def evaluate(run: Path, weights: str, data: str | None, device: str) -> None:
    """Loss and accuracy of a run's weights on the test images."""
    from netdsl.runs import evaluate_run

    _run(lambda: evaluate_run(run, weights, None if data is None else data_override(data), device))


@main.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="A .png file.")
def plot(runs: tuple[Path, ...], output: Path) -> None:
    """Draw the validation accuracy of runs in one picture."""
    if output.suffix.lower() != ".png":
        raise click.BadParameter("the picture is a .png file", param_hint="-o")

    def draw() -> None:
        from netdsl.runtime.plot import compare

        compare(runs, output)
        click.echo(f"wrote {output}")

    _run(draw)


@main.command(name="import-weights")
@click.argument("file")
@click.option("--from", "weights", required=True, type=click.Path(path_type=Path), metavar="WEIGHTS")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="A .safetensors file.")
@setting_options
def import_weights(
    file: str, weights: Path, output: Path, settings: tuple[str, ...], shape: str | None
) -> None:
    """Take over the weights of another implementation (.safetensors, .pth, .pt) for the module style.

    Matched by name where the names are equal, else by position, and only if every shape fits.
    """
    if output.suffix.lower() != ".safetensors":
        raise click.BadParameter("the weights become a .safetensors file", param_hint="-o")
    compiled = _compiled_network(find_file(file), pairs(settings, shape), {})

    def take_over() -> None:
        from netdsl.api import Network
        from netdsl.weights import import_weights

        click.echo(import_weights(Network(compiled), weights, output))

    _run(take_over)


def _run(action: Callable[[], None]) -> None:
    """Runs what needs torch; its errors are shown without a traceback."""
    from netdsl.diagnostics import NetworkError
    from netdsl.runtime.errors import RunError

    try:
        action()
    except RunError as error:
        _fail(str(error), error.help)
    except NetworkError as error:
        _show(error.diagnostics)
        sys.exit(INPUT_ERROR)


# --- arguments and files -------------------------------------------------------------------------


def _short_lived() -> None:
    """Collecting garbage costs a tenth of a process that lives for a fifth of a second."""
    gc.disable()


def find_file(name: str) -> Path:
    from netdsl.files import find

    return find(name)


def _paths(names: tuple[str, ...]) -> list[Path]:
    """The files that arguments name; a folder stands for the .net files in it."""
    paths: list[Path] = []
    for name in names:
        path = find_file(name)
        if path.is_dir():
            inside = sorted(path.glob("*.net"))
            if not inside:
                _fail(f"there is no .net file in {path}")
            paths += inside
        else:
            paths.append(path)
    return paths


def _compile(
    path: Path, settings: dict[str, str], recipe: dict[str, str] | None = None
) -> Compiled | list[Diagnostic]:
    """The compiled file, or its diagnostics."""
    from netdsl.compiler import compile_network
    from netdsl.diagnostics import Diagnostics
    from netdsl.files import read

    diagnostics = Diagnostics()
    source = read(path, diagnostics)
    if source is None:
        return list(diagnostics)
    compiled = compile_network(source, settings, recipe)
    return list(compiled.diagnostics) if compiled.diagnostics else compiled


def _compiled_network(path: Path, settings: dict[str, str], recipe: dict[str, str]) -> Compiled:
    compiled = _compile(path, settings, recipe)
    if isinstance(compiled, list):
        _show(compiled)
        sys.exit(INPUT_ERROR)
    if compiled.network is None:
        _fail(f"{path} is a library of blocks: it has no `network`")
    return compiled


def _show(diagnostics: Iterable[Diagnostic]) -> None:
    texts = [diagnostic.render() for diagnostic in diagnostics]
    for text in texts:
        head, _, rest = text.partition("\n")
        click.echo(click.style(head, fg="red", bold=True) + ("\n" + rest if rest else "") + "\n", err=True)
    count = len(texts)
    click.echo(f"{count} error{'s' if count != 1 else ''}", err=True)


def _fail(message: str, help: str = "") -> NoReturn:
    click.echo(click.style("error:", fg="red", bold=True) + f" {message}", err=True)
    if help:
        click.echo(f"  = help: {help}", err=True)
    sys.exit(INPUT_ERROR)
