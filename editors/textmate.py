"""Writes the TextMate grammar of the VS Code extension from the language's own tables.

python -m editors.textmate
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from netdsl.base import atomic
from netdsl.language.init_rules import RULES
from netdsl.language.recipe import CHOICES, KEYS
from netdsl.language.words import (
    CONDITIONAL_WORDS,
    CONTINUATIONS,
    FUNCTIONS,
    INIT_BASES,
    LITERALS,
    OPERATOR_WORDS,
    QUANTITIES,
    STAGE_NAMES,
    STATEMENTS,
    STEPS,
)
from netdsl.ops import OPERATIONS

GRAMMAR = Path(__file__).parent / "vscode" / "syntaxes" / "netdsl.tmLanguage.json"

_NAME = "[A-Za-z_][A-Za-z0-9_]*"
_DECLARATION = "keyword.declaration"
_CHOICES = [name for choices in CHOICES.values() for name in choices]

Rule = dict[str, Any]


def match(scope: str, pattern: str) -> Rule:
    return {"name": f"{scope}.netdsl", "match": pattern}


def words(scope: str, words: Iterable[str], pattern: str = r"\b({})\b") -> Rule:
    """A rule for any of some words; they take the place of `{}` in the pattern."""
    return match(scope, pattern.replace("{}", "|".join(words)))


def captures(*scopes: str) -> Rule:
    """The scopes of the groups of a pattern, in order."""
    return {str(number): {"name": f"{scope}.netdsl"} for number, scope in enumerate(scopes, start=1)}


def groups(pattern: str, *scopes: str) -> Rule:
    return {"match": pattern, "captures": captures(*scopes)}


def region(begin: str, scopes: Iterable[str], end: str, patterns: list[Rule]) -> Rule:
    found = {"begin": begin, "beginCaptures": captures(*scopes), "end": end, "patterns": patterns}
    return {key: value for key, value in found.items() if value}


def include(*rules: str) -> list[Rule]:
    return [{"include": f"#{rule}"} for rule in rules]


def grammar() -> Rule:
    bases = "|".join(INIT_BASES)
    common = (
        "comment text let label argument step condition constant quantity operation function call size number"
        " operator"
    )
    table = [region(r"\{", (), r"\}", include("header", "braces", "common")), *include("common")]
    rules = {
        "recipe": region(
            r"^(train)\s*(\{)",
            [_DECLARATION],
            r"\}",
            include("recipe-key", "argument", "recipe-word", "common"),
        ),
        "recipe-key": words("support.type.property-name", dict.fromkeys(KEYS), r"^\s*(?:{})\b(?!\s*[=(])"),
        "recipe-word": words("support.function", dict.fromkeys(_CHOICES)),
        "initialisation": region(
            rf"^(init)\b(?:\s+({bases})\b)?\s*(\{{)",
            [_DECLARATION, "support.constant"],
            r"\}",
            include("argument", "rule", "common"),
        ),
        "rule": words("support.function", RULES),
        "base": groups(rf"^(init)\s+({bases})\b", _DECLARATION, "support.constant"),
        "table": region(rf"^(stages)\s+({_NAME})", [_DECLARATION, "entity.name.function"], r"(?<=\})", table),
        "header": match("variable.parameter", rf"^\s*{_NAME}(?:\s+{_NAME})*\s*(?=$|#)"),
        "braces": region(r"\{", (), r"\}", include("braces", "common")),
        "definition": groups(rf"^(block|network|variant)\s+({_NAME})", _DECLARATION, "entity.name.type"),
        "statement": words(_DECLARATION, STATEMENTS, r"^(?:{})\b"),
        "common": {"patterns": include(*common.split())},
        "comment": match("comment.line.number-sign", "#.*$"),
        "text": match("string.quoted.double", r'"[^"\n]*"?'),
        "label": groups(rf"\b({_NAME})\s*(:)", "entity.name.label"),
        "argument": groups(rf"\b({_NAME})\s*(=)(?!=)", "variable.parameter", "keyword.operator.assignment"),
        "step": words("keyword.control", [*STEPS, *CONTINUATIONS, "as", "layers"]),
        "condition": words("keyword.operator.word", ["same", *CONDITIONAL_WORDS, *OPERATOR_WORDS]),
        "constant": words("constant.language", [*LITERALS, "in", *STAGE_NAMES, "classes"]),
        "quantity": groups(rf"(?<=expect )\s*({'|'.join(QUANTITIES)})\b", "support.constant"),
        "operation": words("support.function", [*OPERATIONS, "unit"]),
        "function": words("support.function.arithmetic", FUNCTIONS, r"\b({})(?=\()"),
        "call": match("entity.name.function", rf"\b{_NAME}(?=\()"),
        "size": match("constant.numeric.size", r"\b[0-9]+(?:x[0-9]+)+\b"),
        "number": match("constant.numeric", r"\b[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?[kM]?\b"),
        "operator": match("keyword.operator", "==|!=|<=|>=|//|[-+*/<>|]"),
        "let": groups(
            rf"\b(let)\s+({_NAME})\s*(=)",
            _DECLARATION,
            "variable.other.constant",
            "keyword.operator.assignment",
        ),
    }
    return {
        "$schema": "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
        "name": "netdsl",
        "scopeName": "source.netdsl",
        "fileTypes": ["net"],
        "patterns": include(
            *("recipe", "initialisation", "table", "definition", "base", "let", "statement", "common")
        ),
        "repository": rules,
    }


def text() -> str:
    return json.dumps(grammar(), indent=2) + "\n"


if __name__ == "__main__":
    atomic.write(GRAMMAR, text().encode())
