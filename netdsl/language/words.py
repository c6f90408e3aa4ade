"""The words of the language: how statements and steps begin."""

from __future__ import annotations

# Every statement's first word, and how the statement is written.
STATEMENTS = {
    "network": "network name(depth=20)",
    "input": "input 3x32x32",
    "classes": "classes 10",
    "order": "order bn, relu, conv",
    "default": "default conv(bias=no)",
    "let": "let n = (depth - 2) / 9",
    "stem": "stem { conv(16, 3), relu }",
    "head": "head { global_avgpool, flatten, linear(classes) }",
    "layers": "layers { conv(16, 3), relu }",
    "stage": "stage residual(16, repeat=5, stride=2)",
    "stages": "stages residual { … }",
    "block": "block name(out, stride=1) { … }",
    "init": "init kaiming",
    "train": "train { … }",
    "expect": "expect params < 125k",
    "use": 'use "blocks.net"',
}

# The first words of steps that aren't calls.
STEPS = ("skip", "add", "concat", "mul", "repeat", "when", "save", "from", "let", "default")
RESERVED = {*STATEMENTS, *STEPS, "else", "shortcut", "if", "then", "and", "or", "not", "yes", "no", "as"}
