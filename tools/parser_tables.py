"""Writes `netdsl/parser_tables.py` from `grammar/netdsl.lark`: loading the tables takes a tenth of making them.

`python tools/parser_tables.py` writes, `--check` fails where the file is not what the grammar gives.
"""

from __future__ import annotations

import sys
from pathlib import Path
from pprint import pformat

from lark.grammar import Rule
from lark.lexer import TerminalDef

from netdsl.parse import new_parser
from netdsl.resources import GRAMMAR

OUTPUT = Path(__file__).resolve().parent.parent / "netdsl" / "parser_tables.py"


def tables() -> str:
    """The module's text: the parser's state as plain literals."""
    data, memo = new_parser(GRAMMAR.read_text()).memo_serialize([TerminalDef, Rule])
    data["options"]["postlex"] = None  # given again when the tables are loaded
    # Sets have no order of their own: sorted, so that the file doesn't depend on the hash seed.
    return (
        '"""The parser, made from grammar/netdsl.lark by tools/parser_tables.py. Not edited by hand."""\n\n'
        "# ruff: noqa: E501\n"
        f"DATA = {pformat(data, width=100, compact=True)}\n"
        f"MEMO = {pformat(memo, width=100, compact=True)}\n"
    )


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if OUTPUT.read_text() == tables() else f"{OUTPUT.name} is not current: run {sys.argv[0]}")
    OUTPUT.write_text(tables())
