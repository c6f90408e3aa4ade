"""The parser's tables: Lark makes them from the grammar; they are kept beside it as JSON, and run by `lalr`.

`python -m netdsl.syntax.parser_tables` writes them anew after a change of the grammar. Only this needs Lark.
"""

from __future__ import annotations

import json

from lark import Lark
from lark.grammar import Rule
from lark.parsers.lalr_analysis import Shift

from netdsl.base.resources import GRAMMAR, TABLES

STARTS = ("statement", "values", "body", "step", "header", "row", "entry", "init_rule")


def tables() -> str:
    """The tables as JSON text; `lalr.Tables` says what they hold."""
    text = GRAMMAR.read_text(encoding="utf-8")
    lark = Lark(text, parser="lalr", start=list(STARTS), maybe_placeholders=True)
    table = lark.parser.parser._parse_table
    rules = {rule: number for number, rule in enumerate(lark.rules)}
    # Lark numbers the states differently each time; here they have the order in which they are reached.
    order = [table.start_states[name] for name in STARTS]
    for state in order:
        reached = (arg for _, (act, arg) in sorted(table.states[state].items()) if act is Shift)
        order += [new for new in dict.fromkeys(reached) if new not in order]
    numbers = {state: number for number, state in enumerate(order)}
    rows = [
        {
            name: numbers[arg] if act is Shift else -1 - rules[arg]
            for name, (act, arg) in sorted(table.states[state].items())
        }
        for state in order
    ]
    unique = {json.dumps(row): row for row in rows}
    places = {row: place for place, row in enumerate(unique)}
    found = {
        "starts": {
            name: (numbers[table.start_states[name]], numbers[table.end_states[name]]) for name in STARTS
        },
        "rules": [
            (rule.origin.name, len(rule.expansion), _builds(rule), _kept(rule), _inlined(rule))
            for rule in lark.rules
        ],
        "rows": list(unique.values()),
        "states": [places[json.dumps(row)] for row in rows],
    }
    return json.dumps(found, separators=(",", ":")) + "\n"


def _builds(rule: Rule) -> str:
    """The method of `TreeBuilder` for a rule; `*` where its children become those of the rule around it, and
    empty where its value is its only child.
    """
    if rule.origin.name.startswith("_"):
        return "*"
    kept = _kept(rule)
    single = rule.options.expand1 and not rule.alias and len(kept) == 1 and kept[0] >= 0
    return "" if single else rule.alias or rule.origin.name


def _kept(rule: Rule) -> list[int]:
    """The places of the children of a rule's node in its expansion; -1 where an optional part is absent."""
    absent = "".join("1" if empty else "0" for empty in rule.options.empty_indices) or "0" * len(
        rule.expansion
    )
    found = []
    for place, before in enumerate(absent.split("0")):
        found += [-1] * len(before)
        if place < len(rule.expansion) and not getattr(rule.expansion[place], "filter_out", False):
            found.append(place)
    return found


def _inlined(rule: Rule) -> list[int]:
    """The places in a rule's expansion whose children become its own."""
    return [
        n for n, symbol in enumerate(rule.expansion) if not symbol.is_term and symbol.name.startswith("_")
    ]


if __name__ == "__main__":
    from netdsl.base.atomic import write

    write(TABLES, tables().encode())
