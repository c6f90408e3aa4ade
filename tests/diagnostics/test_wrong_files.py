"""Wrong files become what was meant when their fixes are applied."""

from __future__ import annotations

import pytest

from benchmarks.wrong_files import SETS, is_mended, wrong_files


@pytest.mark.parametrize("name", SETS)
def test_fixes_make_of_wrong_files_what_was_meant(name: str) -> None:
    assert [case.name for case in wrong_files(name) if not is_mended(case)] == []
