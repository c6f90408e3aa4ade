"""Names and messages as text for people, in the encoding of the stream that shows them."""

from __future__ import annotations

import codecs
import sys
from io import TextIOWrapper

# Signs of netdsl's output for encodings that lack them.
_SIGNS = {"→": "->", "×": "x", "±": "+-", "–": "-", "—": "-", "…": "...", "≥": ">=", "≤": "<=", "·": "."}
_HANDLER = "netdsl"


def printable(text: object) -> str:
    """A name in one line: control characters, line breaks and bytes that aren't UTF-8 are escaped."""
    return "".join(c if c.isprintable() else _escaped(c) for c in str(text))


def encodable(text: str, stream: object = None) -> str:
    """The text with characters replaced that a stream, by default standard output, can't encode."""
    encoding = getattr(stream or sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, _HANDLER).decode(encoding)


def adapt_streams() -> None:
    """Makes standard output and standard error replace what their encoding lacks, where it was an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def _escaped(char: str) -> str:
    # Python keeps a byte of a file name that isn't UTF-8 as a character from U+DC80 to U+DCFF.
    if "\udc80" <= char <= "\udcff":
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()


def _replaced(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    chars = error.object[error.start : error.end]
    return "".join(_SIGNS.get(char) or _escaped(char) for char in chars), error.end


codecs.register_error(_HANDLER, _replaced)
