"""The public names of a package whose import would be slow: read from its text."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def homes(path: str) -> list[str]:
    """The names that a package's `__init__` imports from its modules, under the paths of these."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return [
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("netdsl.")
        for alias in node.names
        if not alias.name.startswith("_")
    ]
