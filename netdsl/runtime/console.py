"""How the user is spoken to."""

from __future__ import annotations

from rich.console import Console


def say(console: Console, text: str) -> None:
    """Prints a text as it stands: what looks like markup or a number is neither, and nothing is folded."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)
