"""What everything stands on: source text and spans, the language's values, atomic files, the package's data.

Nothing here knows the language's grammar, torch, or any other room of netdsl.
"""
