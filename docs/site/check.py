"""Checks a built site: every link and anchor leads somewhere, and nothing comes from elsewhere."""

from __future__ import annotations

import posixpath
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Elements and the attribute by which a browser loads something while it shows the page.
_LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}
# Links of these relations are not loaded.
_NOT_LOADED = {"canonical", "next", "prev", "alternate"}
_FROM_CSS = re.compile(r"url\(\s*['\"]?(https?:)?//|@import")


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := given.get(name))}
        if tag == "a" and (href := given.get("href")):
            self.links.append(href)
        if (value := given.get(_LOADED.get(tag, ""))) and not {
            *(given.get("rel") or "").split()
        } & _NOT_LOADED:
            self.loaded.append(value)


def _leads(fragment: str, page: _Page) -> bool:
    """True if the fragment of a link is a place of the page, or a text of the playground."""
    return not fragment or fragment.startswith("text=") or unquote(fragment) in page.anchors


def check(folder: Path) -> list[str]:
    """What is wrong with the site in a folder; nothing if it is sound."""

    @cache
    def page(path: Path) -> _Page:
        parsed = _Page()
        parsed.feed(path.read_text(encoding="utf-8"))
        return parsed

    problems = []
    for path in sorted(folder.rglob("*.html")):
        name, found = path.relative_to(folder), page(path)
        problems += [f"{name}: loads {url} from elsewhere" for url in found.loaded if urlsplit(url).netloc]
        for url in [*found.links, *found.loaded]:
            parts = urlsplit(url)
            if parts.scheme or parts.netloc:
                continue
            place = posixpath.normpath(
                posixpath.join(name.parent.as_posix(), unquote(parts.path) or name.name)
            )
            target = path if not parts.path else folder / place
            if name.name == "404.html":
                continue
            if not target.exists():
                problems.append(f"{name}: {url} leads nowhere")
            elif target.suffix == ".html" and not _leads(parts.fragment, page(target)):
                problems.append(f"{name}: {url} has no such anchor")
    for path in sorted(folder.rglob("*.css")):
        if _FROM_CSS.search(path.read_text(encoding="utf-8")):
            problems.append(f"{path.relative_to(folder)}: loads something from elsewhere")
    return problems
