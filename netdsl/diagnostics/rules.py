"""The rules that diagnostics report: the one list from which slugs, severities and the documentation come."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Literal

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.resources import ERRORS


class Rule(NamedTuple):
    """A rule. Unrelated mistakes that share a code, which is published, have different slugs."""

    code: str
    slug: str

    @property
    def severity(self) -> Literal["error", "warning"]:
        return "warning" if self.code[3] == "7" else "error"

    @property
    def docs(self) -> Path:
        """The documentation of its code, a Markdown file."""
        return ERRORS / f"{self.code}.md"


RULES = (
    Rule("NET100", "unreadable-file"),
    Rule("NET101", "syntax"),
    Rule("NET102", "unclosed-bracket"),
    Rule("NET103", "number"),
    Rule("NET104", "nesting"),
    Rule("NET105", "table"),
    Rule("NET106", "statement"),
    Rule("NET106", "duplicate-statement"),
    Rule("NET106", "missing-statement"),
    Rule("NET106", "not-a-library"),
    Rule("NET201", "undefined-name"),
    Rule("NET201", "undefined-operation"),
    Rule("NET201", "undefined-block"),
    Rule("NET201", "undefined-function"),
    Rule("NET201", "undefined-tensor"),
    Rule("NET201", "undefined-quantity"),
    Rule("NET201", "undefined-variant"),
    Rule("NET201", "undefined-detector"),
    Rule("NET202", "duplicate-name"),
    Rule("NET203", "circular-definition"),
    Rule("NET204", "python-name"),
    Rule("NET301", "argument-names"),
    Rule("NET302", "argument-value"),
    Rule("NET302", "input-shape"),
    Rule("NET302", "number-of-classes"),
    Rule("NET302", "repeat-count"),
    Rule("NET302", "expected-value"),
    Rule("NET302", "parameter-value"),
    Rule("NET303", "expression"),
    Rule("NET304", "order"),
    Rule("NET305", "init"),
    Rule("NET401", "skip-shapes"),
    Rule("NET402", "operation-input"),
    Rule("NET403", "network-output"),
    Rule("NET404", "branch-shapes"),
    Rule("NET404", "shared-weights"),
    Rule("NET501", "recipe"),
    Rule("NET502", "generated-code"),
    Rule("NET503", "style"),
    Rule("NET601", "expectation"),
    Rule("NET602", "limits"),
    Rule("NET701", "unused-name"),
    Rule("NET702", "shadowed-name"),
    Rule("NET703", "bias-before-norm"),
    Rule("NET704", "stride-over-window"),
    Rule("NET705", "receptive-field"),
    Rule("NET706", "unreachable-case"),
    Rule("NET707", "expectation-always-true"),
    Rule("NET708", "no-effect"),
    Rule("NET709", "step-after-logits"),
    Rule("NET710", "channels-last-input"),
    Rule("NET711", "data-mismatch"),
    Rule("NET712", "contradictory-recipe"),
    Rule("NET713", "norm-momentum"),
    Rule("NET714", "linear-on-map"),
)


@cache
def _by_name() -> dict[str, Rule]:
    first = {rule.code: rule for rule in reversed(RULES)}
    return {**first, **{rule.slug: rule for rule in RULES}}


def rule(name: str) -> Rule:
    """The rule of a slug, or the first one of a code. Raises KeyError for others."""
    return _by_name()[name]


def names() -> Iterable[str]:
    """All codes and slugs."""
    return _by_name().keys()
