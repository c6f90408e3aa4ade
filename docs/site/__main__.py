"""Builds the documentation site: `python -m docs.site [FOLDER]`.

Needs the extra `docs`. Warnings are errors: a page without a place in the navigation, a broken link.
"""

from __future__ import annotations

import sys
from pathlib import Path

from docs.site.check import check
from docs.site.playground import NoPyodide, python_files

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path("build/site")


def main(folder: Path) -> None:
    from mkdocs.__main__ import cli

    settings = Path(__file__).with_name("mkdocs.yml")
    command = [
        "build",
        "--strict",
        "--quiet",
        "--config-file",
        str(settings),
        "--site-dir",
        str(folder.resolve()),
    ]
    cli(command, standalone_mode=False)
    try:
        for name, content in python_files(ROOT, folder.parent / "npm").items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
    except NoPyodide as error:
        print(f"the playground has no compiler: {error}", file=sys.stderr)
    if problems := check(folder):
        sys.exit("\n".join(problems))
    print(f"built {folder}: {sum(1 for _ in folder.rglob('*.html'))} pages")


if __name__ == "__main__":
    main(Path(*sys.argv[1:2]) if sys.argv[1:] else FOLDER)
