"""Layers, functions and numerals of other languages that are no operation here, and what to write instead."""

from __future__ import annotations

import re

# Layers that have no translation, and what to do instead.
_NO_STEPS = {
    "softmax": "remove it: the loss `cross_entropy` applies the softmax",
    "logsoftmax": "remove it: the loss `cross_entropy` applies the softmax",
    "crossentropyloss": "write the loss in the recipe: `train { loss cross_entropy }`",
    "sequential": "remove it: steps run in the order in which they are written",
    "modulelist": "repeat steps with `repeat 3 { … }`, or blocks with `stage`",
    "input": "write `input 3x32x32` at the top of the file",
    **dict.fromkeys(("pointwise", "pointwiseconv"), "write `conv(out, 1)`"),
    **dict.fromkeys(("separableconv", "separableconv2d"), "write `depthwise(3), conv(out, 1)`"),
    **dict.fromkeys(("groupconv", "groupedconv", "groupconv2d"), "write `conv(out, 3, groups=4)`"),
    **dict.fromkeys(
        ("patchembed", "patchembedding"), "write `conv(768, 16, stride=16, padding=0)` for patches of 16x16"
    ),
    "softmax2d": "remove it: the loss `cross_entropy` applies the softmax",
    **dict.fromkeys(
        (
            "lstm",
            "gru",
            "rnn",
            "embedding",
            "transformer",
            "attention",
            "selfattention",
            "multiheadattention",
        ),
        "remove it: there are no recurrent, embedding or attention layers",
    ),
    **dict.fromkeys(
        ("reshape", "view", "unflatten", "permute", "transpose", "unsqueeze", "einsum"),
        "remove it, or write `flatten`: no other operation changes the order of numbers",
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


def no_step(name: str) -> str:
    """The help for a layer that has no translation; empty if unknown."""
    if join := _JOINS.get(name.lower()):
        return f"write `{join} {{ | a | b }}`, with a branch after each `|`"
    return _NO_STEPS.get(name.lower().replace("_", ""), "")


def numeral(name: str) -> str:
    """The number that a name most likely means: `ten`, or `l6` with a letter for a digit; else empty."""
    if re.fullmatch(r"[OolI0-9]*[0-9][OolI0-9]*", name):
        return str(int(name.translate(str.maketrans("OolI", "0011"))))
    return _NUMERALS.get(name.lower().replace("_", ""), "")
