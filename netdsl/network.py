"""A compiled network: its figures, its generated code and its modules."""

from __future__ import annotations

import hashlib
import linecache
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from netdsl.base.values import Value
from netdsl.compiler import Compiled, Style, generate, trace
from netdsl.diagnostics import Diagnostic
from netdsl.diagnostics.network_error import NetworkError
from netdsl.ir.typed import TypedNetwork
from netdsl.language.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor, nn

    from netdsl.codegen.source_map import Place


class CompiledNetwork:
    """A compiled network. Raises NetworkError if it has errors, or is a library of blocks."""

    def __init__(self, compiled: Compiled) -> None:
        if compiled.network is None:
            raise NetworkError(compiled.errors or [_library(compiled)])
        self.compiled = compiled
        self._typed: TypedNetwork = compiled.network
        self._sources: dict[Style, str] = {}

    @property
    def name(self) -> str:
        return self._typed.network.name

    @property
    def parameters(self) -> Mapping[str, Value]:
        """The network's parameters (`network name(depth=110)`) and their values."""
        return dict(self._typed.network.parameters)

    @property
    def parameters_count(self) -> int:
        """Number of weights, including frozen ones."""
        return self._typed.cost.parameters

    @property
    def macs(self) -> int:
        """Multiply-accumulates of convolutions and linear layers for one example."""
        return self._typed.cost.macs

    @property
    def depth(self) -> int:
        """Convolutions and linear layers on the longest path."""
        return self._typed.depth

    @property
    def receptive_field(self) -> int:
        """Receptive field of the last feature map, as the side of a square of input pixels; global pools
        don't count (Araujo et al. 2019).
        """
        return self._typed.receptive_field

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example: (channels, height, width), or (features,)."""
        return self._typed.network.input

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output, the first of several, for one example."""
        return self._typed.output

    @property
    def output_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Shapes of the outputs in training, by their names in the file; empty if it names none."""
        return {output.name: output.shape for output in self._typed.outputs if output.name}

    @property
    def styles(self) -> tuple[Style, ...]:
        """The styles of code that the network can be written in."""
        return self.compiled.styles

    @property
    def classes(self) -> int | None:
        return self._typed.network.classes

    @property
    def recipe(self) -> Recipe:
        return self._typed.network.recipe

    @property
    def typed(self) -> TypedNetwork:
        """The network with its shapes, which netdsl's own tools read."""
        return self._typed

    def source(self, style: Style = "module") -> str:
        """The generated code."""
        if style not in self._sources:
            self._sources[style] = generate(self.compiled, style)
        return self._sources[style]

    def file(self, style: Style) -> str:
        """The file name of generated code that is imported without a file; unique to the code."""
        digest = hashlib.blake2b(self.source(style).encode(), digest_size=3).hexdigest()
        return f"<{self.name}_{style} {digest}>"

    def source_map(self, style: Style = "module") -> tuple[Place, ...]:
        """The places of the generated code with the steps of the `.net` file that they come from."""
        return trace(self.compiled, style, self.source(style))

    def entry(self, style: Style) -> str:
        """Name of the network's class or function in generated code; `forward` in the functional style."""
        from netdsl.codegen.sequential import sequential_entry
        from netdsl.codegen.template_models import class_names

        if style == "functional":
            return "forward"
        lowered = self.compiled.lowered
        return class_names(lowered)[0] if style == "module" else sequential_entry(lowered)

    def imported(self, style: Style = "module") -> ModuleType:
        """The generated code as a Python module, without a file."""
        module = ModuleType(f"{self.name}_{style}")
        code, file = self.source(style), self.file(style)
        # Tracebacks show the lines of cached files.
        linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
        exec(compile(code, file, "exec"), module.__dict__)
        return module

    def module(self) -> nn.Module:
        """A freshly initialised `nn.Module` on the CPU, contiguous.

        On some CPUs channels last, and `torch.compile`, are not safe for it (docs/performance.md).
        """
        model: nn.Module = getattr(self.imported("module"), self.entry("module"))()
        return model

    def sequential(self) -> nn.Sequential:
        """A freshly initialised `nn.Sequential`."""
        model: nn.Sequential = getattr(self.imported("sequential"), self.entry("sequential"))()
        return model

    def functional(self) -> tuple[Callable[..., list[Tensor]], Callable[..., Tensor]]:
        """`(init_params, forward)`; with batch norms `imported("functional")` has `init_buffers` too."""
        code: Any = self.imported("functional")
        return code.init_params, code.forward


def _library(compiled: Compiled) -> Diagnostic:
    return Diagnostic(
        "missing-statement",
        f"{compiled.source.name} has no network",
        help="load a file with a `network` line",
    )
