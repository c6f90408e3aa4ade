"""The foundation: source text and spans, the language's values, atomic file writes, the package's data.

Nothing here knows the language's grammar, torch, or any other room of netdsl.
"""
