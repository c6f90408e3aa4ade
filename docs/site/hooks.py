"""MkDocs calls these functions; `docs.site.pages` has the pages."""

from __future__ import annotations

import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Adds the pages of `docs/` that the navigation doesn't name to its guides."""
    named = str(config.nav)
    guides = next(section["Guides"] for section in config.nav or () if "Guides" in section)
    guides += [path.name for path in sorted(ROOT.glob("docs/*.md")) if f"'{path.name}'" not in named]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replaces the Markdown of `docs/` by that of the site, and adds the pages made from declarations."""
    sys.path.insert(0, str(ROOT))
    from docs.site.pages import Site

    for path, content in Site(ROOT).files().items():
        if (old := files.get_file_from_path(path)) is not None:
            files.remove(old)
        files.append(File.generated(config, path, content=content))
    return files


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Names the theme's search for screen readers, and makes headings without a text ordinary cells."""
    search = '<div class="md-search" data-md-component="search" role="dialog">'
    return output.replace(search, search[:-1] + ' aria-label="Search">').replace("<th></th>", "<td></td>")
