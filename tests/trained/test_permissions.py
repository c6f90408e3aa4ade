"""Files and folders that may not be read, searched or written are errors in one line."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from xml.sax import saxutils  # noqa: F401 - imported while it may be read

import pytest

from tests.support.commands import netdsl
from tests.support.samples import save_image
from tests.trained.conftest import SMALL

_NOBODY = 65534
# A folder that may not be searched, and one that may not be read.
COMMANDS = """
    check shut/small.net
    check shut
    build open.net -o shut/code
    build open.net -o shut/code --check
    fmt shut/small.net
    fmt shut
    summary shut/small.net
    diff open.net shut/small.net
    graph open.net -o shut/a.svg
    new shut/new
    new mine --from shut/small.net
    train shut/small.net
    train open.net --run shut/run
    train open.net --run shut
    train --resume shut/run
    train open.net --data folder:shut --run run
    train open.net --data folder:images --run run
    eval shut/run
    eval RUN --data folder:shut
    predict shut/run image.png
    predict RUN shut/image.png
    predict RUN shut
    compare shut/run
    plot shut/run -o a.png
    plot RUN -o shut/a.png
    reproduce shut/run
    import-weights open.net --from shut/w.pth -o w.safetensors
    features RUN -o shut/features
    saliency RUN shut/image.png -o a.png
    saliency RUN image.png -o shut/a.png
    style shut/a.png image.png -o a.png --run RUN
"""


@pytest.fixture(scope="module")
def place(trained: Path) -> Iterator[Path]:
    """A folder in which everyone may write, with `shut`, in which nobody may do anything."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    (folder / "open.net").write_text(SMALL)
    shutil.copytree(trained / "module", folder / "run-of-before")
    save_image(folder / "image.png")
    for i in range(4):
        save_image(folder / "images" / "a" / f"{i}.png")
    (folder / "shut").mkdir()
    for shut in ("shut", "images/a"):
        (folder / shut).chmod(0)
    yield folder
    for shut in ("shut", "images/a"):
        (folder / shut).chmod(0o700)
    shutil.rmtree(folder)


@pytest.mark.parametrize("command", [line.strip() for line in COMMANDS.strip().splitlines()])
def test_what_may_not_be_used_is_named(command: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("NETDSL_CACHE", str(place / "shut" / "cache"))
    rights = os.geteuid()
    if rights == 0:  # who may do everything
        os.seteuid(_NOBODY)
    try:
        result = netdsl(*command.replace("RUN", "run-of-before").split())
    finally:
        os.seteuid(rights)
    assert result.exit_code
    assert "ermission" in result.output or "writ" in result.output or "no such file" in result.output
    assert "shut" in result.output or "images/a" in result.output
