"""The reference of the commands, from the commands themselves."""

from __future__ import annotations

import inspect
import re

import click

from netdsl.cli import main


def page() -> str:
    """All commands by their headings: usage, help, arguments and options."""
    context = click.Context(main)
    parts = ["# Commands\n", "What `netdsl COMMAND --help` shows, on one page.\n"]
    for heading, commands in main.headings.items():
        parts.append(f"## {heading}\n")
        loaded = (main.get_command(context, str(command.name)) for command in commands)
        parts += [_command(command) for command in loaded if command]
    return "\n".join(parts)


def _command(command: click.Command) -> str:
    context = click.Context(command, info_name=f"netdsl {command.name}", parent=None)
    usage = " ".join(command.collect_usage_pieces(context))
    groups: dict[str, list[str]] = {}
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option) and (record := parameter.get_help_record(context)):
            row = f"| `{record[0]}` | {_cell(record[1])} |"
            groups.setdefault(getattr(parameter, "heading", "Options"), []).append(row)
    tables = [f"| {title} | |\n| --- | --- |\n" + "\n".join(rows) + "\n" for title, rows in groups.items()]
    text = _text(inspect.cleandoc(command.help or ""))
    head = f"### `netdsl {command.name}` {{ #{command.name} }}\n\n```text\nnetdsl {command.name} {usage}\n```"
    return f"{head}\n\n{text}\n\n" + "\n".join(tables)


def _text(help: str) -> str:
    """The help's paragraphs; those that click leaves as they are stay so."""
    paragraphs = []
    for paragraph in help.split("\n\n"):
        if paragraph.startswith("\b"):
            paragraphs.append("```text\n" + paragraph.strip("\b\n") + "\n```")
        else:
            paragraphs.append(_escaped(paragraph))
    return "\n\n".join(paragraphs)


def _escaped(text: str) -> str:
    """Markdown's characters as they are, outside of code."""
    return re.sub(r"(`[^`]*`)|([<>*_\[\]])", lambda match: match[1] or f"\\{match[2]}", text)


def _cell(text: str) -> str:
    return _escaped(" ".join(text.split())).replace("|", "\\|")
