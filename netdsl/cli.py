"""The command line: the group of all commands and its entry point.

It starts fast: heavy imports are inside the functions of the commands that need them.
"""

from __future__ import annotations

import gc
import os
import sys
from errno import EIO, ENOSPC

import click

from netdsl.base.version import __version__
from netdsl.commands.attack import attack
from netdsl.commands.build import build
from netdsl.commands.check import check
from netdsl.commands.compare import compare
from netdsl.commands.completion import completion
from netdsl.commands.data import data
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
from netdsl.commands.list import list_networks
from netdsl.commands.lr_find import lr_find
from netdsl.commands.lsp import lsp
from netdsl.commands.new import new
from netdsl.commands.plot import plot
from netdsl.commands.predict import predict
from netdsl.commands.report import report
from netdsl.commands.reproduce import reproduce
from netdsl.commands.robustness import robustness
from netdsl.commands.saliency import saliency
from netdsl.commands.serve import serve
from netdsl.commands.shared_errors import fail
from netdsl.commands.shared_help import CommandGroup
from netdsl.commands.shared_report import coloured
from netdsl.commands.shared_signals import ended_by_second_signal
from netdsl.commands.style import style
from netdsl.commands.summary import summary
from netdsl.commands.train import train
from netdsl.commands.tune import tune
from netdsl.commands.watch import watch


@click.group(
    cls=CommandGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 80,
        "show_default": True,
    },
)
@click.version_option(__version__, message="netdsl %(version)s")
def main() -> None:
    """A language for image networks that compiles to PyTorch code.

    FILE is a .net file or the name of a network that comes with netdsl, such as resnet32. RUN is the
    folder of a training run. `netdsl COMMAND --help` describes a command.
    """
    click.get_current_context().color = coloured()  # of this command and its subcommands


main.add_commands("Write networks", new, list_networks, check, explain, fmt, build, watch, serve)
main.add_commands(
    "Train and use networks",
    train,
    lr_find,
    tune,
    evaluate,
    predict,
    compare,
    plot,
    report,
    reproduce,
    lesson,
    export,
    import_weights,
)
main.add_commands("Look inside a trained network", features, saliency, dream, attack, robustness, style)
main.add_commands("Tools", data, summary, graph, diff, lsp, completion)


def run() -> None:
    """Runs `main`; output that can't be written is an error message, not a traceback."""
    # Before torch is imported: its warnings about lost connections have frames of C++.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    _open_closed_streams()
    try:
        try:
            with ended_by_second_signal():
                main()
        finally:
            gc.freeze()  # Python would search torch's objects for garbage at its end, for a second.
            if not sys.stdout.closed:  # the language server closes it
                sys.stdout.flush()
    except OSError as error:
        if error.filename is not None or error.errno not in (ENOSPC, EIO):
            raise
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # the interpreter flushes again at exit
        fail(f"the output can't be written: {error.strerror}")


def _open_closed_streams() -> None:
    """Opens closed standard streams on the null device.

    Otherwise the next file to be opened gets the number of such a stream, and all that is written to it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)  # the lowest free number: that of the stream
            setattr(sys, name, os.fdopen(null, "w" if number else "r", encoding="utf-8"))
