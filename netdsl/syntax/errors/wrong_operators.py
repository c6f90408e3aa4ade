"""Operators of other languages, and those of netdsl."""

from __future__ import annotations

import re

from netdsl.syntax.errors.patterns import ADDITION, TENSORS, Advice, Write

# A number, a name or a call, and products and sums of them.
_ATOM = r"(?:[\w.]+(?:\([^()]*\))?|\([^()]*\))"
_TERM = rf"{_ATOM}(?:\s*(?://|[-+*/])\s*{_ATOM})*"
_CONDITION = rf"{_TERM}(?:\s*(?:[=!<>]=|<|>)\s*{_TERM})?"
_CONDITIONS = rf"(?:not\s+)?{_CONDITION}(?:\s+(?:and|or)\s+(?:not\s+)?{_CONDITION})*"

# A constant that is to change.
_CHANGED = re.compile(rf"(?:let\s+)?(\w+)\s*(?:([-+*]|//?)=(?!=)\s*({_TERM})|(\+\+|--))$")

# Before these, the first two: what is written otherwise in a condition.
_WORDS = (
    (r"\s*\|\|\s*", " or "),
    (r"\s*&&\s*", " and "),
    (r"!\s*(?=[A-Za-z_(])", "not "),
    (r"\s*={3}\s*", " == "),
    (r"\s*(?:!==|<>)\s*", " != "),
    (r"\s*=<\s*", " <= "),
    (r"\bis\s+not\b", "!="),
    (r"\bis\b(?!\s*\()", "=="),
    (r"\bmod\b", "%"),
    (r"(?<=\w)\s*\+\+(?!\s*\w)|(?<=\w)\s*\+=\s*1\b", " + 1"),
    (r"(?<=\w)\s*--(?!\s*\w)|(?<=\w)\s*-=\s*1\b", " - 1"),
    (r"(?<=\w)\s*([-+*]|//?)=(?!=)\s*", r" \1 "),
    (r"\b(AND|OR|NOT)\b", lambda m: m[1].lower()),
)
_CHOICES = (
    (rf"({_TERM})\s+if\s+({_CONDITIONS})\s+else\s+({_TERM})", r"if \2 then \1 else \3"),
    (rf"({_CONDITIONS})\s*\?\s*({_TERM})\s*:\s*({_TERM})", r"if \1 then \2 else \3"),
    (rf"\bif\s+({_CONDITIONS})\s*:\s*({_TERM})\s*(?:else)\s*:?\s*({_TERM})", r"if \1 then \2 else \3"),
    (
        rf"\bif\s+({_CONDITIONS})\s*\{{\s*({_TERM})\s*\}}\s*else\s*\{{\s*({_TERM})\s*\}}",
        r"if \1 then \2 else \3",
    ),
)


def operators(line: str) -> Advice | None:
    """Advice on operators of other languages; None if a line has none."""
    if re.match(r"(for|repeat)\s+\w+\s+in\b", line):
        return None
    if changed := _CHANGED.match(line):
        return _changed(*changed.groups())
    own = line
    for pattern, replacement in _WORDS:
        own = re.sub(pattern, replacement, own)
    named = own != line
    for pattern, template in _CHOICES:
        own = re.sub(pattern, template, own)
    chosen = "then" in own and "then" not in line
    own = re.sub(rf"\b((?:not\s+)?)({_ATOM})\s+(not\s+)?in\s*[\[({{]([^\])}}]+)[\])}}]", _one_of, own)
    powers = own
    own = re.sub(rf"(/\s*)?({_ATOM})\s*(?:\*\*|\^)\s*(\d)\b", _power, own)
    if own == line:
        return None
    if powers != own:
        message = "there is no power operator"
    elif chosen and not named:
        message = "a conditional expression is `if c then a else b`"
    else:
        message = "operators are written differently in netdsl"
    own = re.sub(r"\s*\{$", " { … }", own)
    return Advice(message, Write(own))


def _changed(name: str, operator: str | None, value: str | None, counted: str | None) -> Advice:
    """`n += 1`, `n++`, `x += identity`."""
    if name in TENSORS:
        return ADDITION
    term = f"{name} {operator} {value}" if operator else f"{name} {(counted or '')[0]} 1"
    help = Write(f"let new_{name} = {term}", f", and use `new_{name}` from there on", safe=False)
    return Advice("a constant cannot be changed", help)


def colons(line: str) -> Advice | None:
    """Advice on `residual(32, repeat: 2)`."""

    def named(match: re.Match[str]) -> str:
        before = line[: match.start()]  # outside of parentheses it is a label
        return f"{match[1]}=" if before.count("(") > before.count(")") else match[0]

    own = re.sub(r"(?<=[(,])(\s*\w+)\s*:\s*(?!int\b|float\b|bool\b|str\b)(?=[\w\[(-])", named, line)
    own = re.sub(r"\s*\{$", " { … }", own)
    return (
        Advice("write `=` between an argument and its value", Write(own))
        if own.count("=") > line.count("=")
        else None
    )


def _one_of(match: re.Match[str]) -> str:
    """`stride in [1, 2]`."""
    denied = bool(match[1] or match[3])
    tests = [f"{match[2]} {'!=' if denied else '=='} {value.strip()}" for value in match[4].split(",")]
    return (" and " if denied else " or ").join(tests)


def _power(match: re.Match[str]) -> str:
    base, exponent = match[2], int(match[3])
    if base.isdigit() and len(base) < 4:
        return f"{match[1] or ''}{int(base) ** exponent}"
    product = " * ".join([base] * exponent) or "1"
    return f"{match[1]}({product})" if match[1] else product
