"""Networks in pages: each with its picture beside it, its shapes and its code in tabs, made from its text."""

from __future__ import annotations

import base64
import hashlib
import html
import posixpath
import re
import zlib
from collections.abc import Mapping
from textwrap import indent

from netdsl.base.document import Table
from netdsl.base.source import Source
from netdsl.compiler import Compiled, Style, compile_network, generate
from netdsl.diagnostics.render_text import render
from netdsl.graph.render_picture import render_picture
from netdsl.summary.measure import measure
from netdsl.syntax.net_files import read_text

PICTURES = "pictures/examples"
_EXAMPLE = re.compile(r"^```net( wrong \w+| \S+\.net)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The fences of longer code, which may have three backquotes in it.
_FENCE = "~~~~"


class Examples:
    """Collects the pictures of the examples that it shows, by their path on the site."""

    def __init__(self) -> None:
        self.pictures: dict[str, str | bytes] = {}

    def shown(self, page: str, path: str) -> str:
        """A page with its networks in tabs; other `net` code stays as it is."""
        libraries = {match[1].strip(): match[2] for match in _EXAMPLE.finditer(page) if match[1]}

        def example(match: re.Match[str]) -> str:
            kind, text = (match[1] or "").strip(), match[2]
            if kind.startswith("wrong"):
                return self._wrong(text, path)
            if kind or not re.search(r"^network ", text, re.MULTILINE):
                return _plain(match)
            return self.tabs(Source("mine.net", text), path, libraries)

        return _EXAMPLE.sub(example, page)

    def picture(self, source: Source, libraries: Mapping[str, str] | None = None) -> str:
        """The path of a network's picture."""
        network = _compiled(source, libraries).network
        assert network is not None, source.name
        svg = render_picture(network, ".svg")
        digest = hashlib.blake2b(svg, digest_size=4).hexdigest()
        path = f"{PICTURES}/{network.network.name}-{digest}.svg"
        self.pictures[path] = svg
        return path

    def tabs(
        self,
        source: Source,
        path: str,
        libraries: Mapping[str, str] | None = None,
        codes: Mapping[Style, str] | None = None,
    ) -> str:
        """A network beside its picture, then tabs with its shapes, and the code in its styles: that of
        `codes`, or generated.
        """
        compiled = _compiled(source, libraries)
        assert compiled.network is not None, source.text
        name = compiled.network.network.name
        picture = posixpath.relpath(self.picture(source, libraries), posixpath.dirname(path) or ".")
        play = posixpath.relpath("playground.html", posixpath.dirname(path) or ".")
        used = libraries and "use " in source.text
        link = (
            ""
            if used
            else f'<p class="net-play"><a href="{play}#{shared(source.text)}">Open in the playground</a></p>'
        )
        first = (
            f'<div class="net-pair" markdown="1">\n\n{_FENCE}net\n{source.text.rstrip()}\n{_FENCE}\n\n'
            f'<a class="net-picture" href="{picture}">'
            f'<img src="{picture}" alt="picture of {name}" loading="lazy"></a>\n\n'
            f"</div>\n\n{link}\n"
        )
        parts = [("Network", first), ("Shapes", _table(measure(compiled.network, 2).table()))]
        codes = codes or {style: generate(compiled, style) for style in compiled.styles}
        parts += [
            (f"`{style}`", f"{_FENCE}python\n{code.rstrip()}\n{_FENCE}") for style, code in codes.items()
        ]
        return "\n".join(f'=== "{title}"\n\n{indent(text, "    ")}\n' for title, text in parts)

    def _wrong(self, text: str, path: str) -> str:
        """A network with errors, and what `netdsl check` prints for it."""
        found = compile_network(Source("mine.net", text)).diagnostics
        assert found, text
        said = "\n\n".join(map(render, found))
        return f"{_FENCE}net\n{text}{_FENCE}\n\n{_FENCE}text\n{said}\n{_FENCE}"


def plain(page: str) -> str:
    """A page with its networks as code alone; a used file has its name above it."""
    return _EXAMPLE.sub(_plain, page)


def _plain(match: re.Match[str]) -> str:
    title = f' title="{match[1].strip()}"' if match[1] else ""
    return f"{_FENCE}{{.net{title}}}\n{match[2]}{_FENCE}"


def _compiled(source: Source, libraries: Mapping[str, str] | None) -> Compiled:
    """A network whose used files are on its page, or on the disk."""
    return compile_network(source, read=libraries.__getitem__ if libraries else read_text)


def shared(text: str) -> str:
    """The part of the playground's address that holds a text, as `page.js` reads it."""
    packer = zlib.compressobj(9, wbits=-15)
    packed = packer.compress(text.encode()) + packer.flush()
    return "text=" + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def _table(table: Table) -> str:
    """A table whose first column keeps the indentation of the parts."""
    head = " | ".join(column.lstrip(">") for column in table.headings)
    line = " | ".join("---:" if column.startswith(">") else "---" for column in table.headings)
    cells = (" | ".join(_cell(str(cell)) for cell in row) for row in table.rows)
    return "\n".join([f"| {head} |", f"| {line} |", *(f"| {row} |" for row in cells)])


def _cell(text: str) -> str:
    blanks = len(text) - len(text.lstrip())
    shown = "&nbsp;" * blanks + html.escape(text.strip()).replace("|", "&#124;").replace("_", "&#95;")
    return shown.replace("*", "&#42;")
