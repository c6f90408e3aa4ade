"""The space of `netdsl tune`: ranges and choices of a network's parameters and of keys of its recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

# The ratio of a range's ends from which on values are drawn evenly on a logarithmic scale.
_LOGARITHMIC = 10


class NoDomain(ValueError):
    """A text that is not a range or a choice; `str()` says why."""


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`: whole ones if both are, on a logarithmic scale if they span a decade."""

    low: float
    high: float
    whole: bool

    @property
    def logarithmic(self) -> bool:
        return self.low > 0 and self.high / self.low >= _LOGARITHMIC

    def distribution(self) -> BaseDistribution:
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.whole:
            return IntDistribution(int(self.low), int(self.high), log=self.logarithmic)
        return FloatDistribution(self.low, self.high, log=self.logarithmic)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some texts."""

    texts: tuple[str, ...]

    def distribution(self) -> BaseDistribution:
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.texts)


Domain: TypeAlias = Range | Choice
# The domains of a search by name: `set.width` is a parameter, `optimizer.lr` a key of the recipe.
SETTING = "set."
Space: TypeAlias = Mapping[str, Domain]


def domain(text: str) -> Domain | None:
    """The domain of `1e-3..1e-1`, `8..32` or `20,32,44`; None for a single value. Raises NoDomain."""
    low, dots, high = text.partition("..")
    if dots:
        try:
            ends = float(low), float(high)
        except ValueError:
            raise NoDomain(f"the ends of `{text}` are not numbers") from None
        if not ends[0] < ends[1]:
            raise NoDomain(f"`{text}` is empty: its first number is the lower one")
        return Range(*ends, all(end.strip().isdigit() for end in (low, high)))
    texts = _separated(text)
    if len(set(texts)) < len(texts) or not all(texts):
        raise NoDomain(f"`{text}` has a choice twice, or an empty one")
    return Choice(tuple(texts)) if len(texts) > 1 else None


def _separated(text: str) -> list[str]:
    """The parts between commas that are in no brackets."""
    parts, depth = [""], 0
    for char in text:
        depth += (char in "([") - (char in ")]")
        if char == "," and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts]
