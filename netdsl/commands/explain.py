"""`netdsl explain`."""

from __future__ import annotations

import re
import textwrap
from itertools import groupby

import click

from netdsl.commands.shared_report import paint, terminal_width
from netdsl.commands.shared_tables import echo, echo_painted

# Longer lines of prose are hard to read even if the terminal is wider.
_WIDTH = 90


@click.command()
@click.argument("code", required=False)
def explain(code: str | None) -> None:
    """Explain an error or a warning, with examples.

    CODE is a code or a slug, such as NET703 or bias-before-norm. Lists all codes if it is omitted.
    """
    from netdsl.diagnostics import nearest
    from netdsl.diagnostics.rules import names, rule

    if code is None:
        _list()
        return
    known = {name.upper(): name for name in names()}
    name = known.get(code.upper()) or known.get(f"NET{code}")
    if name is None:
        misspelt = not re.fullmatch(r"(NET)?\d+", code)  # no other number is meant by one
        hint = (misspelt and nearest(code, names())) or "`netdsl explain` lists all"
        raise click.BadParameter(f"there is no code `{code}`; {hint}", param_hint="CODE")
    _explain(rule(name).code)


def _list() -> None:
    from netdsl.errors.error_docs import codes, error_doc

    for family, members in groupby(map(error_doc, codes()), key=lambda text: text.family):
        echo(family, bold=True)
        for text in members:
            echo(f"  {text.code}  {text.title} ({', '.join(text.slugs)})")
        echo()
    echo("netdsl explain CODE explains one of them")


def _explain(code: str) -> None:
    from netdsl.diagnostics.render_text import render
    from netdsl.errors.error_docs import error_doc

    terminal = terminal_width(err=False)
    width = min(terminal or _WIDTH, _WIDTH)
    text = error_doc(code)
    echo(f"{text.code}: {text.title}", bold=True)
    echo_painted(f"\n{_laid_out(text.cause, width)}")
    said = "\n\n".join(render(diagnostic, terminal and terminal - 4, paint) for diagnostic in text.emitted)
    _section("Wrong", _laid_out(text.wrong, width))
    _section("What the compiler says", textwrap.indent(said, "    "))
    _section("Right", _laid_out(text.right, width))


def _section(heading: str, text: str) -> None:
    if text:
        echo_painted(f"\n{paint(heading, 'message')}\n\n{text}")


def _laid_out(markdown: str, width: int) -> str:
    """The text with its paragraphs filled to the width and its code indented."""
    shown = []
    for part in re.split(r"^(```.*?^```)$", markdown, flags=re.MULTILINE | re.DOTALL):
        if part.startswith("```"):
            shown.append(textwrap.indent("\n".join(part.splitlines()[1:-1]), "    "))
        else:
            shown += [
                textwrap.fill(paragraph, width) for paragraph in part.strip().split("\n\n") if paragraph
            ]
    return "\n\n".join(shown)
