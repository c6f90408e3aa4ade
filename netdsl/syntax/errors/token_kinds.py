"""The kinds of tokens that the patterns of `token_patterns` name, as regular expressions.

They are matched against tokens that each end with a newline.
"""

from __future__ import annotations

# The mark of the first wrong token, which no token has.
MARK = "\x00"
_WORD, _ANY = r"[A-Za-z_]\w*\n", rf"[^{MARK}\n]+\n"
_PLAIN = rf"[^()\[\]{{}}{MARK}\n][^\n]*\n"
_FLAT = rf"(?:{_PLAIN}|[(\[]\n(?:{_PLAIN})*[)\]]\n)"
_DEEP = rf"(?:{_PLAIN}|[(\[]\n{_FLAT}*[)\]]\n)"
_TENSORS = rf"{_WORD}(?:,\n{_WORD})*"
_NUMBER = r"\.?[0-9][^\n]*\n"
_DOTTED = rf"{_WORD}(?:\.{_WORD})*"
_TEXT = r"[\"'][^\n]*\n"
_INSIDE = rf"\(\n{_DEEP}*\)\n|\[\n{_DEEP}*\]\n"
_VALUE = rf"(?:-\n)?(?:{_DOTTED}(?:\(\n{_DEEP}*\)\n)?|{_NUMBER}|{_TEXT}|{_INSIDE})"
_SUM = rf"{_VALUE}(?:(?:[-+*/%]|//)\n{_VALUE})*"
_TEST = rf"(?:not\n)?{_SUM}(?:(?:[=!<>]=|[<>])\n{_SUM})?"
_TESTS = rf"{_TEST}(?:(?:and|or)\n{_TEST})*"
_CALL = rf"{_DOTTED}(?:\(\n{_DEEP}*\)\n)*"
GIVEN = rf"(?:{_NUMBER}|{_WORD}=\n{_VALUE})"
_CELL = rf"(?:-\n)?(?:{_CALL}|{_NUMBER}|{_TEXT}|\(\n{_DEEP}*\)\n)"
KINDS = {
    "word": _WORD,
    "dotted": _DOTTED,
    "untyped": rf"(?:(?!(?:int|float|bool|str)\n){_WORD})+",
    "sized": r"conv\d+\n",
    "dashed": rf"{_WORD}(?:-\n(?:{_WORD}|{_NUMBER}))+",
    "n": _NUMBER,
    "text": _TEXT,
    "bare": _TEXT,
    "quotes": "(?:\"\"|'')\n(?:[\"']\n)?",
    "attribute": r"\.[A-Za-z_]\w*\n",
    "value": _VALUE,
    "commas": r"(?:,\n)+",
    "values": rf"(?:{_VALUE})+",
    "sum": _SUM,
    "test": _TESTS,
    "call": _CALL,
    "steps": rf"{_CALL}(?:,\n{_CALL})*",
    "chain": rf"{_CALL}(?:(?:[-=>]\n>\n|;\n|→\n)(?:{_CALL})?)+",
    "beside": rf"{_CALL}(?:(?:[+&]\n)?{_CALL})+",
    "given": GIVEN,
    "pairs": rf"{GIVEN}(?:(?:,\n)?{GIVEN})*(?:,\n)?",
    "keyed": rf"(?:{_WORD}=\n{_VALUE}(?:,\n)?)+",
    "times": rf"(?:[x*×]\n{_NUMBER}|[x×]\d+\n)",
    "opener": rf"(?:skip\n(?:if\nsame\n)?|repeat\n{_VALUE}(?:as\n{_WORD})?|each\n{_TENSORS}|when\n{_TESTS})",
    "names": rf"(?:{_WORD})+",
    "tensors": _TENSORS,
    "columns": rf"[\[(]?\n?(?:[,|;]\n|{_WORD})+[\])]?\n?",
    "cell": _CELL,
    "cells": rf"(?:{_CELL})*[,|;]\n(?:[,|;]\n|{_CELL})*",
    "assigned": rf"(?<==\n){_VALUE}",
    "sums": rf"(?:{_SUM})+",
    "numbers": rf"(?:-\n)?{_NUMBER}(?:{_ANY})*",
    "dashes": r"(?:[-|:+=]\n)+",
    "args": rf"{_DEEP}*?",
    "token": _ANY,
    "rest": rf"(?:{_ANY})+",
    "any": rf"(?:{_ANY})*?",
}
