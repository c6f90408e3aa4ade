"""The language's own words, each with what an editor says of it."""

from __future__ import annotations

import dataclasses
import inspect
from functools import cache
from typing import NamedTuple, cast

from netdsl.base.values import show
from netdsl.language.argument_types import ArgType, Flag, Mismatch, Word, schema, usage
from netdsl.language.expressions import constant
from netdsl.language.recipe import CHOICES, Recipe

# What `netdsl.language.words.STATEMENTS` begin.
STATEMENT_DOCS = {
    "network": "Names the network; its parameters are constants that `--set` overrides.",
    "input": "The shape of one example, without the batch.",
    "classes": "The number of classes: a constant, and the length of the vector that the network ends in.",
    "order": "What one `unit` is; a `+` says where a `skip` adds.",
    "default": "Default arguments of operations, for the text of this file or of a block.",
    "let": "A constant.",
    "stem": "The first section: steps that run once.",
    "head": "The last section: steps that run once.",
    "layers": "A section: steps that run once, where it stands.",
    "stage": "A row of copies of a block; `stride` goes to the first copy only.",
    "stages": "Several stages of a block as a table: a header of its parameters, a row for each stage.",
    "block": "Defines a block, which is called like an operation.",
    "init": "How weights start: `kaiming` or `pytorch`, and rules that refine it.",
    "train": "The recipe: how the network is trained.",
    "expect": "A fact that the compiler checks.",
    "use": "Brings in the blocks of another file, by its relative path.",
}

STEP_DOCS = {
    "unit": "One layer unit in the network's `order`; its arguments are those of the `conv` in it.",
    "skip": "Skip connection: body(x) + x, or body(x) + shortcut(x) where the body changes the shape.",
    "shortcut": "Takes the place of x in a `skip` whose body changes channels or strides.",
    "add": "Branches on the same input, joined by sum.",
    "concat": "Branches on the same input, joined along the channels.",
    "mul": "Branches on the same input, joined by product.",
    "repeat": "The body so many times; `as i` counts them from 0.",
    "when": "One of the bodies, chosen when the network is compiled.",
    "else": "What stands for the cases that no `when` before it chose.",
    "save": "Names the current tensor.",
    "from": "Goes back to a saved tensor.",
}

EXPRESSION_DOCS = {
    "in": "The number of channels (of features, after `flatten`) that enter the enclosing block.",
    "index": "The number of a block in its stage, from 0.",
    "block_index": "The number of a block among those of all stages, from 0.",
    "block_count": "How many blocks all stages have.",
    "yes": "True.",
    "no": "False.",
    "if": "`if c then a else b`: a value by a condition.",
}

FUNCTION_DOCS = {
    "min": "The smallest of numbers.",
    "max": "The largest of numbers.",
    "floor": "Rounded down.",
    "ceil": "Rounded up.",
    "round": "The nearest whole number, halves to the even one.",
    "sqrt": "The square root.",
    "round_to": "`round_to(x, d)`: the nearest multiple of d, at least d and at least 90 % of x.",
}

KEY_DOCS = {
    "data": "The images.",
    "epochs": "How often training goes through all images.",
    "batch": "How many images a step looks at.",
    "accumulate": "In how many parts a batch goes through the network: less memory, the same step.",
    "optimizer": "How weights follow from gradients.",
    "schedule": "How the learning rate changes over the epochs.",
    "augment": "What happens to an image in each epoch, in this order; or `none`.",
    "average": "Which average of the weights is validated, tested and saved.",
    "loss": "What is made small.",
    "tta": "Test-time augmentation: with `flip`, the mean of an image's logits and its mirror image's.",
    "validation": "How many training images are kept back.",
    "images": "How many of the other images are trained on: all, where it isn't given.",
    "seed": "What all that is random follows from.",
}

QUANTITY_DOCS = {
    "params": "Numbers of all parameters, frozen ones too.",
    "macs": "Multiply-accumulates of convolutions and linear layers, for one example.",
    "depth": "Convolutions and linear layers on the longest path.",
    "receptive_field": "The side of the square of the input that one position of the last map sees.",
    "output": "The shape of the output, as `512x7x7`.",
}

BASE_DOCS = {
    "kaiming": "Normal weights with std = sqrt(2 / fan_in), zero biases, norms 1 and 0.",
    "pytorch": "What torch's layers do by themselves.",
}

INIT_KEY_DOCS = {
    "bias": "The biases of convolutions and linear layers.",
    "last_bn": "The last norm of every skip body.",
}


class Argument(NamedTuple):
    """One argument as an editor shows it. `words` are those that it takes; where `default` is empty the
    argument is required, and `named` ones can't be given by position.
    """

    name: str
    default: str = ""
    expected: str = ""
    words: tuple[str, ...] = ()
    named: bool = False

    @property
    def label(self) -> str:
        return f"{self.name}={self.default}" if self.default else self.name


class Signature(NamedTuple):
    """What can be called: an operation, a block, a function of the recipe."""

    name: str
    arguments: tuple[Argument, ...]
    documentation: str = ""

    @property
    def label(self) -> str:
        if not self.arguments:
            return self.name
        return f"{self.name}({', '.join(argument.label for argument in self.arguments)})"


@cache
def signature(name: str, cls: type) -> Signature:
    """Of a class whose fields are arguments: an operation, an optimizer, a rule of initialisation."""
    return Signature(name, tuple(_argument(field) for field in schema(cls)), documentation(cls))


def _argument(field: dataclasses.Field[object]) -> Argument:
    arg_type = cast(ArgType, field.metadata["type"])
    given = field.default is not dataclasses.MISSING
    default = show(constant(field.default).value) if given else ""
    return Argument(field.name, default, expected(arg_type), words(arg_type), bool(field.kw_only))


def documentation(cls: type) -> str:
    """The first paragraph of a class's docstring, as one line."""
    return " ".join((inspect.getdoc(cls) or "").partition("\n\n")[0].split())


def expected(arg_type: ArgType) -> str:
    """What a type takes, in the words of its errors: no type takes an empty text."""
    refused = arg_type.convert("")
    return refused.expected if isinstance(refused, Mismatch) else ""


def words(arg_type: ArgType | None) -> tuple[str, ...]:
    """The words that a type takes."""
    if isinstance(arg_type, Flag):
        return ("yes", "no")
    return (*arg_type.words, *words(arg_type.other)) if isinstance(arg_type, Word) else ()


def recipe_key(key: str) -> str:
    """What a key of the recipe takes."""
    if key in CHOICES:
        return ", ".join(usage(name, cls) for name, cls in CHOICES[key].items())
    return expected(recipe_type(key))


def recipe_type(key: str) -> ArgType:
    """The type of a key that has no choices."""
    return cast(ArgType, next(f for f in dataclasses.fields(Recipe) if f.name == key).metadata["type"])
