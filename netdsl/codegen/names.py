"""Names in generated code: those of the file, unless Python or the code itself has them already."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable

from netdsl.codegen.helpers import HELPERS
from netdsl.ir.lowered import BlockCall, Choice, Layer, LoweredStep
from netdsl.other_frameworks.torch_attributes import MODULE_ATTRIBUTES

# Names that generated code uses for itself: everywhere, and in the functional style besides.
_COMMON = "torch nn F Tensor OrderedDict self x forward in_channels in_features num_classes _"
_FUNCTIONAL = "p b init Init params buffers tensors training dtype device generator init_params init_buffers"

# The names of constants of the file that are parameters in generated code.
CONSTANTS = {"classes": "num_classes"}
RESERVED = frozenset(_COMMON.split()).union(keyword.kwlist, dir(builtins), HELPERS)
RESERVED_FUNCTIONAL = RESERVED | frozenset(_FUNCTIONAL.split())


class Names:
    """The names that are free in one scope."""

    def __init__(self, taken: Iterable[str] = RESERVED) -> None:
        self._taken = set(taken)
        self._idle: set[str] = set()
        # The number to try next, by the name before it and the one to begin with.
        self._next: dict[tuple[str, int], int] = {}

    def free(self, name: str) -> str:
        """The name, with one or more `_` at its end if it is taken."""
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name

    def numbered(self, name: str) -> str:
        """The name, else the name with the first free number from 2 up, in place of its own."""
        return name if self._take(name) else self._counted(name.rstrip("0123456789"), 2)

    def series(self, name: str, length: int) -> list[str]:
        """The name with the first free numbers from 1 up; without a number if it is a single one."""
        if length == 1:
            return [self.numbered(name)]
        return [self._counted(name, 1) for _ in range(length)]

    def release(self, *names: str) -> None:
        """Makes the names of variables that are no longer used free for other numbered ones."""
        self._idle.update(names)
        self._next.clear()

    def _counted(self, name: str, start: int) -> str:
        number = self._next.get((name, start), start)
        while not self._take(f"{name}{number}"):
            number += 1
        self._next[name, start] = number + 1
        return f"{name}{number}"

    def _take(self, name: str) -> bool:
        """Takes a name, if it is free."""
        free = name not in self._taken or name in self._idle
        self._taken.add(name)
        self._idle.discard(name)
        return free


# Words of names that the name of a class has in capitals.
_ACRONYMS = frozenset(["bc", "bn", "cnn", "fc", "fcn", "gan", "mb", "mlp", "nas", "rnn", "se", "vgg", "vit"])
# Names that are made of words without a `_`, each of which begins with a capital.
_WORDS = re.compile(r"(pre)?(res)?([a-z]*)(net)(\d*)|(mb)(conv)")


def camel(name: str) -> str:
    """A name as the name of a class: `ThreeLayerConvNet`, `PreResNet`, `TwoLayerFC`."""
    joined = "".join(map(_capitals, name.split("_")))
    return joined if joined[:1].isalpha() else f"Net{joined}"


def _capitals(part: str) -> str:
    words = match.groups("") if (match := _WORDS.fullmatch(part)) else (part,)
    return "".join(map(_capital, words))


def _capital(word: str) -> str:
    known = word.rstrip("0123456789") in _ACRONYMS
    return word.upper() if known else word[:1].upper() + word[1:]


def step_name(step: LoweredStep) -> str:
    """The name of a step: its label, else its kind."""
    match step:
        case Layer(operation, label=label):
            name = label or operation.attribute or operation.name
        case BlockCall(block, label=label):
            name = label or block.name
        case Choice(holder):
            name = label_of(step) or holder
        case _:
            name = "layers"
    return f"{name}_" if name in MODULE_ATTRIBUTES else name


def label_of(step: LoweredStep) -> str | None:
    """The label of a step itself, not of those inside it."""
    if isinstance(step, Choice):
        return label_of(step.cases[0][1][0])
    return step.label if isinstance(step, (Layer, BlockCall)) else None
