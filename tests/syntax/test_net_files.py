"""Files in different encodings, and files that can't be read."""

from __future__ import annotations

from pathlib import Path

import pytest

import netdsl
from netdsl.diagnostics import Diagnostics
from netdsl.diagnostics.network_error import NetworkError
from netdsl.syntax.net_files import read

TEXT = (
    "network n\ninput 3x8x8\nclasses 2\nstem { conv(4, 3), relu }\n"
    "head { global_avgpool, flatten, linear(classes) }\n"
)


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.rstrip("\n").encode(),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r\n").rstrip("\r\n").encode(),
        b"\xef\xbb\xbf" + TEXT.encode(),
        b"\n\n  \n" + TEXT.replace(" ", "\t").encode() + b"\n \n\t\n# end",
        TEXT.replace("\n", "   # a comment\n").encode(),
        TEXT.replace("\n", "\n\n# a comment é\n\n").encode(),
    ],
    ids=["plain", "no newline", "crlf", "crlf no newline", "bom", "tabs", "comments", "comment lines"],
)
def test_the_same_network_however_the_file_is_saved(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "n.net"
    path.write_bytes(TEXT.encode())
    expected = netdsl.load(path).source()
    path.write_bytes(content)
    assert netdsl.load(path).source() == expected


@pytest.mark.parametrize(
    "content, message",
    [
        (b"network \xff\n", "is not UTF-8 text"),
        (TEXT.encode("utf-16"), "is not UTF-8 text"),
        (b"#\n" * 50_001, "is longer than 100,000 characters"),
        (b"#" * 10_001, "a line is longer than 10,000 characters"),
        (b"", "n.net is empty"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "n.net"
    path.write_bytes(content)
    with pytest.raises(NetworkError, match=message):
        netdsl.load(path)


def test_folders_and_missing_files_are_diagnostics(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.net"):
        diagnostics = Diagnostics()
        assert read(path, diagnostics) is None
        assert [found.code for found in diagnostics] == ["NET100"]
