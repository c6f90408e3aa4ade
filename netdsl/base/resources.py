"""Paths of the grammar, the templates and the networks, in an installed package or in the repository."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_ROOT = _PACKAGE if (_PACKAGE / "grammar").is_dir() else _PACKAGE.parent

GRAMMAR = _ROOT / "grammar" / "netdsl.lark"
ERRORS = _PACKAGE / "errors"
TABLES = _ROOT / "grammar" / "netdsl.tables.json"
START = _PACKAGE / "start.net"
TEMPLATES = _ROOT / "templates"
NETWORKS = _ROOT / "networks"
