from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.editor import Editor


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    """One server for the tests of a module; it ends in peace, and has never complained to the user."""
    editor = Editor(tmp_path_factory.mktemp("networks").resolve())
    editor.start()
    yield editor
    assert editor.stop() == 0
    assert editor.messages == []


@pytest.fixture
def folder(editor: Editor) -> Path:
    return editor.folder
