"""The Python API: values that it takes, values that it gives, and its errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

import netdsl
from netdsl.language.argument_types import signature
from netdsl.language.recipe import CHOICES, LISTS, AdamW, Crop, Flip, Folder
from netdsl.language.recipe_text import recipe_text
from netdsl.runtime import digits
from tests.support.commands import netdsl as command
from tests.support.samples import pixels


def test_a_recipe_as_text_as_numbers_and_as_dataclasses(place: Path, tiny: Path) -> None:
    network = netdsl.load(tiny / "tiny.net", width=3)
    texts = network.train(epochs=1, optimizer="adamw(lr=1e-3)", quiet=True)
    values = network.train(epochs=1, optimizer=AdamW(lr=1e-3), quiet=True)
    whole = network.train(recipe=replace(network.recipe, epochs=1, optimizer=AdamW()), quiet=True)
    recipes = [run.network.recipe for run in (texts, values, whole)]
    assert recipes[0] == recipes[1] == recipes[2]
    assert recipes[0].optimizer == AdamW(lr=1e-3) and recipes[0].epochs == 1
    assert [run.folder.name for run in (texts, values, whole)] == ["tiny", "tiny-2", "tiny-3"]
    assert texts.network.parameters == {"width": 3}
    states = [run.model().state_dict() for run in (texts, values)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def signature_names(choice: type) -> list[str]:
    return [parameter.name for parameter in signature(choice)]


@pytest.mark.parametrize("key", CHOICES)
def test_recipe_text_is_read_back(key: str) -> None:
    usual = {"path": "images", "at": (6, 8), "padding": 4, "size": 2, "low": 0.8, "high": 1.25}
    for choice in CHOICES[key].values():
        needed = {n: usual[n] for n in signature_names(choice) if n in usual}
        value = choice(**needed)
        text = recipe_text((value,) if key in LISTS else value)
        found = netdsl.check(
            f"network a\ninput 3x8x8\nhead {{ flatten, linear(10) }}\ntrain {{ {key} {text} }}\n"
        )
        unknown = [
            each for each in found.diagnostics if each.code in ("NET302", "NET301", "NET201", "NET602")
        ]
        assert not unknown, text
        if found.network is not None:
            read = getattr(found.network.recipe, key)
            assert read == ((value,) if key in LISTS else value)


def test_several_augmentations_and_paths(place: Path, tiny: Path) -> None:
    network = netdsl.load(tiny / "tiny.net")
    run = network.train(epochs=1, augment=[Flip(), Crop(1)], quiet=True)
    assert run.network.recipe.augment == (Flip(), Crop(1))
    with pytest.raises(netdsl.RunError, match="images"):
        network.train(data=Path("images"))
    with pytest.raises(netdsl.RunError, match="images"):
        network.train(data=Folder("images"))


def test_an_unknown_key_is_an_error(place: Path, tiny: Path) -> None:
    with pytest.raises(netdsl.NetworkError, match="epocs"):
        netdsl.load(tiny / "tiny.net").train(epocs=3)
    assert not Path("runs").exists()


def test_evaluation_is_that_of_the_command(place: Path, tiny: Path) -> None:
    run = netdsl.open(tiny / "runs" / "tiny")
    assert run.report is not None
    assert run.evaluate().scores == run.report.test
    assert f"{run.report.test_score:.2%}" in command("eval", run.folder).output


def test_images_of_all_kinds_are_predicted_alike(place: Path, tiny: Path) -> None:
    run = netdsl.open(tiny / "runs" / "tiny")
    images = pixels(digits.read((1, 8, 8)).test)[:3]
    pictures = [Image.fromarray(image[0].numpy()) for image in images]
    Path("some").mkdir()
    for number, picture in enumerate(pictures):
        picture.save(Path("some") / f"{number}.png")
    arrays = images.permute(0, 2, 3, 1).numpy()
    kinds = [
        "some",
        sorted(Path("some").iterdir()),
        pictures,
        images,
        images.float() / 255,
        arrays,
        list(arrays),
        list(images[:, 0]),
        arrays[..., 0][..., None] / 255,
    ]
    expected = [(found.label, found.score) for found in run.predict(kinds[0])]
    model = run.model()
    with torch.inference_mode():
        shares = model(images.float() / 255).softmax(1)
    assert [label for label, _ in expected] == [run.classes[i] for i in shares.argmax(1)]
    for kind in kinds:
        found = [(found.label, found.score) for found in run.predict(kind)]
        assert found == expected


@pytest.mark.parametrize(
    "image, message",
    [
        ("missing.png", "missing.png: no such file"),
        (np.zeros((8, 8, 4), np.uint8), "not an image"),
        (np.zeros((8, 8)) + 200, "from 200 to 200"),
        (torch.randn(1, 8, 8), "from 0 to 1"),
        (np.zeros((8, 8), np.int64), "int64"),
        (3, "int is not an image"),
    ],
)
def test_what_is_not_an_image_is_an_error(place: Path, tiny: Path, image: object, message: str) -> None:
    with pytest.raises(netdsl.RunError, match=message):
        netdsl.open(tiny / "runs" / "tiny").predict(image)  # type: ignore[arg-type]


def test_an_image_in_memory_is_not_changed(place: Path, tiny: Path) -> None:
    image = Image.new("RGBA", (5, 9), (9, 8, 7, 100))
    before = image.tobytes()
    netdsl.open(tiny / "runs" / "tiny").predict(image)
    assert (image.mode, image.size, image.tobytes()) == ("RGBA", (5, 9), before)


def test_a_classifier_detects_nothing(tiny: Path) -> None:
    with pytest.raises(netdsl.RunError, match="run of a classifier"):
        netdsl.open(tiny / "runs" / "tiny").detect([])


def test_what_notebooks_show(place: Path, tiny: Path) -> None:
    network = netdsl.load(tiny / "tiny.net")
    html = network._repr_html_()
    assert html.count("<img") == 1 and "<td" in html and "tiny" in html
    assert "<table" in network.summary()._repr_html_()
    shown = netdsl.open(tiny / "runs" / "tiny")._repr_html_()
    assert shown.count("data:image/png;base64") == 1 and "validation" in shown
    assert "<table" in netdsl.diff("resnet32", "plain32")._repr_html_()
    wrong = netdsl.check("network a\ninput 3x8x8\nhead { <b>flaten</b> }\n")._repr_html_()
    assert "<b>" not in wrong and "&lt;b&gt;" in wrong and "color:" in wrong


def test_print_shows_what_the_commands_do(place: Path) -> None:
    assert str(netdsl.load("resnet32").summary()).splitlines() == [
        line.rstrip() for line in command("summary", "resnet32").output.splitlines()
    ]
    assert str(netdsl.diff("resnet32", "plain32")).splitlines() == [
        line.rstrip() for line in command("diff", "resnet32", "plain32").output.splitlines()
    ]


def test_pictures(place: Path) -> None:
    picture = netdsl.load("resnet32").graph()
    picture.save("a.svg")
    assert Path("a.svg").read_text() == picture.svg
    with pytest.raises(ValueError, match="a picture is .svg, .png or .html"):
        picture.save("a.gif")


class Noisy(netdsl.Callback):
    """Draws random numbers and computes with the run's weights, as users do."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.calls = folder, list[str]()

    def begin(self, beginning: object) -> None:
        self.calls.append("begin")

    def epoch(self, row: object) -> None:
        self.calls.append("epoch")
        torch.manual_seed(torch.randint(1000, ()).item().__int__())
        np.random.seed(3)
        netdsl.open(self.folder).predict(np.zeros((8, 8), np.uint8), which="last", device="cpu")
        if self.calls.count("epoch") == 2:
            raise KeyboardInterrupt

    def close(self) -> None:
        self.calls.append("close")


def test_a_callback_changes_nothing_of_a_resumed_run(place: Path, tiny: Path) -> None:
    network = netdsl.check(
        (tiny / "tiny.net").read_text().replace("relu, flatten", "relu, dropout(0.3), flatten")
    ).network
    assert network is not None
    options = {"device": "cpu", "precision": "fp32", "compile": "off", "epochs": 4, "quiet": True}
    whole = network.train(run="whole", **options)  # type: ignore[arg-type]
    noisy = Noisy(Path("halved"))
    with pytest.raises(netdsl.RunError, match="stopped by Ctrl-C"):
        network.train(run="halved", callbacks=[noisy], **options)  # type: ignore[arg-type]
    assert noisy.calls == ["begin", "epoch", "epoch", "close"]
    halved = netdsl.open("halved").resume(quiet=True)
    one, other = (run.model("last").state_dict() for run in (whole, halved))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert [row.loss for row in whole.metrics] == [row.loss for row in halved.metrics]
    assert len((halved.folder / "results.csv").read_text().splitlines()) == 5


def test_every_public_name_but_recipe_is_a_function_or_class() -> None:
    modules = [name for name in netdsl.__all__ if isinstance(getattr(netdsl, name), ModuleType)]
    assert modules == ["recipe"]
