"""Completion: the candidates at a place, which also tell the meaning of a word there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Source
from netdsl.language.init_rules import RULES
from netdsl.language.recipe import CHOICES, KEYS, LISTS, key_type
from netdsl.language.words import (
    CONDITIONAL,
    CONDITIONAL_WORDS,
    CONTINUATIONS,
    FUNCTIONS,
    IN,
    INIT_BASES,
    INIT_KEYS,
    INPUT,
    LITERALS,
    OPERATOR_WORDS,
    QUANTITIES,
    SECTIONS,
    STAGE_NAMES,
    STATEMENTS,
    STEPS,
    TRAINING,
    UNIT,
    Keyword,
)
from netdsl.lsp.cursor_context import Bracket, Context, context_at
from netdsl.lsp.vocabulary import (
    Argument,
    Signature,
    recipe_key,
    signature,
    words,
)
from netdsl.ops import OPERATIONS
from netdsl.resolve.bindings import Symbol
from netdsl.resolve.last_norm import roles

Kind: TypeAlias = Literal[
    "keyword", "operation", "block", "argument", "name", "function", "word", "label", "file"
]

# The contexts in which the names of a body are known.
_WITH_BODIES = (*SECTIONS, "stage", "stages", "block")


class Candidate(NamedTuple):
    """A word that is possible at a place; `insert` is the text to insert if it is more than the word."""

    name: str
    kind: Kind
    detail: str = ""
    documentation: str = ""
    insert: str = ""


@dataclass(frozen=True)
class Known:
    """The names known to a file. `saved` are the tensors that its sections save, `files` returns the `.net`
    files that a `use` can import.
    """

    blocks: Mapping[str, Symbol] = field(default_factory=dict)
    constants: Mapping[str, Symbol] = field(default_factory=dict)
    labels: Iterable[str] = ()
    saved: Iterable[str] = ()
    files: Callable[[], Iterable[str]] = tuple


def complete(source: Source, offset: int, known: Known) -> list[Candidate]:
    """The candidates at a place, the likeliest first, each word once."""
    found: dict[str, Candidate] = {}
    for candidate in candidates(context_at(source, offset), known):
        found.setdefault(candidate.name, candidate)
    return list(found.values())


def candidates(context: Context, known: Known) -> Iterator[Candidate]:
    if context.inside:
        if context.inside == "text" and context.statement == "use":
            yield from (Candidate(path, "file") for path in known.files())
        return
    top = context.brackets[-1]
    if top.opening == "(":
        yield from _in_call(context, top, known)
    elif top.opening == "[":
        yield from _expression(context, known)
    elif top.opening == "{" and context.statement == "train":
        yield from _recipe(context.clause)
    elif top.opening == "{" and context.statement == "init":
        yield from _rules(context.clause, known)
    elif top.opening == "{" and top.head[:1] == ("stages",):
        yield from _table(context, top, known)
    elif top.opening == "{":
        yield from _step(context, known)
    elif not context.clause:
        yield from _keywords(STATEMENTS)
    else:
        yield from _statement(context, known)


def _keywords(words: Mapping[str, Keyword], kind: Kind = "keyword") -> Iterator[Candidate]:
    return (Candidate(word, kind, *keyword) for word, keyword in words.items())


# statements


def _statement(context: Context, known: Known) -> Iterator[Candidate]:
    """After the first word of a statement."""
    first, *rest = context.clause
    match first:
        case "stage" | "stages" if not rest:
            yield from _blocks(known)
            yield from _constants(known)
        case "order" if len(rest) < 1:
            yield from _operations()
            yield from _blocks(known)
        case "default" if not rest:
            yield from _operations()
        case "init" if not rest:
            yield from (Candidate(word, "word", "", doc) for word, doc in INIT_BASES.items())
        case "expect" if not rest:
            yield from (Candidate(word, "word", "", doc) for word, doc in QUANTITIES.items())
        case "let" if rest[1:2] == ["="] and _operand(rest[2:]):
            yield from _expression(context, known)
            yield from _values(known)
        case "expect" if len(rest) > 1 and _operand(rest[2:]):
            yield from _expression(context, known)
        case "classes" | "input" if _operand(rest):
            yield from _expression(context, known)
        case "output" if "when" in rest and _operand(rest[rest.index("when") + 1 :]):
            yield Candidate("training", "word", *TRAINING)
            yield from _expression(context, known)
        case "output" if not rest or "when" not in rest:
            yield from (Candidate(name, "name", "saved tensor") for name in known.saved if name not in rest)
            if rest:
                yield Candidate("when", "keyword", "when training", "Outputs of training only.")


def _operand(before: list[str] | tuple[str, ...]) -> bool:
    """True if an operand is expected after the words before it in an expression."""
    operators = (*OPERATOR_WORDS, *CONDITIONAL_WORDS, "=")
    return not before or before[-1] in operators or not (before[-1][0].isalnum() or before[-1][-1] in ')]}"_')


def _table(context: Context, table: Bracket, known: Known) -> Iterator[Candidate]:
    """The header of a table names the block's parameters; a cell is a value."""
    block = known.blocks.get(table.head[1]) if len(table.head) > 1 else None
    if not table.header:
        named = {*context.clause, *context.brackets[0].given}
        arguments = (*_block(block).arguments, REPEAT) if block else (REPEAT,)
        for argument in arguments:
            if argument.name not in named:
                yield Candidate(argument.name, "argument", argument.label, argument.expected)
        return
    if not context.clause:
        yield Candidate("layers", "keyword", "layers { … }", "A transition between two rows.")
    yield from _expression(context, known)
    yield from _values(known)


# steps


def _step(context: Context, known: Known) -> Iterator[Candidate]:
    clause = context.clause
    first = clause[0] if clause else ""
    if not clause:
        yield from _continued(context.brackets[-1].before)
        for name, kind in context.names.items():
            if kind == "parameter":
                yield Candidate(name, "name", kind)
        yield from _callable(known)
        yield from _keywords(STEPS)
    elif len(clause) == 2 and clause[1] == ":":
        yield from _callable(known)
    elif clause == ("default",):
        yield from _operations()
    elif clause == ("from",) or (first == "each" and clause[-1] != "{}"):
        saved = (name for name in (*context.saved, *known.saved) if name not in clause)
        yield from (Candidate(name, "name", "saved tensor") for name in saved)
    elif clause == ("skip",):
        yield Candidate("if", "keyword", "if same", "Adds x only where the body keeps the shape.")
    elif clause == ("skip", "if"):
        yield Candidate("same", "keyword", "", "Adds x only where the body keeps the shape.")
    elif clause[-1] == "else":
        yield Candidate("when", "keyword", *STEPS["when"])
    elif clause[-1] == "{}":
        yield from _continued(clause)
    elif first in ("repeat", "when") and _operand(clause[1:]):
        yield from _expression(context, known)
    elif first == "repeat":
        yield Candidate("as", "keyword", "as i", "Counts the iterations from 0.")
    elif first == "let" and len(clause) > 2 and _operand(clause[3:]):
        yield from _expression(context, known)


def _continued(before: tuple[str, ...]) -> Iterator[Candidate]:
    """The words that continue a step after its body, also on the next line."""
    if before[-1:] == ("{}",):
        if before[0] == "skip" and "shortcut" not in before:
            yield Candidate("shortcut", "keyword", *CONTINUATIONS["shortcut"])
        if "when" in before:
            yield Candidate("else", "keyword", *CONTINUATIONS["else"])


def _callable(known: Known) -> Iterator[Candidate]:
    yield from _operations()
    yield from _blocks(known)
    yield Candidate("unit", "operation", _unit().label, UNIT.documentation)


# calls

REPEAT = Argument("repeat", "1", "a whole number of at least 1: how many copies")


def called(context: Context, bracket: Bracket, known: Known) -> Signature | None:
    """The signature that the `(` of a place calls."""
    name = bracket.callee
    if context.statement == "train":
        choices = CHOICES.get(bracket.head[0], {}) if bracket.head else {}
        return signature(name, choices[name]) if name in choices else None
    if context.statement == "init":
        return signature(name, RULES[name]) if name in RULES else None
    if name == "skip" or bracket.head[:3] == ("skip", "if", "same"):
        (argument,) = signature("drop_path", OPERATIONS["drop_path"]).arguments
        drop_path = argument._replace(name="drop_path", default="0", named=True)
        return Signature("skip", (drop_path,), STEPS["skip"].documentation)
    if name == "unit":
        return _unit()
    if context.statement == "variant" and bracket is context.brackets[1]:
        own = (c for c in known.constants.values() if c.kind == "parameter")
        arguments = (Argument(c.name, c.value.span.text if c.value else "", named=True) for c in own)
        shape = Argument(INPUT, "", "a shape, as 3x32x32", named=True)
        return Signature(name, (*arguments, shape), STATEMENTS["variant"].documentation)
    if name in FUNCTIONS:
        return Signature(name, (), FUNCTIONS[name].documentation)
    if name in known.blocks:
        block = _block(known.blocks[name])
        staged = context.statement in ("stage", "stages") and bracket is context.brackets[1]
        return block._replace(arguments=(*block.arguments, REPEAT)) if staged else block
    return signature(name, OPERATIONS[name]) if name in OPERATIONS else None


def _unit() -> Signature:
    conv = signature("conv", OPERATIONS["conv"])
    return Signature("unit", conv.arguments, UNIT.documentation)


def _block(block: Symbol) -> Signature:
    arguments = (
        Argument(name, parameter.value.span.text if parameter.value else "")
        for name, parameter in block.parameters.items()
    )
    return Signature(block.name, tuple(arguments), block.documentation)


def _in_call(context: Context, bracket: Bracket, known: Known) -> Iterator[Candidate]:
    clause = context.clause
    defines = bracket.head[:1] in (("block",), ("network",)) and len(bracket.head) == 2
    found = None if defines else called(context, bracket, known)
    if found and len(clause) >= 2 and clause[1] == "=":
        if len(clause) == 2:
            for argument in found.arguments:
                if argument.name == clause[0]:
                    yield from (Candidate(word, "word", argument.name) for word in argument.words)
    elif found and not clause:
        by_position = [argument for argument in found.arguments if not argument.named]
        count = bracket.arguments - len(bracket.given)
        before, rest = by_position[:count], by_position[count:]
        for argument in found.arguments:
            if argument.name not in bracket.given and argument not in before:
                insert = f"{argument.name}="
                yield Candidate(argument.name, "argument", argument.label, argument.expected, insert)
        for argument in rest[:1] if not bracket.given else ():
            yield from (Candidate(word, "word", argument.name) for word in argument.words)
    if defines and "=" not in clause:
        return  # a name is being given
    if _operand(clause[2:] if clause[1:2] == ("=",) else clause):
        yield from _expression(context, known)
        if defines or (found and found.name in known.blocks):
            yield from _values(known)


# recipe and initialisation


def _recipe(clause: tuple[str, ...]) -> Iterator[Candidate]:
    if not clause:
        yield from (Candidate(key, "keyword", recipe_key(key), doc) for key, doc in KEYS.items())
        return
    key = clause[0]
    if key in CHOICES:
        for name, cls in CHOICES[key].items():
            found = signature(name, cls)
            yield Candidate(name, "function", found.label, found.documentation)
        if key in LISTS and len(clause) == 1:
            yield Candidate("none", "word", "", "None of them.")
    elif key in KEYS and len(clause) == 1:
        yield from (Candidate(word, "word", key, recipe_key(key)) for word in words(key_type(key)))


def _rules(clause: tuple[str, ...], known: Known) -> Iterator[Candidate]:
    if not clause:
        for name in OPERATIONS:
            if roles(OPERATIONS[name]):
                yield Candidate(name, "operation", "", f"The weights of every `{name}`.")
        yield from (Candidate(key, "keyword", "", doc) for key, doc in INIT_KEYS.items())
        yield from (Candidate(label, "label", "", f"The step `{label}`.") for label in known.labels)
    elif len(clause) == 1:
        for name, cls in RULES.items():
            found = signature(name, cls)
            yield Candidate(name, "function", found.label, found.documentation)


# names


def _expression(context: Context, known: Known) -> Iterator[Candidate]:
    """The names that an expression can use; first the declared values of the parameter that it is of."""
    name, operator = ("", "", *context.clause)[-2:]
    if operator in ("==", "!=", "=") and name in known.constants:
        for value in known.constants[name].values:
            yield Candidate(value.span.text, "word", name, f"A declared value of `{name}`.")
    yield from (Candidate(name, "name", kind) for name, kind in context.names.items())
    if context.statement in _WITH_BODIES:
        yield Candidate("in", "name", "", IN.documentation)
    if context.statement in ("stage", "stages"):
        yield from _keywords(STAGE_NAMES, "name")
    yield from _constants(known)
    yield from _keywords(FUNCTIONS, "function")
    yield from _keywords({**LITERALS, "if": CONDITIONAL}, "word")


def _constants(known: Known) -> Iterator[Candidate]:
    for name, symbol in known.constants.items():
        yield Candidate(name, "name", symbol.whole.text.split("\n")[0])


def _values(known: Known) -> Iterator[Candidate]:
    """Operations and blocks where a parameter can hold them."""
    yield from _operations()
    yield from _blocks(known)


def _operations() -> Iterator[Candidate]:
    for name, operation in OPERATIONS.items():
        found = signature(name, operation)
        yield Candidate(name, "operation", found.label, found.documentation)


def _blocks(known: Known) -> Iterator[Candidate]:
    for block in known.blocks.values():
        found = _block(block)
        yield Candidate(found.name, "block", found.label, found.documentation)
