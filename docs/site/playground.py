"""The files of the playground: its page, and Python with the compiler for the browser.

Python comes from the npm package `pyodide`, whose checksum is below; the compiler and what it imports come
from the environment that builds the site, as Python files alone.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

PYODIDE = "pyodide@314.0.7"
INTEGRITY = (
    "sha512-0YvXxEhfEdpLfb/XkM2BFAeMROq0iMUX2bzzH9pOttyMcWkwq+HbE5uyuGD82LN" "7y2q+SNvi/6V5JEsOlD2R1A=="
)
# The files of the package that a browser loads.
RUNTIME = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")

# What the compiler imports besides the standard library.
PACKAGES = (
    "black",
    "_black_version",
    "blib2to3",
    "click",
    "jinja2",
    "markupsafe",
    "mypy_extensions",
    "packaging",
    "pathspec",
    "platformdirs",
    "pytokens",
)
# Of Pygments only what colours Python and `.net` files: all of it is four megabytes.
PYGMENTS = (
    "__init__.py",
    "filter.py",
    "filters/__init__.py",
    "lexer.py",
    "lexers/__init__.py",
    "lexers/_mapping.py",
    "lexers/python.py",
    "modeline.py",
    "plugin.py",
    "regexopt.py",
    "token.py",
    "unistring.py",
    "util.py",
)
# Packages of netdsl that the compiler doesn't import; `tests/test_playground.py` checks it.
WITHOUT = ("commands", "data", "inspect", "lsp", "runtime", "trained", "training")
# The date of the files in the archive: a build gives the same bytes again.
_DATE = (1980, 1, 1, 0, 0, 0)


class NoPyodide(Exception):
    """The npm package can't be had."""


def page_files() -> dict[str, bytes]:
    """The page itself, by path on the site."""
    folder = files("netdsl.playground")
    page = {name: folder.joinpath(name).read_bytes() for name in ("page.css", "page.js", "worker.js")}
    return {"playground.html": folder.joinpath("page.html").read_bytes(), **page}


def python_files(root: Path, cache: Path) -> dict[str, bytes]:
    """Python and the compiler, by path on the site. `cache` keeps the npm package between builds.

    Raises NoPyodide.
    """
    runtime = pyodide(cache)
    found = {f"pyodide/{name}": content for name, content in runtime.items()}
    found["pyodide/netdsl.zip"] = archive(root)
    loaded = sum(len(content) for name, content in found.items() if not name.endswith(".mjs"))
    found["pyodide/sizes.json"] = json.dumps({"bytes": loaded}).encode()
    return found


def pyodide(cache: Path) -> dict[str, bytes]:
    """The files of the npm package by name; npm downloads it once. Raises NoPyodide."""
    packed = cache / f"{PYODIDE.replace('@', '-')}.tgz"
    if not packed.exists():
        if shutil.which("npm") is None:
            raise NoPyodide(f"npm is not installed: it downloads {PYODIDE}")
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(["npm", "pack", PYODIDE], cwd=folder, capture_output=True, text=True)
            if done.returncode:
                raise NoPyodide(f"npm can't download {PYODIDE}: {done.stderr.strip()[-500:]}")
            cache.mkdir(parents=True, exist_ok=True)
            shutil.move(next(Path(folder).glob("*.tgz")), packed)
    content = packed.read_bytes()
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
    if integrity != INTEGRITY:
        raise NoPyodide(f"{packed} has the checksum {integrity}, not that of {PYODIDE}")
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        members = {name: tar.extractfile(f"package/{name}") for name in RUNTIME}
        return {name: member.read() for name, member in members.items() if member is not None}


def archive(root: Path) -> bytes:
    """A zip file with the compiler and what it imports."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for name, path in sorted(_members(root)):
            packed.writestr(zipfile.ZipInfo(name, _DATE), path.read_bytes(), zipfile.ZIP_DEFLATED, 9)
    return content.getvalue()


def _members(root: Path) -> Iterator[tuple[str, Path]]:
    """The files of the archive, by their path in it."""
    for path in (root / "netdsl").rglob("*"):
        inside = path.relative_to(root / "netdsl")
        if path.suffix in (".py", ".net") and inside.parts[0] not in WITHOUT:
            yield f"netdsl/{inside.as_posix()}", path
    for folder in ("grammar", "networks", "templates"):
        for path in (root / folder).rglob("*"):
            if path.is_file() and path.suffix != ".pyc":
                yield path.relative_to(root).as_posix(), path
    for package in PACKAGES:
        yield from _package(package)
    pygments = _location("pygments")
    yield from ((f"pygments/{name}", pygments / name) for name in PYGMENTS)


def _package(name: str) -> Iterator[tuple[str, Path]]:
    """The files of an installed package: those in C are variants of its Python files, for speed."""
    place = _location(name)
    if place.is_file():
        yield place.name, place
        return
    for path in place.rglob("*"):
        if path.is_file() and path.suffix not in (".so", ".pyd", ".pyc", ".c", ".pyi"):
            yield f"{name}/{path.relative_to(place).as_posix()}", path


def _location(name: str) -> Path:
    """The folder of a package, or the file of a module."""
    found = importlib.util.find_spec(name)
    assert found is not None and found.origin is not None, name
    return Path(found.origin).parent if found.submodule_search_locations else Path(found.origin)
