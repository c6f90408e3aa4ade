"""All pages and pictures of the site, by their path."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from docs.site import commands, reference, zoo
from docs.site.examples import Examples, plain
from docs.site.playground import page_files

# Pages that are elsewhere in the repository, and their names on the site.
MOVED = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
# What pages link to that is neither a page nor a picture is shown on a page of its own.
SOURCES = "source"
_LINK = re.compile(r"(\]\()(?!\w+:|#)([^)#\s]+)(#[^)\s]*)?(\))")
_FENCE = re.compile(r"^(```|~~~~?).*?^\1$", re.MULTILINE | re.DOTALL)
_LANGUAGES = {".net": "net", ".py": "python", ".json": "json", ".js": "javascript", ".lark": "text"}


class Site:
    """The site of a checkout: `files` has the pages that are made, and the pictures of their examples."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._examples = Examples()
        self._sources: dict[str, str] = {}

    def files(self) -> dict[str, str | bytes]:
        """The contents by path on the site."""
        docs = sorted(path.relative_to(self._root).as_posix() for path in self._root.glob("docs/**/*.md"))
        pages = {self.page_of(place): self._page(place) for place in [*MOVED, *docs]}
        made = {
            "reference/operations.md": reference.operations(),
            "reference/recipe.md": reference.recipe(),
            "reference/words.md": reference.words(),
            "reference/commands.md": commands.page(),
            "reference/python.md": reference.python(),
            **zoo.pages(self._root, self._examples),
        }
        theme = {
            f"assets/site/{path.name}": path.read_bytes()
            for path in sorted((self._root / "docs/site/theme").iterdir())
        }
        return {**pages, **made, **self._sources, **self._examples.pictures, **theme, **page_files()}

    def page_of(self, place: str) -> str:
        """The path on the site of a page of the repository."""
        return MOVED.get(place, place.removeprefix("docs/"))

    def _page(self, place: str) -> str:
        text = (self._root / place).read_text(encoding="utf-8")
        at, parts = 0, []
        for fence in _FENCE.finditer(text):
            parts += [self._linked(text[at : fence.start()], place), fence[0]]
            at = fence.end()
        page = "".join([*parts, self._linked(text[at:], place)])
        # The wrong and the right examples of an error are short.
        return plain(page) if place == "docs/errors.md" else self._examples.shown(page, self.page_of(place))

    def _linked(self, text: str, place: str) -> str:
        """The text with links to files of the repository turned into links to pages of the site."""

        def link(match: re.Match[str]) -> str:
            target = posixpath.normpath(posixpath.join(posixpath.dirname(place), match[2]))
            here = posixpath.dirname(self.page_of(place))
            return (
                match[1] + posixpath.relpath(self._target(target), here or ".") + (match[3] or "") + match[4]
            )

        return _LINK.sub(link, text)

    def _target(self, target: str) -> str:
        """The page or picture that shows a file or folder of the repository."""
        if target in MOVED or (target.startswith("docs/") and (self._root / target).is_file()):
            return self.page_of(target)
        if target == "networks":
            return "zoo/index.md"
        if re.fullmatch(r"networks/\w+\.net", target) and target != "networks/std.net":
            return f"zoo/{Path(target).stem}.md"
        path = self._root / target
        if path.is_dir() and (path / "README.md").exists():
            return self._target(f"{target}/README.md")
        if not path.exists():  # made by the build: a page of the site
            return target.removeprefix("docs/")
        page = f"{SOURCES}/{target}.md".replace(".md.md", ".md")
        if page not in self._sources:
            self._sources[page] = ""  # a page may link to itself
            self._sources[page] = self._source(target)
        return page

    def _source(self, target: str) -> str:
        path = self._root / target
        front = "---\nsearch: { exclude: true }\n---\n\n"
        if path.is_dir():
            return f"{front}# `{target}`\n\n" + "\n".join(
                f"- `{each.name}`" for each in sorted(path.iterdir())
            )
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".md":
            return front + re.sub(_LINK, r"\2", text)
        language = _LANGUAGES.get(path.suffix, "text")
        return f"{front}# `{target}`\n\n~~~~{language}\n{text.rstrip()}\n~~~~\n"
