"""Layers, functions and numerals of other languages that are no operation here, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Sequence

from netdsl.base.named_tuple import NamedTuple
from netdsl.ops import OPERATIONS

# Names of the layer that applies an activation, which is its argument.
ACTIVATIONS = ("activation", "act", "nonlinearity")


class Untranslated(NamedTuple):
    """The steps in place of a layer that has no translation, or none where it is to be removed, and why."""

    steps: str
    why: str
    safe: bool = False

    @property
    def help(self) -> str:
        return f"{f'write `{self.steps}`' if self.steps else 'remove it'}{self.why}"


_SOFTMAX = Untranslated("", ": the loss `cross_entropy` applies the softmax", safe=True)
# In the steps, `{0=16}` is the layer's first argument, or 16 where it has none.
_NO_STEPS = {
    **dict.fromkeys(("softmax", "softmax2d", "logsoftmax"), _SOFTMAX),
    "crossentropyloss": Untranslated("", ", and write `loss cross_entropy` in the recipe", safe=True),
    "sequential": Untranslated("", ": steps run in the order in which they are written"),
    "modulelist": Untranslated("", ", and repeat steps with `repeat 3 { … }`, or blocks with `stage`"),
    "input": Untranslated("", ", and write `input 3x32x32` at the top of the file"),
    **dict.fromkeys(("pointwise", "pointwiseconv"), Untranslated("conv({0=16}, 1)", "")),
    **dict.fromkeys(
        ("separableconv", "separableconv2d"), Untranslated("depthwise({1=3}), conv({0=16}, 1)", "")
    ),
    **dict.fromkeys(
        ("groupconv", "groupedconv", "groupconv2d"), Untranslated("conv({0=16}, {1=3}, groups=4)", "")
    ),
    **dict.fromkeys(
        ("patchembed", "patchembedding"),
        Untranslated("conv({0=768}, {1=16}, stride={1=16}, padding=0)", ", for patches of this size"),
    ),
    **dict.fromkeys(
        ("lstm", "gru", "rnn", "embedding"),
        Untranslated("", ": there are no recurrent or embedding layers"),
    ),
    **dict.fromkeys(
        ("transformer", "transformerencoder"), Untranslated("", ", and write its blocks with `attention`")
    ),
    "multiheadattention": Untranslated("attention({1=8})", ": the channels are known"),
    "selfattention": Untranslated("attention({0=8})", ""),
    **dict.fromkeys(
        ("reshape", "view", "unflatten", "permute", "transpose", "unsqueeze", "einsum"),
        Untranslated("flatten", " or remove it: no other operation changes the order of numbers"),
    ),
}
_NUMERALS = {
    "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8",
    "nine": "9", "ten": "10", "sixteen": "16", "twenty": "20", "thirtytwo": "32", "fifty": "50",
    "sixtyfour": "64", "hundred": "100",
}  # fmt: skip
# Functions of other languages, by those of ours or operators of their arguments.
FUNCTIONS = {
    **dict.fromkeys(("int", "trunc"), "floor({0})"),
    **dict.fromkeys(("pow", "square"), "{0} * {0}"),
    **dict.fromkeys(("make_divisible", "_make_divisible"), "round_to({0}, {1})"),
    **dict.fromkeys(("clip", "clamp"), "min(max({0}, {1}), {2})"),
    "maximum": "max({0}, {1})",
    "minimum": "min({0}, {1})",
    "abs": "max({0}, -{0})",
    "mod": "{0} - {0} // {1} * {1}",
}
_JOINS = {"cat": "concat", "concatenate": "concat", "concatenation": "concat", "multiply": "mul"}
# Names of the tensor that a step gets.
_CURRENT = ("x", "input", "inputs", "identity")


def no_step(name: str, arguments: Sequence[str] = ()) -> Untranslated | None:
    """Replacement for a layer that has no translation; None if it is unknown."""
    if name.lower() in ACTIVATIONS and arguments:
        return no_step(arguments[0].strip("\"'"))
    if join := _JOINS.get(name.lower()):
        return Untranslated(joined(join, arguments), ", with a branch after each `|`", safe=bool(arguments))
    found = _NO_STEPS.get(name.lower().replace("_", ""))
    if name.lower().startswith("patch") and all(map(str.isdigit, arguments)):  # the channels, and the side
        arguments = sorted(arguments, key=int, reverse=True)

    def argument(match: re.Match[str]) -> str:
        given = arguments[int(match[1])] if int(match[1]) < len(arguments) else ""
        return given if re.fullmatch(r"\w+", given) else match[2]

    return found and found._replace(steps=re.sub(r"{(\d)=(\w+)}", argument, found.steps))


def joined(join: str, tensors: Sequence[str]) -> str:
    """A join of the current tensor and saved ones, by name."""
    names = [name.strip("[]() ") for name in tensors]
    branches = [
        "identity" if name in _CURRENT else name if name in OPERATIONS else f"from {name}"
        for name in names
        if name.isidentifier()
    ]
    if len(branches) < 2:
        branches = ["identity", *(branches or ["…"])]
    return f"{join} {{ | {' | '.join(branches)} }}"


def numeral(name: str) -> str:
    """The number that a name most likely means: `ten`, or `l6` with a letter for a digit; else empty."""
    if re.fullmatch(r"[OolI0-9]*[0-9][OolI0-9]*", name):
        return str(int(name.translate(str.maketrans("OolI", "0011"))))
    return _NUMERALS.get(name.lower().replace("_", ""), "")
