"""`netdsl report`: one page with all of a run."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.commands import netdsl


def test_the_page_needs_no_other_file(trained: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = netdsl("report", trained / "module", "-o", page)
    assert result.exit_code == 0, result.output
    text = page.read_text()
    titles = re.findall(r"<h2>(.*?)</h2>", text)
    assert titles[:4] == ["Results", "Curves", "Network", "Classes"]
    assert {"Worst mistakes", "First batch, after augmentation", "Recipe"} <= set(titles)
    sources = re.findall(r'(?:src|href)="(.*?)"', text)
    assert sources and all(source.startswith(("data:image/", "#")) for source in sources)
    assert "<script" not in text and "@import" not in text
    assert "prefers-color-scheme: dark" in text
    assert result.output == f"wrote {page}\n"


def test_without_its_data_a_run_has_a_page(colours: Path) -> None:
    (colours / "images").rename(colours / "elsewhere")
    result = netdsl("report", "run")
    assert result.exit_code == 0, result.output
    assert "without what is computed from images" in result.output
    titles = re.findall(r"<h2>(.*?)</h2>", Path("run/report.html").read_text())
    assert titles == ["Results", "Curves", "Network", "Recipe", "How it was computed"]
