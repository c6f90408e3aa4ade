"""Reading sources and writing outputs: never half a file, never outside the folder that was given."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from netdsl.diagnostics import Diagnostics, nearest
from netdsl.resources import NETWORKS
from netdsl.source import Source


def shipped() -> dict[str, Path]:
    """The networks that come with netdsl, by name."""
    return {path.stem: path for path in sorted(NETWORKS.glob("*.net"))}


def find(name: str) -> Path:
    """The file that a command line names: a path, or the bare name of a shipped network."""
    path = Path(name)
    if not path.exists() and path.name == name and not path.suffix:
        return shipped().get(name, path)
    return path


def read(path: Path, diagnostics: Diagnostics) -> Source | None:
    """The text of a file, or None after a diagnostic."""
    try:
        return Source(str(path), path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        diagnostics.error("NET001", f"{path} is not UTF-8 text (byte {error.start})", help="save it as UTF-8")
    except OSError as error:
        help = (
            ""
            if path.suffix
            else nearest(path.name, shipped()) or f"shipped networks: {', '.join(shipped())}"
        )
        diagnostics.error("NET001", f"{path} can't be read: {error.strerror}", help=help)
    return None


def write(path: Path, text: str) -> None:
    """Writes the file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        # mkstemp makes the file private; give it the rights of any other new file.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
