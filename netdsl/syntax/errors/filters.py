"""Texts of other notations as the language writes them, by the names that tables of mistakes use.

Each function returns an empty text for what it doesn't know.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from netdsl.language.words import CONTINUATIONS, STEPS
from netdsl.ops import OPERATIONS
from netdsl.other_frameworks.recipe_lines import own_choice
from netdsl.other_frameworks.translation import own_name, own_shape, split, translated
from netdsl.other_frameworks.untranslated import joined

# The first words of steps that aren't calls, and of their continuations.
WORDS = {*STEPS, *CONTINUATIONS, "if"}
# In a call: a tuple, a text, a tensor, an argument of torch.
LIKE_PYTHON = re.compile(r"[(,=]\s*\(|['\"]|\(\s*[a-z]\s*\)|_size|inplace")


def own_step(text: str) -> str:
    """A step, translated from another library if needed."""
    text = text.strip().rstrip(";,")
    name = re.match(r"[\w.]*", text)
    own = name and name[0] in OPERATIONS and not LIKE_PYTHON.search(text)
    return text if own else translated(text)


def own_operation(name: str) -> str:
    """The operation of a name; the name itself if it is of no step."""
    own = name if name in OPERATIONS else own_name(name) or name
    return "" if own in WORDS else own


def _plain(text: str) -> str:
    """`res-net` as a name."""
    name = re.sub(r"\W+", "_", text.strip(" \"'{:")).strip("_")
    return f"net_{name}" if name[:1].isdigit() else name


def _only(pattern: str, text: str) -> str:
    """The first group of a pattern."""
    found = re.fullmatch(pattern, text)
    return found[1] if found else ""


def _shape(text: str) -> str:
    own = own_shape(text)
    return own if re.fullmatch(r"\w+", own) else ""


def _percent(text: str) -> str:
    return str(500 * int(text)) if re.fullmatch(r"\d{1,2}", text) else ""


FILTERS: dict[str, Callable[[str], str]] = {
    "step": own_step,
    "operation": own_operation,
    "convolution": lambda name: "conv" if own_operation(name) == "conv" else "",
    "row": lambda name: own if (own := own_operation(name.rpartition(".")[2]).lower()) in OPERATIONS else "",
    "known": lambda name: name if name in OPERATIONS else "",
    "concat": lambda text: joined("concat", split(text)),
    "choice": lambda name: own_choice(name) or name,
    "shape": _shape,
    "plain": _plain,
    "renamed": lambda text: "" if _plain(text) == text or re.search(r"[(;]", text) else _plain(text),
    "member": lambda text: text[1:],
    "number": lambda text: _only(r"[a-wyzxX×* ]*(\d+)x?", text),
    "thousands": lambda text: re.sub(r"\D", "", _only(r"(\d{1,3}(?:[,_' ]\d{3})+)", text)),
    "images": _percent,
    "order": lambda text: ", ".join(re.findall(r"\+|\w+(?:\([^()]*\))?", text)),
    "path": lambda text: _only(r"[\"'“” ]*([\w./ -]+?)[\"'“” ]*", text),
    "folder": lambda text: _only(r"[\"']?([\w~-]*[./][^\s\"',]*)[\"']?", text),
    "library": lambda text: _only(r"[\"']?([\w./-]+\.net)\b.*", text),
    "rule": lambda text: _only(r"((?:(?:kaiming|xavier)_\w+|\w*normal|\w*uniform)(?:\(.*\))?)", text),
    "comment": lambda text: text.removesuffix("*/").removesuffix('""').strip("* \"'"),
}
