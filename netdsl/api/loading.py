"""The first functions of a program: `load`, `check`, `diff` and `open`."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from os import PathLike, fspath
from pathlib import Path

from netdsl.api.difference import Difference, difference
from netdsl.api.network import Network, Run
from netdsl.base.document import document_html
from netdsl.base.source import Source
from netdsl.base.values import show
from netdsl.compiler import Compiled, compile_network
from netdsl.diagnostics import Diagnostic, Diagnostics
from netdsl.diagnostics.network_error import NetworkError
from netdsl.diagnostics.render_html import diagnostics_html
from netdsl.network import CompiledNetwork
from netdsl.syntax.net_files import find, read


def load(path: str | PathLike[str], **parameters: int | float | bool | str) -> Network:
    """Compiles a `.net` file, or a shipped network or a variant of one by its bare name.

    `parameters` override the network's own; `input` overrides the shape of one example; of a file's own
    variants, `variant` chooses one: `load("mine.net", variant="small")`.

    >>> netdsl.load("preresnet", depth=110, kind="residual").parameters_count
    1727962
    >>> netdsl.load("resnet50", input="3x64x64").output_shape
    (1000,)

    Raises NetworkError, which has the diagnostics.
    """
    diagnostics = Diagnostics()
    file = find(fspath(path))
    source = read(file.path, diagnostics)
    if source is None:
        raise NetworkError(diagnostics)
    return Network(compile_network(source, file.settings(_settings(parameters))))


class Checked:
    """The diagnostics of a text, and its network if it has no errors; made by `check`. A notebook shows both.

    `text` is the text, `fixed` the text after its safe fixes.
    """

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self.diagnostics: tuple[Diagnostic, ...] = compiled.diagnostics
        self.network = None if compiled.network is None else Network(compiled)

    @property
    def ok(self) -> bool:
        """True if there are no errors; warnings there may be."""
        return not self._compiled.errors

    @property
    def text(self) -> str:
        return self._compiled.source.text

    @property
    def fixed(self) -> str:
        from netdsl.diagnostics.apply_fixes import apply_fixes

        settings = self._compiled.settings
        found = apply_fixes(self._compiled.source, lambda text: compile_network(text, settings).diagnostics)
        return found.source.text

    def __repr__(self) -> str:
        from netdsl.diagnostics.render_text import render

        return "\n\n".join(map(render, self.diagnostics)) or (
            "a library of blocks" if self.network is None else repr(self.network)
        )

    def _repr_html_(self) -> str:
        shown = diagnostics_html(self.diagnostics)
        if self.network is not None:
            return shown + self.network._repr_html_()
        return shown + document_html(["a library of blocks"] if self.ok else [])


def check(text: str, name: str = "text", **parameters: int | float | bool | str) -> Checked:
    """Checks the text of a `.net` file: syntax, names, arguments, shapes and recipe.

    `name` is that of the file in messages; `parameters` are those of `load`.

    >>> found = netdsl.check("network tiny\\ninput 3x8x8\\nhead { flaten, linear(10) }\\n")
    >>> found.ok
    False
    >>> found.diagnostics[0].code
    'NET201'
    >>> netdsl.check(found.fixed).network
    tiny: 3x8x8 -> 10, 1,930 parameters
    """
    return Checked(compile_network(Source(name, text), _settings(parameters)))


def diff(a: str | PathLike[str] | CompiledNetwork, b: str | PathLike[str] | CompiledNetwork) -> Difference:
    """Compares two networks, given as for `load` or loaded: structure, shapes, sizes, recipe, and which
    weights fit both.

    >>> found = netdsl.diff("resnet32", "plain32")
    >>> found.same
    False
    >>> found.changes[0].before, found.changes[0].after
    ('residual', 'plain')

    Raises NetworkError.
    """
    one, other = (side if isinstance(side, CompiledNetwork) else load(side) for side in (a, b))
    return difference(one.compiled, other.compiled)


def open(folder: str | PathLike[str]) -> Run:
    """The run in a folder. No code in it is executed.

    >>> netdsl.open("runs/convnet").network.name
    'convnet'

    Raises RunError if the folder holds no run or a damaged one, NetworkError if its network has errors.
    """
    return Run(Path(fspath(folder)))


def _settings(parameters: Mapping[str, int | float | bool | str]) -> dict[str, str]:
    """Parameters in the language's notation; a string becomes a name."""
    return {
        name: (
            value
            if isinstance(value, str)
            else show(value if isinstance(value, int) else Fraction(repr(value)))
        )
        for name, value in parameters.items()
    }
