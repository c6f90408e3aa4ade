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
from netdsl.commands.shared_errors import fail
from netdsl.commands.shared_help import CommandGroup, LaterCommand
from netdsl.commands.shared_report import coloured
from netdsl.commands.shared_signals import ended_by_second_signal

# The commands under their headings, each with the first line of its help; a command's module is imported when
# it is called.
_COMMANDS = {
    "Write networks": {
        "new": "Write NAME.net, a network to start from.",
        "list": "List the networks that come with netdsl.",
        "check": "Check networks: syntax, names, arguments, shapes and recipe.",
        "explain": "Explain an error or a warning, with examples.",
        "fmt": "Format .net files.",
        "build": "Write the PyTorch code of networks.",
        "watch": "Check and build a network on every save, until Ctrl-C.",
        "serve": "Show a network in the browser, again on every save.",
    },
    "Train and use networks": {
        "train": "Train a network, or several as an experiment.",
        "lr-find": "Suggest a learning rate, from a short training.",
        "tune": "Search for the best parameters and recipe.",
        "eval": "Evaluate a run on the test images.",
        "predict": "Predict classes of images or pixels, or boxes.",
        "compare": "Compare runs: size, accuracy and time.",
        "plot": "Draw the validation accuracy of runs in one picture.",
        "report": "Write an HTML page of a run, with curves and mistakes.",
        "reproduce": "Train a run again from its record, and compare the results.",
        "lesson": "Run an experiment of a course.",
        "export": "Export a trained network to ONNX or torch, and check it.",
        "import-weights": "Convert weights of another implementation for a network.",
    },
    "Look inside a trained network": {
        "features": "Draw filters, activations, an embedding and mistakes.",
        "saliency": "Draw which pixels the score of a class depends on.",
        "dream": "Draw images for which the score of a class is high.",
        "attack": "Change images slightly so that they are misclassified.",
        "robustness": "Measure the accuracy of runs on attacked test images.",
        "style": "Paint the content of one image in the style of another.",
    },
    "Tools": {
        "data": "Show what a folder of images holds.",
        "summary": "Show shapes, parameters and cost of a network's parts.",
        "graph": "Draw a network as SVG, PNG or HTML.",
        "diff": "Compare two networks, and list which weights fit both.",
        "lsp": "Run the language server for editors, over standard IO.",
        "completion": "Print the script that enables completion in a shell.",
    },
}


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


for _heading, _lines in _COMMANDS.items():
    main.add_commands(_heading, *(LaterCommand(name, line) for name, line in _lines.items()))


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
