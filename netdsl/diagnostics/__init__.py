"""Errors and warnings as data, and as text and JSON.

Nothing here knows the language: the packages that find mistakes create the diagnostics.
"""

from netdsl.diagnostics.diagnostic import MAX_DIAGNOSTICS, Diagnostic, Diagnostics, Label, listing
from netdsl.diagnostics.fixes import Edit, Fix, Help, add, add_line, add_step, remove, remove_cell, write
from netdsl.diagnostics.spelling import closest, misspelt, nearest

__all__ = [
    "MAX_DIAGNOSTICS",
    "Diagnostic",
    "Diagnostics",
    "Edit",
    "Fix",
    "Help",
    "Label",
    "add",
    "add_line",
    "add_step",
    "closest",
    "listing",
    "misspelt",
    "nearest",
    "remove",
    "remove_cell",
    "write",
]
