"""The pipeline. Read this file first.

    text --load_files--> Files --resolve--> ResolvedNetwork --infer--> TypedNetwork
         --lower--> LoweredNetwork --render--> code

Each arrow is a pass: one package with one public function, without input or output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from netdsl.base.resources import NETWORKS
from netdsl.base.source import Source
from netdsl.diagnostics import Diagnostic, Diagnostics
from netdsl.ir.typed import TypedNetwork
from netdsl.lint.warn import warn
from netdsl.resolve.load_files import File, Reader, load_files
from netdsl.resolve.resolve import Overrides, resolve
from netdsl.shapes.infer import infer
from netdsl.syntax.net_files import read_text
from netdsl.syntax.nodes import Program
from netdsl.syntax.parser import parse, parse_values

if TYPE_CHECKING:
    from netdsl.codegen.source_map import Place
    from netdsl.ir.lowered import LoweredNetwork

# The name of the input's shape among a network's parameters: no parameter can be called so.
INPUT = "input"

Style: TypeAlias = Literal["module", "functional", "sequential"]
STYLES: tuple[Style, ...] = get_args(Style)


@cache
def standard_blocks() -> Program:
    path = NETWORKS / "std.net"
    return parse(Source(path.name, path.read_text(encoding="utf-8")), Diagnostics())


@dataclass(frozen=True)
class Compiled:
    """What came of a file: a network, or None where it is a library of blocks or has errors.

    `used` are the texts of the files that it uses, by path; `files` what all of them say, its own first.
    Among the diagnostics may be warnings alone.
    """

    source: Source
    used: Mapping[str, str]
    network: TypedNetwork | None
    diagnostics: tuple[Diagnostic, ...]
    files: Mapping[str, File]

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(found for found in self.diagnostics if found.severity == "error")

    @cached_property
    def lowered(self) -> LoweredNetwork:
        # Late: who only checks needs neither this pass nor what comes after it.
        from netdsl.lower.lower import lower

        assert self.network is not None
        return lower(self.network)


def compile_network(
    source: Source,
    parameters: Mapping[str, str] | None = None,
    recipe: Mapping[str, str] | None = None,
    read: Reader = read_text,
) -> Compiled:
    """Runs the passes up to the shapes, and looks for what is most likely not meant.

    `parameters` (`--set`, and the shape of the `input`) and keys of the `recipe` are given as texts of
    the language; `read` gives the text of a used file.
    """
    diagnostics = Diagnostics()
    given = {
        name: parse_values(Source("--input" if name == INPUT else f"--set {name}", text), diagnostics)
        for name, text in (parameters or {}).items()
    }
    overrides = Overrides(
        given.pop(INPUT, ()),
        given,
        {key: parse_values(Source(f"--{key}", text), diagnostics) for key, text in (recipe or {}).items()},
    )
    used: dict[str, str] = {}

    def remembered(path: str) -> str:
        used[path] = read(path)
        return used[path]

    files = load_files(source, remembered, diagnostics)
    resolved = resolve(files, standard_blocks(), overrides, diagnostics)
    network = infer(resolved, diagnostics) if resolved is not None else None
    if network is not None:
        warn(files, network, diagnostics)
    return Compiled(source, used, network, tuple(diagnostics), files)


def generate(compiled: Compiled, style: Style) -> str:
    """The Python code of a network in a style."""
    from netdsl.codegen.render import render

    return render(f"{style}.py.j2", _view(compiled, style))


def trace(compiled: Compiled, style: Style, code: str) -> tuple[Place, ...]:
    """The source map of the `code` that `generate` gave: what in it stands for which step of the file."""
    from netdsl.codegen.source_map import source_map

    return source_map(f"{style}.py.j2", _view(compiled, style), code)


def _view(compiled: Compiled, style: Style) -> object:
    """What the style's template lays out."""
    from netdsl.codegen.functional import functional_view
    from netdsl.codegen.module import module_view
    from netdsl.codegen.sequential import sequential_view

    view = {"module": module_view, "functional": functional_view, "sequential": sequential_view}[style]
    name = compiled.source.name.replace("\\", "/").rsplit("/", 1)[-1]
    return view(compiled.lowered, name)
