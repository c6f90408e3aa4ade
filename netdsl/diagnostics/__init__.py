"""Errors and warnings as data, and as text and JSON.

Which mistakes there are is decided by the rooms that find them; nothing here knows the language.
"""

from netdsl.diagnostics.diagnostic import MAX_DIAGNOSTICS, Diagnostic, Diagnostics, Label, listing, nearest

__all__ = ["MAX_DIAGNOSTICS", "Diagnostic", "Diagnostics", "Label", "listing", "nearest"]
