"""The language server: what editors show of a `.net` file while it is written.

`server` answers the protocol's requests; `decorations` and `code_actions` make its types, and the other
modules know texts, offsets and the compiler.
"""
