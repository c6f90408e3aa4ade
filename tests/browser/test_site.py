"""The pages of the documentation site in Chromium. `python -m docs.site` builds them first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.axe import violations
from tests.browser.conftest import served
from tests.support.programs import ROOT

pytestmark = pytest.mark.browser

SITE = ROOT / "build" / "site"
# One page of each kind.
PAGES = ["index", "tutorial", "errors", "zoo/resnet32", "zoo/index", "reference/commands", "reference/python"]


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The address of the site."""
    if not (SITE / "index.html").exists():
        pytest.skip("the site is not built")
    yield from served(SITE)


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_pages_are_accessible(page: Any, site: str, name: str, colours: str) -> None:
    page.emulate_media(color_scheme=colours)
    page.goto(f"{site}/{name}.html")
    page.wait_for_selector(".md-content")
    page.wait_for_function("!document.querySelector('.md-code__nav:not([aria-label])')")
    assert violations(page) == []


@pytest.mark.parametrize("name", PAGES)
def test_pages_fit_a_phone(page: Any, site: str, name: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{site}/{name}.html")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
