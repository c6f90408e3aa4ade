"""Helps for known mistakes of syntax, and for text of other languages."""

from __future__ import annotations

import re

from netdsl.syntax.errors.patterns import Advice, Rule, applied, shape
from netdsl.syntax.errors.wrong_lines import LINES
from netdsl.syntax.errors.wrong_operators import colons, operators
from netdsl.syntax.errors.wrong_statements import OF_STATEMENT, STATEMENTS
from netdsl.syntax.errors.wrong_steps import STEPS

__all__ = ["Advice", "advice", "shape"]

# Longer lines are not examined, to bound the cost.
_LONGEST = 400

# By the rule of the grammar, or the first word of a statement.
_RULES: dict[str, list[Rule]] = {**OF_STATEMENT, **LINES, "statement": STATEMENTS, "step": STEPS}


def advice(text: str, rule: str) -> Advice | None:
    """Advice on a text that doesn't match a rule of the grammar, or the statement of that name;
    None if no known mistake is found.
    """
    line = re.sub(r'("[^"]*"|[^"#])#.*', r"\1", text.strip().split("\n", 1)[0]).strip()
    if len(line) > _LONGEST:
        return None
    if (
        re.match(r"\w", line)
        and not re.search(r"//|;|['\"]", line)
        and (found := colons(line) or operators(line))
    ):
        return found
    return next(filter(None, (applied(known, line) for known in _RULES.get(rule, ()))), None)
