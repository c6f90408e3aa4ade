"""The extension for VS Code in code-server, as a user works with it.

Skipped where code-server is missing: `npm install -g code-server`, which compiles parts of it.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.programs import ROOT, run_program, started

pytestmark = pytest.mark.browser

WRONG = """\
network mine
input 3x32x32
classes 10
order bn, rleu, conv
stem { conv(8, 3), relu }
head { global_avgpool, flatten, linear(classes) }
"""
SETTINGS = {
    "netdsl.python": sys.executable,
    "security.workspace.trust.enabled": False,
    "workbench.startupEditor": "none",
}


@pytest.fixture(scope="module")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged extension."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("extension") / "editors" / "vscode"
    shutil.copytree(ROOT / "editors" / "vscode", folder, ignore=shutil.ignore_patterns("node_modules"))
    shutil.copy(ROOT / "LICENSE", folder.parent.parent)
    if run_program(["npm", "install", "--no-audit", "--no-fund"], cwd=folder).returncode:
        pytest.skip("npm can't install what packages the extension")
    shown = run_program(["npm", "run", "package"], check=True, cwd=folder)
    assert "WARNING" not in shown.stdout + shown.stderr
    (package,) = folder.glob("*.vsix")
    return package


@pytest.fixture
def workbench(chromium: Any, extension: Path, tmp_path: Path) -> Iterator[Any]:
    """VS Code with the extension, and the file `mine.net` open in it."""
    if shutil.which("code-server") is None:
        pytest.skip("code-server is not installed")
    context = chromium.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()  # not the fixture `page`: VS Code itself asks for its gallery
    page.set_default_timeout(120_000)
    for folder in ("data/User", "extensions", "work"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "work" / "mine.net").write_text(WRONG)
    (tmp_path / "data" / "User" / "settings.json").write_text(json.dumps(SETTINGS))
    command = ["code-server", "--user-data-dir", "data", "--extensions-dir", "extensions"]
    command += ["--config", "config.yaml"]
    run_program([*command, "--install-extension", extension], check=True, cwd=tmp_path)
    command += ["--auth", "none", "--bind-addr", "127.0.0.1:0", "--disable-telemetry", "work"]
    with started(command, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        address = next(found[0] for line in process.stdout if (found := re.search(r"http://127\S+", line)))
        page.goto(f"{address}?folder={tmp_path}/work")
        page.locator(".explorer-folders-view .monaco-list-row:has-text('mine.net')").dblclick()
        page.wait_for_selector(".squiggly-error")
        yield page
    context.close()


def test_an_error_is_shown_and_fixed(workbench: Any) -> None:
    name = workbench.locator(".view-line span:has-text('rleu')").last
    name.hover()
    hover = workbench.locator(".monaco-hover:visible:has-text('NET201')")
    hover.wait_for()
    assert "there is no operation or block" in hover.inner_text()
    name.click()
    workbench.keyboard.press("Control+.")
    workbench.locator(".action-widget:has-text('Did you mean `relu`?')").wait_for()
    workbench.keyboard.press("Enter")
    workbench.wait_for_function("!document.querySelector('.squiggly-error')")
    assert "rleu" not in workbench.locator(".view-lines").first.inner_text()


def test_colours_hover_completion_and_picture(workbench: Any) -> None:
    colours = workbench.evaluate(
        "[...document.querySelectorAll('.view-line span span')].map(part => getComputedStyle(part).color)"
    )
    assert len(set(colours)) > 3
    workbench.locator(".view-line:has-text('stem') span:has-text('conv')").last.hover()
    hover = workbench.locator(".monaco-hover:visible:has-text('parameters')")
    hover.wait_for()
    assert "3x32x32 → 8x32x32" in hover.inner_text()
    workbench.keyboard.press("Escape")

    workbench.locator(".view-line:has-text('head')").click()
    workbench.keyboard.press("Control+End")
    workbench.keyboard.type("bl")
    workbench.locator(".suggest-widget.visible:has-text('block')").wait_for()
    workbench.keyboard.press("Escape")
    workbench.keyboard.press("Backspace")
    workbench.keyboard.press("Backspace")

    workbench.keyboard.press("Control+Home")
    workbench.locator(".view-line span:has-text('rleu')").last.dblclick()
    workbench.keyboard.type("relu")
    workbench.locator("a.action-label[aria-label*='picture to the side']").first.click()
    frame = workbench.frame_locator("iframe.webview").frame_locator("iframe")
    frame.locator("svg text:has-text('global_avgpool')").first.wait_for()
