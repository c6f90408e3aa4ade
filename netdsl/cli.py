"""The command line's entry point. It starts fast: heavy imports stand inside the commands that need them."""

from __future__ import annotations

import os
import sys
from errno import EIO, ENOSPC

import click

from netdsl import __version__
from netdsl.commands.attack import attack
from netdsl.commands.build import build
from netdsl.commands.check import check
from netdsl.commands.compare import compare
from netdsl.commands.completion import completion
from netdsl.commands.diff import diff
from netdsl.commands.dream import dream
from netdsl.commands.eval import evaluate
from netdsl.commands.explain import explain
from netdsl.commands.export import export
from netdsl.commands.features import features
from netdsl.commands.fmt import fmt
from netdsl.commands.graph import graph
from netdsl.commands.import_weights import import_weights
from netdsl.commands.lesson import lesson
from netdsl.commands.lsp import lsp
from netdsl.commands.new import new
from netdsl.commands.plot import plot
from netdsl.commands.predict import predict
from netdsl.commands.reproduce import reproduce
from netdsl.commands.robustness import robustness
from netdsl.commands.saliency import saliency
from netdsl.commands.shared_errors import fail
from netdsl.commands.shared_report import coloured
from netdsl.commands.shared_signals import ended_by_second_signal
from netdsl.commands.style import style
from netdsl.commands.summary import summary
from netdsl.commands.train import train
from netdsl.commands.watch import watch


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="netdsl %(version)s")
def main() -> None:
    """A language for image networks, with PyTorch code generation.

    FILE is a .net file, or the bare name of a network that comes with netdsl (resnet32).
    """
    click.get_current_context().color = coloured()  # of this command and those below it


for command in (
    check,
    build,
    explain,
    graph,
    train,
    reproduce,
    evaluate,
    predict,
    saliency,
    attack,
    robustness,
    dream,
    style,
    features,
    compare,
    plot,
    lesson,
    export,
    import_weights,
    fmt,
    lsp,
    new,
    completion,
    summary,
    diff,
    watch,
):
    main.add_command(command)


def run() -> None:
    """The program: `main`, and an error of its own where its output finds no place."""
    try:
        try:
            with ended_by_second_signal():
                main()
        finally:
            if not sys.stdout.closed:  # as the language server leaves it
                sys.stdout.flush()
    except OSError as error:
        if error.filename is not None or error.errno not in (ENOSPC, EIO):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter tries once more
        fail(f"the output can't be written: {error.strerror}")
