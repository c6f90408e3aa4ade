"""axe-core, which checks pages for people who use a keyboard, a screen reader or larger contrast."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from typing import Any

import pytest

from tests.support.programs import ROOT

AXE = "axe-core@4.14.1"


def violations(page: Any) -> list[str]:
    """What axe-core finds wrong with a page as it is shown. Skips the test where npm can't have it."""
    page.evaluate(_script())  # no script element: the page's policy refuses it
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]


def _script() -> str:
    cache = ROOT / "build" / "npm"
    packed = cache / f"{AXE.replace('@', '-')}.tgz"
    if not packed.exists():
        if shutil.which("npm") is None:
            pytest.skip("npm is not installed")
        cache.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["npm", "pack", AXE], cwd=cache, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"npm can't download {AXE}")
    with tarfile.open(packed) as tar:
        member = tar.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode()
