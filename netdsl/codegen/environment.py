"""The Jinja environment of the templates."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from netdsl.base.resources import TEMPLATES
from netdsl.codegen import python as py

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    made.filters["python"] = py.show
    return made
