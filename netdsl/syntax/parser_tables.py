"""The parser's tables: made from the grammar once, kept beside it as JSON, loaded in a hundredth of the time.

`python -m netdsl.syntax.parser_tables` writes them anew after a change of the grammar.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

from lark import Lark, Token

from netdsl.base.resources import GRAMMAR, TABLES


class Newlines:
    """Drops the newlines inside ( ) and [ ], where they mean nothing."""

    always_accept = ("_NL",)

    def process(self, stream: Iterable[Token]) -> Iterator[Token]:
        depth = 0
        for token in stream:
            depth += (token.type in ("LPAR", "LSQB")) - (token.type in ("RPAR", "RSQB"))
            if token.type != "_NL" or depth == 0:
                yield token


def make() -> Lark:
    """The parser, made from the grammar's text."""
    return Lark(
        GRAMMAR.read_text(encoding="utf-8"),
        parser="lalr",
        lexer="contextual",
        start=["statement", "values", "body", "step", "header", "row", "entry", "init_rule"],
        propagate_positions=True,
        maybe_placeholders=True,
        postlex=Newlines(),
    )


def load() -> Lark:
    """The parser, from its tables."""
    tables = json.loads(TABLES.read_bytes())
    data, memo = tables["data"], _by_number(tables["memo"])
    table = data["parser"]["parser"]
    table["tokens"] = _by_number(table["tokens"])
    table["states"] = {state: _by_number(actions) for state, actions in _by_number(table["states"]).items()}
    parser: Lark = Lark._load_from_dict(data, memo, postlex=Newlines())  # type: ignore[no-untyped-call]
    return parser


def _by_number(table: dict[str, Any]) -> dict[int, Any]:
    """JSON has no numbers as keys."""
    return {int(key): value for key, value in table.items()}


def fingerprint() -> str:
    """The hash of the grammar, which the tables record."""
    return hashlib.sha256(GRAMMAR.read_bytes()).hexdigest()


def dump(parser: Lark) -> str:
    """The tables as JSON text."""
    from lark.grammar import Rule
    from lark.lexer import TerminalDef

    data, memo = parser.memo_serialize([TerminalDef, Rule])
    data["options"]["postlex"] = None  # given again when the tables are loaded
    tables = {"grammar": fingerprint(), "data": data, "memo": memo}
    return json.dumps(tables, separators=(",", ":")) + "\n"


def are_current() -> bool:
    """Whether the tables were made from the grammar as it is."""
    recorded: str = json.loads(TABLES.read_bytes())["grammar"]
    return recorded == fingerprint()


if __name__ == "__main__":
    from netdsl.base.atomic import write

    write(TABLES, dump(make()).encode())
