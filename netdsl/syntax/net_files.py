"""Finding and reading `.net` files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from errno import ENOENT
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.base.resources import NETWORKS
from netdsl.base.source import MAX_LENGTH, Source
from netdsl.diagnostics import Diagnostics, nearest

if TYPE_CHECKING:
    from netdsl.syntax.nodes import Parameter


def shipped() -> dict[str, Path]:
    """The networks that come with netdsl, by name."""
    return {path.stem: path for path in sorted(NETWORKS.glob("*.net"))}


def parameters_of(name: str) -> tuple[Parameter, ...]:
    """The parameters of the network that a command line names; none of a file that can't be read."""
    from netdsl.syntax.nodes import Network
    from netdsl.syntax.parser import parse

    try:
        source = Source(name, read_text(str(find(name))))
    except (OSError, ValueError):
        return ()
    program = parse(source, Diagnostics())
    networks = (statement for statement in program.statements if isinstance(statement, Network))
    return next((network.parameters for network in networks), ())


def find(name: str) -> Path:
    """The file that a command line names: a path, or the bare name of a shipped network."""
    path = Path(name)
    if not path.exists() and path.name == name and not path.suffix:
        return shipped().get(name, path)
    return path


def inside(folder: Path) -> list[Path]:
    """The .net files in a folder; none if it is a file. Hidden ones are editors' own. Raises OSError."""
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in entries if path.suffix == ".net" and path.is_file() and path.name[0] != "."]


def read_text(path: str) -> str:
    """The text of a file, or the start of one that is longer than MAX_LENGTH. Raises OSError or ValueError
    (UnicodeDecodeError) where it can't be read.
    """
    with open(path, encoding="utf-8-sig") as file:
        return file.read(MAX_LENGTH + 1)


def recorded(texts: Mapping[str, str], where: str) -> Callable[[str], str]:
    """In place of `read_text` where a record holds the texts of used files, by their paths; `where` is its
    name. Raises FileNotFoundError for others.
    """

    def text(path: str) -> str:
        if path not in texts:
            raise FileNotFoundError(ENOENT, f"it is not in the {where}", path)
        return texts[path]

    return text


def read(path: Path, diagnostics: Diagnostics) -> Source | None:
    """The text of a file, or None after a diagnostic."""
    if path.is_dir():
        files = inside(path)
        message = f"{path} is a folder" if files else f"there is no .net file in {path}"
        diagnostics.error("NET100", message, help=f"name a file, such as {files[0]}" if files else "")
        return None
    try:
        return Source(str(path), read_text(str(path)))
    except UnicodeDecodeError as error:
        diagnostics.error("NET100", f"{path} is not UTF-8 text (byte {error.start})", help="save it as UTF-8")
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        networks = [name for name in shipped() if name != "std"]
        known = nearest(path.name, networks) or f"shipped networks: {', '.join(networks)}"
        reason = getattr(error, "strerror", None) or error
        help = "" if path.suffix else known
        diagnostics.error("NET100", f"{path} can't be read: {reason}", help=help)
    return None
