"""Finding and reading `.net` files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from errno import ENOENT
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.resources import NETWORKS
from netdsl.base.source import MAX_LENGTH, Source
from netdsl.diagnostics import Diagnostics, nearest
from netdsl.language.words import VARIANT

if TYPE_CHECKING:
    from netdsl.syntax.nodes import Network, Parameter, Variant


def shipped() -> dict[str, Path]:
    """The networks that come with netdsl, by name."""
    return {path.stem: path for path in sorted(NETWORKS.glob("*.net"))}


class NetFile(NamedTuple):
    """A `.net` file, and the variant of its network that is meant; empty for the network itself."""

    path: Path
    variant: str = ""

    def __str__(self) -> str:
        return f"{self.path} ({self.variant})" if self.variant else str(self.path)

    def settings(self, given: Mapping[str, str]) -> dict[str, str]:
        """The settings with which it is compiled; `given` are those of the command line."""
        return {VARIANT: self.variant, **given} if self.variant else dict(given)


def bare_names() -> dict[str, NetFile]:
    """The networks that come with netdsl and their variants, by name: a network before its variants."""
    return {
        name: NetFile(path, name if name != path.stem else "")
        for path in shipped().values()
        if path.stem != "std"
        for name in (path.stem, *(variant.name.text for variant in head_of(path).variants))
    }


class Head(NamedTuple):
    """The statements of a file that name its network."""

    network: Network | None
    variants: tuple[Variant, ...]


def head_of(path: Path) -> Head:
    """The name, parameters and variants of a file's network. Raises OSError or ValueError."""
    return _head(str(path), read_text(str(path)))


@cache
def _head(name: str, text: str) -> Head:
    from netdsl.syntax.nodes import Network, Variant
    from netdsl.syntax.parser import parse_head

    program = parse_head(Source(name, text))
    networks = [statement for statement in program.statements if isinstance(statement, Network)]
    variants = (statement for statement in program.statements if isinstance(statement, Variant))
    return Head(networks[0] if networks else None, tuple(variants))


def parameters_of(name: str) -> tuple[Parameter, ...]:
    """The parameters of the network that a command line names; none of a file that can't be read."""
    try:
        network = head_of(find(name).path).network
    except (OSError, ValueError):
        return ()
    return network.parameters if network else ()


def find(name: str) -> NetFile:
    """The file that a command line names: a path, or the bare name of a shipped network or of a variant."""
    path = Path(name)
    if path.exists() or path.name != name or path.suffix:
        return NetFile(path)
    if name in (files := shipped()):
        return NetFile(files[name])
    # Few texts have the name in them, and only these are parsed.
    texts = (file for file in files.values() if name in read_text(str(file)))
    variants = (file for file in texts if any(v.name.text == name for v in head_of(file).variants))
    return next((NetFile(file, name) for file in variants), NetFile(path))


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
        known = nearest(path.name, bare_names()) or "`netdsl list` shows the networks that come with netdsl"
        reason = getattr(error, "strerror", None) or error
        help = "" if path.suffix else known
        diagnostics.error("NET100", f"{path} can't be read: {reason}", help=help)
    return None
