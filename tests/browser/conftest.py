"""A real Chromium, and the pages that it opens. Tests are skipped where it, npm or playwright is missing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from docs.site.playground import NoPyodide, page_files, python_files
from tests.support.programs import ROOT


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: the output is the tests'."""


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The browser."""
    api = pytest.importorskip("playwright.sync_api", reason="needs the extra `browser`")
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("there is no chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    """An empty page. Errors in its scripts, and requests to other machines, fail the test."""
    context = chromium.new_context(viewport={"width": 1400, "height": 900})
    found = context.new_page()
    problems: list[str] = []
    found.on("pageerror", lambda error: problems.append(str(error)))
    found.on("request", lambda request: problems.extend(_elsewhere(request.url)))
    found.set_default_timeout(120_000)
    yield found
    context.close()
    assert not problems


def _elsewhere(url: str) -> list[str]:
    return [] if url.startswith(("http://127.0.0.1:", "data:", "blob:")) else [f"loads {url}"]


@pytest.fixture(scope="session")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the playground, as the site has it."""
    folder = tmp_path_factory.mktemp("site")
    try:
        files = {**page_files(), **python_files(ROOT, ROOT / "build" / "npm")}
    except NoPyodide as error:
        pytest.skip(str(error))
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    for address in served(folder):
        yield f"{address}/playground.html"


def served(folder: Path) -> Iterator[str]:
    """The address of a folder's files, which are served until the generator ends."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
