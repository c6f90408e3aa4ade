"""The extension for notebooks: `%load_ext netdsl` gives cells of the language, `%%net`."""

from __future__ import annotations

from typing import Any


def load_ipython_extension(ipython: Any) -> None:
    """Registers `%%net`: the cell is checked when it is run. Errors are shown in colours with their helps;
    otherwise the name of the network is bound to it, and its picture and table are shown.

    `%%net width=32` gives parameters of the network, `%%net --fix` applies the safe fixes to the cell's text
    first, and shows the new text.
    """
    ipython.register_magic_function(_Cells(ipython).net, "cell", "net")


class InvalidCell(Exception):
    """The cell has errors, which are shown; "run all" stops here. A notebook shows no traceback."""

    def _render_traceback_(self) -> list[str]:
        return []


class _Cells:
    def __init__(self, ipython: Any) -> None:
        self._ipython = ipython

    def net(self, line: str, cell: str) -> Any:
        """Compiles the cell and binds the network's name to it."""
        from IPython.display import display

        from netdsl.api.loading import check

        words = line.split()
        fix = "--fix" in words
        parameters = dict(word.split("=", 1) for word in words if "=" in word)
        checked = check(cell, "cell", **parameters)
        if fix and checked.fixed != cell:
            cell = checked.fixed
            first = " ".join(["%%net", *(word for word in words if word != "--fix")])
            self._ipython.set_next_input(f"{first}\n{cell}", True)
            checked = check(cell, "cell", **parameters)
        if not checked.ok:
            display(checked)  # type: ignore[no-untyped-call]
            raise InvalidCell
        if checked.network is not None:
            self._ipython.push({checked.network.name: checked.network})
        return checked
