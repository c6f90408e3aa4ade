"""Errors and warnings as data, and as text and JSON.

Which mistakes there are is decided by the rooms that find them; nothing here knows the language.
"""

from netdsl.diagnostics.diagnostic import MOST, Diagnostic, Diagnostics, Label, listing, nearest

__all__ = ["MOST", "Diagnostic", "Diagnostics", "Label", "listing", "nearest"]
