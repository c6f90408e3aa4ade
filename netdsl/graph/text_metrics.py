"""Widths of texts in Helvetica, and in Arial and Liberation Sans, which have the same widths."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

# Thousandths of the size, from the blank to `~` (Adobe's font metrics, Core 14).
# fmt: off
_REGULAR = (
    278, 278, 355, 556, 556, 889, 667, 222, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667,
    611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667,
    667, 611, 278, 278, 278, 469, 556, 222, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500,
    222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
)
_BOLD = (
    278, 333, 474, 556, 556, 889, 722, 278, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 333, 333, 584, 584, 584, 611, 975, 722, 722, 722, 722, 667,
    611, 778, 722, 278, 556, 722, 611, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667,
    667, 611, 333, 278, 333, 584, 556, 278, 556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556,
    278, 889, 611, 611, 611, 611, 389, 556, 333, 611, 556, 778, 556, 556, 500, 389, 280, 389, 584,
)
# fmt: on
_TIMES = 584
# The width for all other characters: that of the widest, so that no text is wider than computed.
_WIDEST = 1015


@cache  # the layout asks for the width of a text, and so does what is drawn
def text_width(text: str, size: float, bold: bool = False) -> float:
    return sum(_advance(char, bold) for char in text) * size / 1000


def _advance(char: str, bold: bool) -> int:
    index = ord(char) - ord(" ")
    table = _BOLD if bold else _REGULAR
    return table[index] if 0 <= index < len(table) else _TIMES if char == "×" else _WIDEST


def wrapped(words: Iterable[str], size: float, width: float) -> list[str]:
    """The words in lines of at most this width, unless a single word is wider."""
    lines: list[str] = []
    for word in words:
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
