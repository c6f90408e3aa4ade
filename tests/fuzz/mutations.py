"""Texts that are nearly networks: the shipped ones, mutated by character, token, line and file.

Number n of a seed is always the same text, so that a finding can be made again.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from functools import cache

from netdsl.base.resources import NETWORKS

_TOKEN = re.compile(r'"[^"\n]*"|#[^\n]*|\w+(?:\.\w+)?|[ \t]+|==|!=|<=|>=|//|\S|\n')
_NUMBER = re.compile(r"\d+(\.\d+)?(e-?\d+)?[kM]?")

EXTREMES = [
    "0", "1", "-1", "2", "3", "7", "0.5", "-0.0", "1e-3", "1e-30", "1e30", "1e308", "1e999", "1e-999", "100k",
    "1.7M", "9" * 30, "0." + "3" * 30, "2147483648", "9223372036854775808", "3x3", "1x7", "0x0", "3x32x32",
    "1x1x1x1", "999999x999999", "64x64x64", "yes", "no", "[]", "[6, 8]", '""', "(1 / 0)", "(0 - 1)", "in",
]  # fmt: skip
NOISE: list[str] = [
    *"{}()[],|:;=+-*/#\"'.<>!?@$%^&~`\\ \t\n\r", "==", "!=", "<=", "**", "//", "->", "...", '"""', "{{",
    "}}", "{%", "%}", "\r\n", "\x00", "\x1b[31m", "\u2028", "\u202e", "\ufeff", "é", "ｃ", "𝔁", "字",
    "e\u0301", "“",
]  # fmt: skip


@cache
def corpus() -> tuple[str, ...]:
    """The texts of all shipped networks and libraries."""
    return tuple(path.read_text(encoding="utf-8") for path in sorted(NETWORKS.rglob("*.net")))


@cache
def _words() -> tuple[str, ...]:
    """The words of the corpus outside of comments: keywords, operations, names."""
    tokens = (token for text in corpus() for token in _TOKEN.findall(text))
    return tuple(sorted({token for token in tokens if token.isidentifier()}))


@cache
def _lines() -> tuple[str, ...]:
    return tuple(line for text in corpus() for line in text.splitlines() if line.strip())


def mutant(seed: int, number: int) -> str:
    """Text `number` of a seed."""
    chance = random.Random(f"{seed}:{number}")
    text = chance.choice(corpus())
    if chance.random() < 0.3:
        text = _fewer_statements(text, chance)
    for _ in range(chance.choice([1, 1, 1, 2, 2, 3, 5, 8])):
        text = chance.choice(MUTATIONS)(text, chance)
    return text


def mutated(text: str, chance: random.Random) -> str:
    """A text with one mutation."""
    return chance.choice(MUTATIONS)(text, chance)


def _fewer_statements(text: str, chance: random.Random) -> str:
    statements: list[str] = re.split(r"\n(?=\S)", text)
    return "\n".join(
        own for own in statements if own.startswith(("network", "input")) or chance.random() < 0.6
    )


# --- characters ----------------------------------------------------------------------------------


def _characters(text: str, chance: random.Random) -> str:
    """Some characters go, or noise comes in."""
    place = chance.randrange(len(text) + 1)
    if chance.random() < 0.5:
        return text[:place] + text[place + chance.choice([1, 1, 2, 10]) :]
    return text[:place] + chance.choice(NOISE) + text[place:]


def _cut(text: str, chance: random.Random) -> str:
    """The text ends, or begins, anywhere."""
    place = chance.randrange(len(text) + 1)
    return text[:place] if chance.random() < 0.7 else text[place:]


# --- tokens --------------------------------------------------------------------------------------


def _tokens(text: str, chance: random.Random) -> str:
    """A token goes, stands twice, changes its place, or is another."""
    tokens = _TOKEN.findall(text) or [""]
    place, other = chance.randrange(len(tokens)), chance.randrange(len(tokens))
    match chance.randrange(5):
        case 0:
            del tokens[place]
        case 1:
            tokens.insert(place, tokens[place])
        case 2:
            tokens[place], tokens[other] = tokens[other], tokens[place]
        case 3:
            tokens[place] = chance.choice(NOISE)
        case _:
            tokens[place : place + chance.randrange(1, 12)] = []
    return "".join(tokens)


def _replaced(
    text: str, chance: random.Random, fits: Callable[[str], object], others: tuple[str, ...]
) -> str:
    tokens = _TOKEN.findall(text)
    places = [place for place, token in enumerate(tokens) if fits(token)]
    if places:
        tokens[chance.choice(places)] = chance.choice(others)
    return "".join(tokens)


def _numbers(text: str, chance: random.Random) -> str:
    """A number becomes an extreme one."""
    return _replaced(text, chance, _NUMBER.fullmatch, tuple(EXTREMES))


def _names(text: str, chance: random.Random) -> str:
    """A word becomes another that means something somewhere."""
    return _replaced(text, chance, str.isidentifier, _words())


def _misspelt(text: str, chance: random.Random) -> str:
    word = chance.choice(_words())
    place = chance.randrange(len(word))
    wrong = (
        word[:place] + word[place + 1 :],
        word.upper(),
        word + word[place],
        word.capitalize(),
        word + " ",
    )
    return _replaced(text, chance, lambda token: token == word, wrong)


def _nested(text: str, chance: random.Random) -> str:
    """Brackets, or a step with a body, many times around a place."""
    opening, closing = chance.choice(
        [("(", ")"), ("[", "]"), ("{", "}"), ("skip { ", " }"), ("repeat 3 { ", " }"), ("-(", ")"),
         ("if yes then 1 else (", ")"), ("concat { | identity | ", " }"), ("when yes { ", " } else { relu }")]
    )  # fmt: skip
    start, end = sorted(chance.randrange(len(text) + 1) for _ in range(2))
    times = chance.choice([1, 1, 2, 3, 20, 70, 300])
    return text[:start] + opening * times + text[start:end] + closing * times + text[end:]


def _many(text: str, chance: random.Random) -> str:
    """A token many times in a row."""
    tokens = _TOKEN.findall(text) or [""]
    place = chance.randrange(len(tokens))
    tokens[place] = (tokens[place] + chance.choice(["", " ", ", ", "\n"])) * chance.choice([2, 5, 50, 500])
    return "".join(tokens)


# --- lines and files -----------------------------------------------------------------------------


def _moved(text: str, chance: random.Random) -> str:
    """A line goes, stands twice, changes its place, or is joined to the next."""
    lines = text.splitlines(keepends=True) or [""]
    place, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    match chance.randrange(5):
        case 0:
            del lines[place]
        case 1:
            lines.insert(other, lines[place])
        case 2:
            lines[place], lines[other] = lines[other], lines[place]
        case 3:
            lines[place] = lines[place].rstrip("\n") + " "
        case _:
            lines[place] = lines[place].replace(" ", "\n", 1)
    return "".join(lines)


def _foreign(text: str, chance: random.Random) -> str:
    """Lines of any network come in."""
    lines = text.splitlines(keepends=True) or [""]
    place = chance.randrange(len(lines))
    lines[place:place] = [chance.choice(_lines()) + "\n" for _ in range(chance.choice([1, 1, 3]))]
    return "".join(lines)


def _spliced(text: str, chance: random.Random) -> str:
    """The text goes on as another one."""
    first, second = text.splitlines(keepends=True), chance.choice(corpus()).splitlines(keepends=True)
    return "".join(first[: chance.randrange(len(first) + 1)] + second[chance.randrange(len(second)) :])


MUTATIONS: tuple[Callable[[str, random.Random], str], ...] = (
    _characters, _characters, _cut, _tokens, _tokens, _tokens, _numbers, _numbers, _names, _names, _misspelt,
    _nested, _many, _moved, _moved, _foreign, _spliced,
)  # fmt: skip
