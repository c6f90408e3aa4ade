"""A Pygments lexer for `.net` files, for Sphinx, MkDocs, and code blocks of pandoc and rich.

Pygments finds it by its entry point, as `netdsl` or `net`, and by the file name.
"""

from __future__ import annotations

import re
from typing import ClassVar

from pygments.lexer import RegexLexer, bygroups, include, words
from pygments.token import (
    Comment,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Whitespace,
)

from netdsl.language.words import (
    CONDITIONAL_WORDS,
    FUNCTIONS,
    JOINS,
    LITERALS,
    OPERATOR_WORDS,
    STAGE_NAMES,
    STATEMENTS,
)
from netdsl.ops import OPERATIONS

_NAME = r"[A-Za-z_]\w*"


class NetLexer(RegexLexer):  # type: ignore[misc]  # Pygments has no types
    """The language of `.net` files. Words that are also names are keywords only where they act as such."""

    name = "netdsl"
    aliases: ClassVar[list[str]] = ["netdsl", "net"]
    filenames: ClassVar[list[str]] = ["*.net"]
    mimetypes: ClassVar[list[str]] = ["text/x-netdsl"]
    flags = re.MULTILINE

    tokens: ClassVar = {
        "root": [
            (r"^(train|init)\b", Keyword, "keyed"),
            (rf"^(network)([ \t]+)({_NAME})", bygroups(Keyword, Whitespace, Name.Class)),
            (rf"^(block|stages)([ \t]+)({_NAME})", bygroups(Keyword, Whitespace, Name.Function)),
            (rf"^(let)([ \t]+)({_NAME})", bygroups(Keyword, Whitespace, Name.Variable)),
            (words(STATEMENTS, prefix="^", suffix=r"\b"), Keyword),
            include("steps"),
        ],
        # After `train` or `init`, up to the end of its body or, where it has none, of its line.
        "keyed": [
            (r"\{", Punctuation, ("#pop", "entries")),
            (r"\n", Whitespace, "#pop"),
            include("values"),
        ],
        "entries": [
            (r"\}", Punctuation, "#pop"),
            (rf"^([ \t]*)({_NAME})", bygroups(Whitespace, Name.Attribute)),
            include("values"),
        ],
        "steps": [
            (rf"\b(let|save|from|as)([ \t]+)({_NAME})", bygroups(Keyword, Whitespace, Name.Variable)),
            (rf"({'|'.join(JOINS)}|layers|shortcut)(?=[ \t]*\{{)", Keyword),
            (r"skip\b(?=[ \t]*(if\b|\(|\{))", Keyword),
            (r"(repeat|when)\b(?=[ \t]+[^\n|{}]*\{)", Keyword),
            (rf"default\b(?=[ \t]+{_NAME})", Keyword),
            (rf"{_NAME}(?=[ \t]*:)", Name.Label),
            (r"[{}|:]", Punctuation),
            include("values"),
        ],
        "values": [
            (r"[ \t\r\f]+|\n", Whitespace),
            (r"#[^\n]*", Comment.Single),
            (r'"[^"\n]*"', String),
            (r"\d+(x\d+)+(?!\w)", Number.Size),
            (r"\d+(\.\d+)?([eE][+-]?\d+)?[kM]?(?!\w)", Number),
            (rf"{_NAME}(?=[ \t]*=(?!=))", Name.Attribute),
            (r"(if)(\s+)(same)\b", bygroups(Keyword, Whitespace, Keyword)),
            (words(CONDITIONAL_WORDS, suffix=r"\b"), Keyword),
            (words(OPERATOR_WORDS, suffix=r"\b"), Operator.Word),
            (words(LITERALS, suffix=r"\b"), Keyword.Constant),
            (words(("in", *STAGE_NAMES), suffix=r"\b"), Name.Builtin.Pseudo),
            (words((*OPERATIONS, *FUNCTIONS, "unit"), suffix=r"\b"), Name.Builtin),
            (rf"{_NAME}(?=\()", Name.Function),
            (_NAME, Name),
            (r"//|[=!<>]=|[-+*/<>=]", Operator),
            (r"[()\[\],]", Punctuation),
        ],
    }
