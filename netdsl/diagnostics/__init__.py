"""Errors and warnings as data, and as text and JSON.

Nothing here knows the language: the packages that find mistakes create the diagnostics.
"""

from netdsl.diagnostics.diagnostic import MAX_DIAGNOSTICS, Diagnostic, Diagnostics, Label, listing, nearest

__all__ = ["MAX_DIAGNOSTICS", "Diagnostic", "Diagnostics", "Label", "listing", "nearest"]
