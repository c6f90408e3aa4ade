"""The examples in the docstrings of the API run as they stand, in the order of their modules."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import netdsl
from netdsl.api import loading, network
from netdsl.runtime import callback

MODULES = (network, loading, callback)


def test_examples(place: Path) -> None:
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner()
    with_examples = set()
    for module in MODULES:
        found = finder.find(module, extraglobs={"netdsl": netdsl})
        for test in sorted((test for test in found if test.examples), key=lambda test: test.lineno or 0):
            with_examples.add(test.name)
            runner.run(test)
    assert runner.summarize(verbose=False).failed == 0
    homes = {name: str(getattr(getattr(netdsl, name), "__module__", "")) for name in netdsl.__all__}
    functions = {name for name, home in homes.items() if home.startswith("netdsl.api")}
    functions -= {"Checked", "Difference", "load_ipython_extension"}  # values, and the extension
    assert {name.rpartition(".")[2] for name in with_examples} >= functions


def test_doctests_see_mistakes() -> None:
    """The runner above fails where an example is wrong."""
    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner(verbose=False).run(test, out=lambda _: None).failed == 1


def test_the_page_about_python(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its examples run as they stand, in their order, on fewer images."""
    page = Path(__file__).parents[2] / "docs" / "python.md"
    train = netdsl.Network.train

    def short(self: netdsl.Network, **arguments: Any) -> netdsl.Run:
        return train(self, **{**arguments, "epochs": 1, "images": 64, "quiet": True})

    monkeypatch.setattr(netdsl.Network, "train", short)
    Path("images").mkdir()
    Image.new("L", (8, 8)).save("images/a.png")
    names: dict[str, object] = {}
    for text in re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
        exec(text, names)
    assert sorted(path.name for path in Path("runs").iterdir()) == [
        "convnet",
        *(f"convnet-{number}" for number in (2, 3, 4)),
    ]
