"""The language server: what editors show of a `.net` file while it is written.

`netdsl.lsp.server` alone speaks the protocol; the other modules know texts, offsets and the compiler.
"""
