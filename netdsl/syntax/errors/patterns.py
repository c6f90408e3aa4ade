"""Rules for known mistakes, and what they share."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from netdsl.language.words import CONTINUATIONS, STEPS
from netdsl.ops import OPERATIONS
from netdsl.other_frameworks.translation import own_value, translated

# The first words of steps that aren't calls, and of their continuations.
WORDS = {*STEPS, *CONTINUATIONS, "if"}
# Usual names of tensors in Python.
TENSORS = {"x", "y", "h", "z", "out", "output", "net", "res", "identity", "shortcut", "skip", "residual"}
# In a call: a tuple, a text, a tensor, an argument of torch.
LIKE_PYTHON = re.compile(r"[(,=]\s*\(|['\"]|\(\s*[a-z]\s*\)|_size|inplace")


class Write(NamedTuple):
    """A text in place of a line, and why. `…` is the body that the line opens. A guess is not `safe`."""

    text: str
    why: str = ""
    safe: bool = True


class Advice(NamedTuple):
    """A message and a help. Of pasted code in another `language` only the first line is reported."""

    message: str
    help: str | Write
    language: str = ""


# A pattern of wrong lines, and their advice: a message and a help into which the groups of the pattern are
# filled, or a function of the match.
Rule: TypeAlias = tuple[str, str, str | Write] | tuple[str, Callable[[re.Match[str]], Advice | None]]


def shape(text: str) -> str:
    """`(3, 32, 32)` as the language writes it, with the channels first; unchanged if it isn't a shape."""
    text = text.strip()
    if not re.fullmatch(r"[\d\sxX×*,()\[\]]+", text):
        return own_value(text)
    sides = re.findall(r"\d+", text)
    if len(sides) == 3 and sides[2] in ("1", "3") and int(sides[0]) > 4:
        sides = [sides[2], *sides[:2]]
    return "x".join(sides)


def applied(rule: Rule, line: str) -> Advice | None:
    """The advice of a rule on a line; None where the rule doesn't match it."""
    match = re.match(rule[0], line)
    if match is None:
        return None
    if len(rule) == 2:
        return rule[1](match)
    help = rule[2]
    if isinstance(help, Write):
        return Advice(match.expand(rule[1]), help._replace(text=match.expand(help.text)))
    return Advice(match.expand(rule[1]), match.expand(help))


def pasted(message: str, language: str) -> Callable[[re.Match[str]], Advice]:
    help = "write its layers in a section, such as `stem { conv(16, 3), bn, relu }`"
    return lambda match: Advice(match.expand(message), help, language)


def own_step(text: str) -> str:
    """A step in the language, translated from another library if needed; empty if unknown."""
    text = text.strip().rstrip(";,")
    name = re.match(r"[\w.]*", text)
    own = name and name[0] in OPERATIONS and not LIKE_PYTHON.search(text)
    return text if own else translated(text)


def comment(match: re.Match[str]) -> Advice:
    words = match[1].strip().removesuffix("*/").strip()
    return Advice("a comment starts with `#`", Write(f"# {words}") if words else Write("#"))


# Packages that programs of PyTorch and Keras import.
_LIBRARIES = {"torch", "torchvision", "tensorflow", "keras", "numpy", "math", "timm", "jax", "os", "typing"}


def _python(match: re.Match[str]) -> Advice:
    own = re.fullmatch(r"(?:from|import)\s+([a-z_]\w*)(?:\s+import\s+[\w, *]+)?", match.string)
    if own and own[1] not in _LIBRARIES:
        return Advice(f"`{match[1]}` is Python syntax", Write(f'use "{own[1]}.net"'))
    help = {
        "class": "write `network NAME` for a network, and `block NAME(out) { … }` for a block",
        "def": "remove it: steps run in the order in which they are written",
        "return": "remove it: a body returns the output of its last step",
    }.get(match[1], "remove it: netdsl generates the Python code")
    return Advice(f"`{match[1]}` is Python syntax", help, "Python")


ADDITION = Advice("tensors are not added by `+`", "put the steps before it into `skip { … }`")
COMMENTS: list[Rule] = [(r"(?://|/\*+|--|%|'''|\"\"\"|\*/)\s?(.*)", comment)]
PYTHON: list[Rule] = [
    (r"(import|class|def|return|super|print|assert|with|try|del|lambda|async|@\w+)\b", _python),
    (r"(from)\s+[\w.]+\s+import\b", _python),
    (r"(if)\s+__name__", _python),
]
