"""The words of the language, each with its usage and a line of documentation.

This is the only list of them, but for the keys of recipes, which `recipe` has: the parser's advice, hover,
completion, renaming, the Pygments lexer and the TextMate grammar are made from it.
"""

from __future__ import annotations

from netdsl.base.named_tuple import NamedTuple


class Keyword(NamedTuple):
    """The usage of a word, and its documentation in one line."""

    usage: str
    documentation: str


# The first words of statements.
STATEMENTS = {
    "network": Keyword(
        "network name(depth=20)", "Names the network; its parameters are constants that `--set` overrides."
    ),
    "variant": Keyword(
        "variant resnet34(depth=34)", "Another name of the network, with values of its parameters."
    ),
    "input": Keyword("input 3x32x32", "The shape of one example, without the batch."),
    "classes": Keyword(
        "classes 10", "The number of classes: a constant, and the length of the network's output vector."
    ),
    "order": Keyword(
        "order bn, relu, conv", "The operations of one `unit`; `+` marks where a `skip` adds its input."
    ),
    "default": Keyword(
        "default conv(bias=no)", "Default arguments of operations, for the whole file or for a block."
    ),
    "let": Keyword("let n = (depth - 2) / 9", "Defines a constant."),
    "stem": Keyword("stem { conv(16, 3), relu }", "The first section: steps that run once."),
    "head": Keyword(
        "head { global_avgpool, flatten, linear(classes) }", "The last section: steps that run once."
    ),
    "layers": Keyword("layers { conv(16, 3), relu }", "A section between stages: steps that run once."),
    "stage": Keyword(
        "stage residual(16, repeat=5, stride=2)",
        "A sequence of copies of a block; `stride` applies to the first copy only.",
    ),
    "stages": Keyword(
        "stages residual { … }",
        "Several stages of one block as a table: the header names parameters, each row is a stage.",
    ),
    "block": Keyword(
        "block name(out, stride=1) { … }", "Defines a block, which is called like an operation."
    ),
    "output": Keyword(
        "output a, b", "The saved tensors that the network returns, in order; `when training`: only then."
    ),
    "detect": Keyword(
        "detect yolo(anchors=[32x32, 64x64])",
        "The outputs are those of a detector of boxes: `yolo` with anchors, or `fcos`.",
    ),
    "init": Keyword("init kaiming", "Initialisation of the weights: `kaiming` or `pytorch`, and rules."),
    "train": Keyword("train { … }", "The recipe: how the network is trained."),
    "expect": Keyword("expect params < 125k", "A property of the network that the compiler checks."),
    "use": Keyword('use "blocks.net"', "Imports the blocks of another file, by its relative path."),
}
SECTIONS = ("stem", "head", "layers")

# The first words of steps that aren't calls.
STEPS = {
    "skip": Keyword(
        "skip { … }",
        "Skip connection: body(x) + x, or body(x) + shortcut(x) where the body changes the shape.",
    ),
    "add": Keyword("add { | … | … }", "Sum of branches that have the same input."),
    "concat": Keyword(
        "concat { | … | … }", "Branches that have the same input, concatenated along the channels."
    ),
    "mul": Keyword("mul { | … | … }", "Product of branches that have the same input."),
    "repeat": Keyword("repeat 3 as i { … }", "Repeats the body; `as i` counts the repetitions from 0."),
    "each": Keyword(
        "each a, b { … }",
        "One body with the same weights on each saved tensor, whose name then means its result.",
    ),
    "when": Keyword("when stride == 1 { … }", "Selects one of several bodies at compile time."),
    "save": Keyword("save name", "Names the current tensor; directly in a section, to the end of the file."),
    "from": Keyword("from name", "Continues from a saved tensor."),
    "let": Keyword("let h = in * 4", "Defines a constant, from here to the end of the body."),
    "default": STATEMENTS["default"],
}
JOINS = ("add", "concat", "mul")
# The words that continue a step after its first body.
CONTINUATIONS = {
    "shortcut": Keyword(
        "shortcut { … }", "Replaces x in a `skip` whose body changes the number of channels or the size."
    ),
    "else": Keyword("else { … }", "The body for the cases that no `when` before it selects."),
}
UNIT = Keyword(
    "unit(16, 3)", "One layer of the network's `order`; its arguments are those of the `conv` in it."
)

# Names that every body knows, and those that only the arguments of a stage know.
IN = Keyword(
    "in",
    "The number of input channels (of features, after `flatten`) of the enclosing block or `each`.",
)
STAGE_NAMES = {
    "index": Keyword("index", "The index of a block in its stage, from 0."),
    "block_index": Keyword("block_index", "The index of a block among those of all stages, from 0."),
    "block_count": Keyword("block_count", "The number of blocks of all stages."),
}
TRAINING = Keyword("training", "In the condition of an `output`: whether the network is trained.")
LITERALS = {"yes": Keyword("yes", "True."), "no": Keyword("no", "False.")}
CONDITIONAL = Keyword("if c then a else b", "`if c then a else b`: a value that depends on a condition.")
CONDITIONAL_WORDS = ("if", "then", "else")
OPERATOR_WORDS = ("and", "or", "not")
FUNCTIONS = {
    "min": Keyword("min(a, b)", "The smallest of the numbers."),
    "max": Keyword("max(a, b)", "The largest of the numbers."),
    "floor": Keyword("floor(a)", "Rounds down."),
    "ceil": Keyword("ceil(a)", "Rounds up."),
    "round": Keyword("round(a)", "Rounds to the nearest whole number, halves to the even one."),
    "sqrt": Keyword("sqrt(a)", "The square root."),
    "round_to": Keyword(
        "round_to(x, d)", "`round_to(x, d)`: the nearest multiple of d, at least d and at least 90 % of x."
    ),
}

QUANTITIES = {
    "params": "The number of parameters, frozen ones included.",
    "macs": "Multiply-accumulates of convolutions and linear layers, for one example.",
    "depth": "The number of convolutions and linear layers on the longest path.",
    "receptive_field": "The side of the square of the input that one position of the last map depends on.",
    "output": "The shape of the output, such as `512x7x7`.",
}
INIT_BASES = {
    "kaiming": "Normal weights with std = sqrt(2 / fan_in), zero biases, norms 1 and 0.",
    "pytorch": "The default initialisation of PyTorch's layers.",
}
INIT_KEYS = {
    "bias": "The biases of convolutions and linear layers.",
    "last_bn": "The last norm of every skip body.",
}

# The settings that aren't parameters of the network: the shape of the input, and the name of a variant.
INPUT, VARIANT = "input", "variant"

# Words that cannot be the name of anything.
RESERVED = {*STATEMENTS, *STEPS, *CONTINUATIONS, *LITERALS, *CONDITIONAL_WORDS, *OPERATOR_WORDS, "as"}
