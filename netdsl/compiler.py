"""The compiler: its passes in order. Read this file first, then docs/architecture.md.

    source  --parse, load_files-->  Program of each file (syntax)
            --resolve-->            Bindings: what each name means, in files with errors too
                                    ResolvedNetwork: names are bound, units are written out
            --infer-->              TypedNetwork: shapes and costs are known
            --warn-->               the same network, and warnings (lint)
            --lower-->              LoweredNetwork: each block once, over its parameters
            --view, render-->       Python in one of three styles (codegen)

Each pass is a package with one public function, and only `load_files` reads files. `netdsl build FILE
--emit FORM` prints the network in the form that a pass returns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from netdsl.base.resources import NETWORKS
from netdsl.base.source import Source
from netdsl.diagnostics import Diagnostic, Diagnostics, Label
from netdsl.diagnostics.network_error import NetworkError
from netdsl.ir.typed import TypedNetwork
from netdsl.language.words import INPUT, VARIANT
from netdsl.lint.warn import warn
from netdsl.resolve.bindings import Bindings
from netdsl.resolve.load_files import File, Reader, load_files
from netdsl.resolve.resolve import Overrides, resolve
from netdsl.shapes.infer import infer
from netdsl.syntax.net_files import read_text
from netdsl.syntax.nodes import Program
from netdsl.syntax.parser import parse, parse_values

if TYPE_CHECKING:
    from netdsl.codegen.render import View
    from netdsl.codegen.source_map import Place
    from netdsl.ir.lowered import LoweredNetwork

Style: TypeAlias = Literal["module", "functional", "sequential"]
STYLES: tuple[Style, ...] = get_args(Style)

# The forms of a network between the passes.
Form: TypeAlias = Literal["ast", "resolved", "typed", "lowered"]
FORMS: tuple[Form, ...] = get_args(Form)


@cache
def standard_blocks() -> Program:
    """The blocks of `std.net`, which every file can use."""
    path = NETWORKS / "std.net"
    return parse(Source(path.name, path.read_text(encoding="utf-8"), builtin=True), Diagnostics())


@dataclass(frozen=True)
class Compiled:
    """Result of compiling a file. `typed` is None if the file is a library of blocks or has recursive blocks;
    after errors it has the shapes that are known. `settings` are the parameters that it was compiled with.

    `files` are the parsed files by path, the compiled one first; `used` are the texts of the others.
    `bindings` are their names, also after errors.
    """

    source: Source
    settings: Mapping[str, str]
    used: Mapping[str, str]
    typed: TypedNetwork | None
    diagnostics: tuple[Diagnostic, ...]
    files: Mapping[str, File]
    bindings: Bindings

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(found for found in self.diagnostics if found.severity == "error")

    @cached_property
    def network(self) -> TypedNetwork | None:
        """The network; None if there is none, or if it has errors."""
        return None if self.errors else self.typed

    @cached_property
    def lowered(self) -> LoweredNetwork:
        # Imported late: `netdsl check` needs neither this pass nor the next.
        from netdsl.lower.lower import lower

        assert self.network is not None
        return lower(self.network)

    @property
    def styles(self) -> tuple[Style, ...]:
        """The styles that the network can be written in: `sequential` only if it is one sequence."""
        from netdsl.codegen.sequential import is_sequence

        return STYLES if is_sequence(self.lowered) else ("module", "functional")


def compile_network(
    source: Source,
    parameters: Mapping[str, str] | None = None,
    recipe: Mapping[str, str] | None = None,
    read: Reader = read_text,
) -> Compiled:
    """Runs the passes up to the warnings.

    `parameters` (`--set`, the shape of the `input`, and the name of a `variant`) and the keys of `recipe`
    override those of the file; their values are expressions in the language's notation. `read` returns the
    text of a used file.
    """
    diagnostics = Diagnostics()
    given = {
        name: parse_values(Source("--input" if name == INPUT else f"--set {name}", text), diagnostics)
        for name, text in (parameters or {}).items()
    }
    variant = given.pop(VARIANT, ())
    overrides = Overrides(
        given.pop(INPUT, ()),
        given,
        {key: parse_values(Source(_option(key), text), diagnostics) for key, text in (recipe or {}).items()},
        variant,
    )
    used: dict[str, str] = {}

    def recorded(path: str) -> str:
        used[path] = read(path)
        return used[path]

    files = load_files(source, recorded, diagnostics)
    resolved, bindings = resolve(files, standard_blocks(), overrides, diagnostics)
    typed = infer(resolved, diagnostics) if resolved is not None else None
    if typed is not None and not diagnostics.errors:
        warn(bindings, typed, diagnostics)
    return Compiled(source, dict(parameters or {}), used, typed, tuple(diagnostics), files, bindings)


def _option(key: str) -> str:
    """The option for a key of the recipe, or for an argument in it: `--lr-factor`, `--loss.smoothing`."""
    return f"--{key}" if "." in key else f"--{key.replace('_', '-')}"


def emit(compiled: Compiled, form: Form) -> str:
    """The network in one of the forms between the passes, as text."""
    from netdsl.ir.printer import printed

    if form == "ast":
        return printed(next(iter(compiled.files.values())).program, compiled.source)
    assert compiled.network is not None
    if form == "resolved":
        return printed(compiled.network.network, compiled.source)
    return printed(compiled.network if form == "typed" else compiled.lowered, compiled.source)


def generate(compiled: Compiled, style: Style) -> str:
    """The Python code of a network in a style. Raises NetworkError if it can't be written in this style."""
    from netdsl.codegen.render import render

    return render(_view(compiled, style))


def trace(compiled: Compiled, style: Style, code: str) -> tuple[Place, ...]:
    """The source map of `code`, the result of `generate`: the step of the file that each place comes from."""
    from netdsl.codegen.source_map import source_map

    return source_map(_view(compiled, style), code)


def _view(compiled: Compiled, style: Style) -> View:
    """The view of a network that the style's template renders."""
    from netdsl.codegen.functional import functional_view
    from netdsl.codegen.module import module_view
    from netdsl.codegen.sequential import sequential_view

    assert compiled.network is not None
    if style not in compiled.styles:
        message = "the network is no `nn.Sequential`, which has one output and no tensors across its parts"
        place = compiled.network.network.span
        raise NetworkError([Diagnostic("NET503", message, (Label(place),), help="use the style `module`")])
    views: dict[Style, Callable[[LoweredNetwork, str], View]]
    views = {"module": module_view, "functional": functional_view, "sequential": sequential_view}
    name = compiled.source.name.replace("\\", "/").rsplit("/", 1)[-1]
    return views[style](compiled.lowered, name)
