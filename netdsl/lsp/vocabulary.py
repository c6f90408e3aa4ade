"""Signatures and expected values of operations, rules and recipe keys, as an editor shows them."""

from __future__ import annotations

import dataclasses
import inspect
from functools import cache
from typing import cast

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.values import show
from netdsl.language.argument_types import ArgType, ClassWeights, Flag, Maybe, Word, expected, schema, usage
from netdsl.language.expressions import constant
from netdsl.language.recipe import CHOICES, key_type


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
    """The signature of an operation, a block or a function of the recipe."""

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


def words(arg_type: ArgType | None) -> tuple[str, ...]:
    """The words that a type takes."""
    if isinstance(arg_type, Flag):
        return ("yes", "no")
    if isinstance(arg_type, ClassWeights):
        return arg_type.words
    if isinstance(arg_type, Maybe):
        return ("none", *words(arg_type.other))
    return (*arg_type.words, *words(arg_type.other)) if isinstance(arg_type, Word) else ()


def recipe_key(key: str) -> str:
    """The values that a key of the recipe takes."""
    if key in CHOICES:
        return ", ".join(usage(name, cls) for name, cls in CHOICES[key].items())
    arg_type = key_type(key)
    return "" if arg_type is None else expected(arg_type)
