"""Networks: `netdsl.load`, and what can be done with a network before and by training it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from fractions import Fraction
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netdsl.api.difference import Difference, difference
from netdsl.api.picture import Picture
from netdsl.base.document import document_html
from netdsl.base.source import Source
from netdsl.base.values import show
from netdsl.compiler import Compiled, Style, compile_network
from netdsl.diagnostics import Diagnostic, Diagnostics
from netdsl.diagnostics.network_error import NetworkError
from netdsl.diagnostics.render_html import diagnostics_html
from netdsl.language.recipe import Folder, Recipe
from netdsl.language.recipe_text import data_text, recipe_text
from netdsl.network import CompiledNetwork
from netdsl.summary.network_summary import Summary
from netdsl.syntax.net_files import find, read

if TYPE_CHECKING:
    from netdsl.api.run import Run
    from netdsl.runtime.callback import Callback



class Network(CompiledNetwork):
    """A network; `load` and `check` make it. A notebook shows its picture and its table.

    >>> network = netdsl.load("resnet32")
    >>> network
    resnet32: 3x32x32 -> 10, 118,074 parameters
    """

    def __repr__(self) -> str:
        first, *_ = self.summary(1).document()
        title = str(first).rpartition(", depth")[0]
        return f"{title}, {self.parameters_count:,} parameters"

    def _repr_html_(self) -> str:
        from netdsl.graph.render_picture import TooLarge

        summary = self.summary(1)
        try:
            return self.graph()._repr_html_() + document_html(summary.document())
        except TooLarge:
            return document_html(summary.document())

    def summary(self, depth: int = 2) -> Summary:
        """Shapes, parameters, MACs, memory and receptive field of the network's parts; `depth` levels: 1 for
        sections and stages, 2 for their steps, 3 for the steps of blocks, and so on.

        >>> summary = netdsl.load("convnet").summary()
        >>> summary.figures.parameters
        1147978
        >>> print(summary)  # doctest: +ELLIPSIS
        convnet: 3x32x32 -> 10, depth 6
        ...
        """
        from netdsl.summary.measure import measure

        return measure(self.typed, depth)

    def graph(self) -> Picture:
        """The picture of the network; a notebook shows it.

        >>> netdsl.load("resnet32").graph().save("resnet32.svg")

        Raises `TooLarge` if the network has more different parts than one picture has room for.
        """
        return Picture(self.typed)

    def train(
        self,
        *,
        recipe: Recipe | None = None,
        run: str | PathLike[str] | None = None,
        style: Style = "module",
        callbacks: Sequence[Callback] = (),
        loggers: Sequence[str] = (),
        quiet: bool = False,
        device: str = "auto",
        precision: str = "auto",
        compile: str = "auto",
        **keys: object,
    ) -> Run:
        """Trains the network into a new folder, `runs/NAME` if `run` does not name one, and returns the run.

        Every key of the recipe is an argument, as text of the language, as a number or as its dataclass of
        `netdsl.recipe`; a whole `recipe` replaces that of the file. `device`, `precision` and `compile` are
        those of `netdsl train`, which describes them. `callbacks` are called at the start, after each epoch,
        and at the end; `loggers` are those of `--log`: "tensorboard", "mlflow", "wandb".

        >>> network = netdsl.load("convnet", input="1x8x8")
        >>> run = network.train(data="digits", epochs=1, optimizer="adamw(lr=1e-3)", quiet=True)
        >>> run.folder
        PosixPath('runs/convnet')

        Raises NetworkError for a recipe that is not valid, RunError if the training can't start or continue,
        and its subclass Interrupted if it is stopped: `netdsl.open(run).resume()` continues it.
        """
        from netdsl.api.run import Run
        from netdsl.runtime.speed import SpeedRequest
        from netdsl.training.train_run import Watchers, free_folder, train_run

        overrides = _overrides(self.recipe, recipe) | {key: recipe_value(key, v) for key, v in keys.items()}
        network = CompiledNetwork(self._recompiled(overrides))
        folder = Path(fspath(run)) if run else free_folder(network.name)
        request = SpeedRequest(device=device, precision=precision, compile=compile)
        watchers = Watchers(loggers, callbacks, quiet)
        train_run(network.compiled, overrides, style, folder, request, watchers=watchers)
        return Run(folder)

    def _recompiled(self, overrides: Mapping[str, str]) -> Compiled:
        """The network with keys of its recipe overridden."""
        before = self.compiled
        return compile_network(before.source, before.settings, overrides, before.used.__getitem__)


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
        found = apply_fixes(
            self._compiled.source, lambda text: compile_network(text, settings).diagnostics
        )
        return found.source.text

    def __str__(self) -> str:
        from netdsl.diagnostics.render_text import render

        return "\n\n".join(map(render, self.diagnostics)) or repr(self.network)

    def __repr__(self) -> str:
        return f"<Checked: {len(self.diagnostics)} errors and warnings>"

    def _repr_html_(self) -> str:
        shown = diagnostics_html(self.diagnostics)
        return shown + (self.network._repr_html_() if self.network is not None else "")


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


def _settings(parameters: Mapping[str, int | float | bool | str]) -> dict[str, str]:
    """Parameters in the language's notation; a string becomes a name."""
    return {
        name: value
        if isinstance(value, str)
        else show(value if isinstance(value, int) else Fraction(repr(value)))
        for name, value in parameters.items()
    }


def _overrides(before: Recipe, recipe: Recipe | None) -> dict[str, str]:
    """The keys of a recipe that differ from those of the file, as text."""
    keys: dict[str, Any] = {f.name: getattr(recipe or before, f.name) for f in fields(before)}
    return {key: recipe_text(value) for key, value in keys.items() if value != getattr(before, key)}


def recipe_value(key: str, value: object) -> str:
    """A recipe's value as text; one that is not a text is one of Python."""
    if isinstance(value, PathLike):
        value = Folder(fspath(value))
    if isinstance(value, str):
        return data_text(value) if key == "data" else value
    return recipe_text(tuple(value) if isinstance(value, list) else value)
