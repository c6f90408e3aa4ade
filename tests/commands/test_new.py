"""`netdsl new`: files to start from."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import netdsl
from netdsl.base.resources import NETWORKS, START
from netdsl.cli import main
from netdsl.syntax.net_files import shipped
from tests.support.building import VARIED
from tests.support.commands import netdsl as command


def new(*arguments: str) -> Result:
    return command("new", *arguments)


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_file_is_a_network_of_that_name() -> None:
    result = new("mine")
    assert result.exit_code == 0
    assert result.output == ("wrote mine.net\n\nnext:\n  netdsl check mine.net\n  netdsl train mine.net\n")
    assert Path("mine.net").read_text() == START.read_text().replace("my_network", "mine")
    assert CliRunner().invoke(main, ["check", "mine.net"]).exit_code == 0


def test_the_start_file_explains_every_statement_and_trains_on_what_comes_along() -> None:
    text = START.read_text()
    parts = [part for part in text.split("\n\n") if not part.startswith("classes")]
    assert all(part.startswith("# ") for part in parts)
    assert "data digits" in text
    compiled = netdsl.load(START)
    assert compiled.output_shape == (10,)


def test_the_end_of_the_name_may_be_given_and_a_folder() -> None:
    assert "netdsl train nets/mine.net" in new("nets/mine.net").output
    assert "network mine(" in Path("nets/mine.net").read_text()


@pytest.mark.parametrize("name", VARIED)
def test_every_shipped_network_can_be_copied(name: str) -> None:
    result = new("nets/copied", "--from", name)
    assert result.exit_code == 0, result.output
    original, copy = netdsl.load(shipped()[name]), netdsl.load("nets/copied.net")
    assert copy.parameters_count == original.parameters_count
    assert "\nnetwork copied" in Path("nets/copied.net").read_text()


def test_used_libraries_come_along_and_are_shared() -> None:
    assert new("a", "--from", "densenet").output.startswith("wrote blocks/dense.net\nwrote a.net\n")
    assert Path("blocks/dense.net").read_bytes() == (NETWORKS / "blocks" / "dense.net").read_bytes()
    assert new("b", "--from", "densenet_bc").output.startswith("wrote b.net\n")


def test_a_copy_of_a_file_of_ones_own() -> None:
    new("a", "--from", "densenet")
    assert new("b", "--from", "a.net").exit_code == 0
    assert Path("b.net").read_text() == Path("a.net").read_text().replace("network a(", "network b(")


def test_nothing_is_overwritten() -> None:
    Path("mine.net").write_text("mine\n")
    result = new("mine")
    assert result.exit_code == 1
    assert "mine.net exists already" in result.output
    assert Path("mine.net").read_text() == "mine\n"
    Path("blocks").mkdir()
    Path("blocks/dense.net").write_text("block other { relu }\n")
    result = new("a", "--from", "densenet")
    assert "blocks/dense.net exists already" in result.output.replace("\\", "/")
    assert not Path("a.net").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("class", "`class` is reserved in Python"),
        ("my net", "choose another name, as `my_net`"),
        ("res-net", "choose another name, as `res_net`"),
        ("3layers", "choose another name, as `layers`"),
        ("größe", "letters, digits and `_`"),
        ("_", "choose another name, as `my_net`"),
        ("self", "`self` is reserved in Python"),
        ("torch", "`torch.py` would shadow"),
        ("random", "choose another name, as `my_random`"),
    ],
)
def test_bad_names_are_refused(name: str, said: str, workplace: Path) -> None:
    result = new(name)
    assert result.exit_code == 1
    assert said in result.output
    assert list(workplace.iterdir()) == []


def test_what_can_not_be_copied() -> None:
    assert "did you mean `squeezenet`?" in new("a", "--from", "squezenet").output
    assert "library of blocks" in new("a", "--from", "std").output
    assert not Path("a.net").exists()


def test_a_copy_of_a_variant_has_its_values() -> None:
    assert new("mine", "--from", "vgg19_bn").exit_code == 0
    text = Path("mine.net").read_text()
    assert "\nnetwork mine(depth=19 in [11, 13, 16, 19], batch_norm=yes)\n" in text and "variant" not in text
    assert netdsl.load("mine.net").parameters_count == netdsl.load("vgg19_bn").parameters_count
    assert new("large", "--from", "efficientnet_b1").exit_code == 0
    assert "\ninput 3x240x240\n" in Path("large.net").read_text()
