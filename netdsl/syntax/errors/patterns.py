"""Patterns of known mistakes and the helps that they give."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from netdsl.language.words import CONTINUATIONS, STEPS
from netdsl.ops import OPERATIONS
from netdsl.other_frameworks.translation import own_value, translated

# The first words of steps that aren't calls, and of their continuations.
WORDS = {*STEPS, *CONTINUATIONS, "if"}
# What tensors are called in Python.
TENSORS = {"x", "y", "h", "z", "out", "output", "net", "res", "identity", "shortcut", "skip", "residual"}
# In a call: a tuple, a text, a tensor, an argument of torch.
LIKE_PYTHON = re.compile(r"[(,=]\s*\(|['\"]|\(\s*[a-z]\s*\)|_size|inplace")


class Advice(NamedTuple):
    """A mistake and the way out. Of a `language` that was pasted only the first line is spoken of."""

    message: str
    help: str
    language: str = ""


# What a line looks like, and what to say of it.
Rule: TypeAlias = tuple[str, Callable[[re.Match[str]], Advice | None]]


def shape(text: str) -> str:
    """`(3, 32, 32)` as the language has it, with the channels first; as it is where it is no shape."""
    text = text.strip()
    if not re.fullmatch(r"[\d\sxX×*,()\[\]]+", text):
        return own_value(text)
    sides = re.findall(r"\d+", text)
    if len(sides) == 3 and sides[2] in ("1", "3") and int(sides[0]) > 4:
        sides = [sides[2], *sides[:2]]
    return "x".join(sides)


def write(message: str, template: str) -> Callable[[re.Match[str]], Advice]:
    """Advice to write the template; the groups of the pattern are filled into it and into the message."""
    return lambda match: Advice(match.expand(message), f"write `{match.expand(template)}`")


def leave_out(message: str, why: str) -> Callable[[re.Match[str]], Advice]:
    return lambda match: Advice(match.expand(message), f"remove it: {why}")


def pasted(message: str, language: str) -> Callable[[re.Match[str]], Advice]:
    help = "write its layers in a section, such as `stem { conv(16, 3), bn, relu }`"
    return lambda match: Advice(match.expand(message), help, language)


def own_step(text: str) -> str:
    """A step as the language writes it, also of another library; empty where it isn't known."""
    text = text.strip().rstrip(";,")
    name = re.match(r"[\w.]*", text)
    own = name and name[0] in OPERATIONS and not LIKE_PYTHON.search(text)
    return text if own else translated(text)


def comment(match: re.Match[str]) -> Advice:
    words = match[1].strip().removesuffix("*/").strip()
    return Advice("a comment starts with `#`", f"write `# {words}`" if words else "write `#`")


def _python(match: re.Match[str]) -> Advice:
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
