"""`netdsl diff`: what it names, what it leaves out, and which weights it says fit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings

from netdsl.api.difference import change_line
from netdsl.api.loading import load
from netdsl.base.source import Source
from netdsl.compiler import compile_network
from netdsl.ir.typed import TypedNetwork
from netdsl.runtime import checkpoint
from netdsl.summary.changes import MOST_PLACES, compare
from netdsl.summary.measure import EVERYTHING, measure
from netdsl.summary.settings import compare_settings
from netdsl.summary.structure import Step, structure
from netdsl.summary.tree import Part
from netdsl.syntax.net_files import shipped
from tests.support import strategies
from tests.support.building import HEAD, SMALL, VARIED
from tests.support.commands import netdsl
from tests.test_properties import MODEST

NETWORKS = VARIED


# The standard block `residual` in other words.
RENAMED = "block mine(o, s=1) { skip { unit(o, 3, s), unit(o, 3) } shortcut { conv(o, 1, s) } }"


def typed(text: str, **given: str) -> TypedNetwork:
    network = compile_network(Source("test.net", text), given).network
    assert network is not None
    return network


def differences(before: TypedNetwork, after: TypedNetwork) -> list[str]:
    changes, _ = compare(structure(before), structure(after))
    return [change_line(change) for change in (*changes, *compare_settings(before.network, after.network))]


def between(before: str, after: str) -> list[str]:
    """The differences of two small networks."""
    return differences(*(typed(f"{SMALL}{text}\n{HEAD}") for text in (before, after)))


# structure


@pytest.mark.parametrize(
    "before, after, told",
    [
        ("stage residual(4, repeat=5)", "stage residual(4, repeat=7)", ["~ stage1: repeat 5 → 7"]),
        ("stage residual(4)", "stage residual(6)", ["~ stage1: out 4 → 6"]),
        (
            "stem { save a, relu, save b, each a, b { conv(4, 3) } }",
            "stem { save a, relu, save b, each a, b { conv(4, 5) } }",
            ["~ stem: conv kernel 3 → 5"],
        ),
        (
            "stem { save a, relu, save b, each a, b { conv(4, 3) } }",
            "stem { save a, relu, save b, each b { conv(4, 3) } }",
            ["- stem: each a { conv(4, 3) }"],
        ),
        (
            "stage residual(4, stride=2, repeat=3)",
            "stage residual(8, repeat=3)",
            ["~ stage1: out 4 → 8", "~ stage1: stride 2 → 1"],
        ),
        ("stage residual(4)", "stage plain(4)", ["~ stage1: block residual → plain"]),
        (
            "stage residual(4)",
            "stage residual(4)\nstage residual(8, stride=2, repeat=3)",
            ["+ network: stage2 { residual(8, stride=2), residual(8) × 2 }"],
        ),
        (
            "stage residual(4)\nlayers { maxpool(2) }\nstage plain(6)",
            "stage plain(6)",
            ["- network: stage1 { residual(4) }", "- network: layers { maxpool(2) }"],
        ),
        (
            "stem { conv(4, 3) }",
            "stem { conv(4, 5, bias=no) }",
            ["~ stem: conv kernel 3 → 5", "~ stem: conv bias yes → no"],
        ),
        ("stem { conv(4, 3), relu }", "stem { conv(4, 3), bn, gelu }", ["~ stem: relu → bn, gelu"]),
        ("stem { conv(4, 3), relu }", "stem { conv(4, 3) }", ["- stem: relu"]),
        (
            "stem { conv(4, 3), relu, bn }",
            "stem { conv(4, 3), bn, relu }",
            ["~ stem: order conv, relu, bn → conv, bn, relu"],
        ),
        ("stem { repeat 3 { relu } }", "stem { repeat 5 { relu } }", ["~ stem: relu repeat 3 → 5"]),
        ("stem { skip { conv(3, 3), bn } }", "stem { conv(3, 3), bn }", ["- stem: skip { … }"]),
        (
            "stem { conv(3, 3), bn }",
            "stem { skip { conv(3, 5), bn } }",
            ["+ stem: skip { … }", "~ stem: conv kernel 3 → 5"],
        ),
        (
            "stem { concat { | identity | conv(4, 3) } }",
            "stem { concat { | identity | conv(4, 3), relu } }",
            ["+ stem > branch2: relu"],
        ),
        ("stem { conv(4, 3) }", "stem { conv(4, 3, freeze=yes) }", ["~ stem: conv freeze no → yes"]),
    ],
)  # fmt: skip
def test_changes_of_the_structure(before: str, after: str, told: list[str]) -> None:
    assert between(before, after) == told


def test_an_order_is_told_once_for_all_stages() -> None:
    stages = "stages residual {\n out repeat stride\n 4 3 1\n 8 3 2\n}"
    assert between("order conv, bn, relu\n" + stages, "order bn, relu, conv\n" + stages) == [
        "~ stage1, stage2 > residual: order conv, bn, relu, conv, bn, relu → bn, relu, conv, bn, relu, conv"
    ]


def test_a_default_is_told_where_it_has_an_effect() -> None:
    told = between(
        "stem { conv(4, 3) }\nstage plain(4)", "default conv(bias=no)\nstem { conv(4, 3) }\nstage plain(4)"
    )
    assert told == ["~ stem; stage1 > plain: conv bias yes → no"]


def test_a_change_inside_a_block_of_the_same_name() -> None:
    block = "block b(out) {{ conv(out, {}), relu }}\nstage b(4)"
    assert between(block.format(3), block.format(5)) == ["~ stage1 > b: conv kernel 3 → 5"]


@pytest.mark.parametrize(
    "before, after",
    [
        ("stem { conv(4, 3) }", "# other words\nstem {\n  conv(4, kernel=3)  # the same\n}"),
        ("stage residual(4)", f"stage mine(4)\n{RENAMED}"),
        ("stage residual(4, repeat=3)", "let n = 6 / 2\nlet wide = 2 * 2\nstage residual(wide, repeat=n)"),
        ("stages plain {\n out\n 4\n 6\n}", "stage plain(4)\nstage plain(6)"),
        ("stem { relu }", "default conv(bias=no)\nstem { when 1 == 2 { conv(4, 3) }, relu }"),
    ],
)  # fmt: skip
def test_what_has_no_effect_is_no_difference(before: str, after: str) -> None:
    assert between(before, after) == []


def test_settings() -> None:
    before = "init pytorch\ntrain { epochs 3\n optimizer sgd(lr=0.1)\n augment flip }"
    after = (
        "init pytorch { linear normal(std=0.01) }\n"
        "train { epochs 5\n optimizer sgd(lr=0.2)\n schedule cosine }"
    )
    assert between(before + "\nstem { relu }", after + "\nstem { relu }") == [
        "+ init: linear normal(mean=0, std=0.01)",
        "~ train: epochs 3 → 5",
        "~ train: optimizer.lr 0.1 → 0.2",
        "~ train: schedule constant → cosine",
        "~ train: augment flip → none",
    ]
    told = between("train { optimizer adam(lr=0.1) }\nstem { relu }", "stem { relu }")
    assert told == ["~ train: optimizer adam(lr=0.1) → sgd(lr=0.01, momentum=0.9, weight_decay=0.0001)"]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_differs_from_no_other_but_itself(name: str) -> None:
    text = shipped()[name].read_text()
    compiled = compile_network(Source(str(shipped()[name]), text)).network
    other = compile_network(Source(str(shipped()["resnet47"]), shipped()["resnet47"].read_text())).network
    assert compiled is not None and other is not None
    assert differences(compiled, compiled) == []
    assert bool(differences(compiled, other)) == (name != "resnet47")


@settings(MODEST, max_examples=10)
@given(strategies.networks(), strategies.networks())
def test_random_pairs(one: str, other: str) -> None:
    """No pair is too odd, and a network never differs from itself."""
    before, after = typed(one), typed(other)
    differences(before, after)
    assert differences(before, before) == []


# the command


def test_the_text() -> None:
    result = netdsl("diff", "resnet32", "plain32")
    assert result.exit_code == 1
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert lines[3] == "~ stage1, stage2, stage3: block residual → plain"
    assert "stage2 16x16x16 22,496 → 22,352 5,636,096 → 5,603,328" in lines
    assert "total 10 118,074 → 117,386 17,391,936 → 17,326,400" in lines
    assert [line for line in lines if line.startswith("stage1 ")] == ["stage1 70 0 0 0"]  # of equal size
    assert "214 of 218 tensors of A fit B, by name and shape" in lines
    assert "stage2 70 0 2 0" in lines


def test_one_network_with_other_settings() -> None:
    output = netdsl("diff", "preresnet", "preresnet", "--set-a", "depth=20", "--set-b", "depth=56").output
    assert "~ stage1, stage2, stage3: repeat 2 → 6\n" in output
    assert "depth 20 → 56, receptive field 31 → 87" in output
    assert "119 of 119 tensors of A fit B, by name and shape; B has 216 more" in output


def test_equal_networks(tmp_path: Path) -> None:
    (tmp_path / "same.net").write_text("# Not the same words.\n" + shipped()["resnet32"].read_text())
    result = netdsl("diff", "resnet32", tmp_path / "same.net")
    assert result.exit_code == 0
    assert result.output.splitlines()[3:] == [
        "no difference in what they do",
        "",
        "all 218 tensors of A fit B, by name and shape",
    ]


def test_another_name_of_a_weight_is_a_difference(tmp_path: Path) -> None:
    for label in ("one", "other"):
        (tmp_path / f"{label}.net").write_text(f"{SMALL}stem {{ {label}: conv(4, 3) }}\n{HEAD}")
    result = netdsl("diff", tmp_path / "one.net", tmp_path / "other.net")
    assert "no difference in what they do" in result.output
    assert "2 of 4 tensors of A fit B, by name and shape; B has 2 more" in result.output
    assert result.exit_code == 1


def test_json() -> None:
    found = json.loads(netdsl("diff", "resnet50", "wide_resnet50", "--format", "json").output)
    assert found.keys() == {"a", "b", "changes", "parts", "weights"}
    assert found["changes"][0] == {
        "places": ["layer1 > bottleneck"], "what": "conv out", "before": "64", "after": "128"
    }  # fmt: skip
    (stage,) = (part for part in found["parts"] if part["name"] == "layer1")
    assert (stage["a"]["parameters"], stage["b"]["parameters"]) == (215808, 634368)
    (weights,) = (part for part in found["weights"] if part["part"] == "layer1")
    assert (len(weights["fitting"]), len(weights["reshaped"])) == (27, 33)


def test_the_weights_that_fit_can_be_loaded() -> None:
    """torch takes over just those that are said to fit."""
    one, other = load("preresnet", depth=20).module(), load("preresnet", depth=29).module()
    sides = ["preresnet", "preresnet", "--set-a", "depth=20", "--set-b", "depth=29"]
    found = json.loads(netdsl("diff", *sides, "--format", "json").output)
    fitting = [name for part in found["weights"] for name in part["fitting"]]
    new = [name for part in found["weights"] for name in part["new"]]
    keys = other.load_state_dict({name: one.state_dict()[name] for name in fitting}, strict=False)
    assert not keys.unexpected_keys
    assert set(keys.missing_keys) <= set(new)
    assert sorted(fitting + new) == sorted(other.state_dict())


def test_weights_of_a_file(tmp_path: Path) -> None:
    state = {"stem.0.weight": torch.zeros(8, 3, 3, 3), "fc.weight": torch.zeros(10, 32)}
    checkpoint.save(tmp_path / "w.safetensors", state)
    torch.save({"ema": state, "model": state}, tmp_path / "w.pth")
    for name in ("w.safetensors", "w.pth"):
        result = netdsl("diff", "resnet32", "plain32", "--weights", tmp_path / name)
        assert "1 of 2 tensors of A fit B, by name and shape; B has 213 more" in result.output
    assert result.stderr == f"took `model` of {tmp_path / 'w.pth'}, not `ema`\n"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["resnet32", "missing"], "missing can't be read"),
        (["broken.net", "resnet32"], "did you mean `relu`?"),
        (["resnet32", "resnet32", "--set-b", "depth"], "not of the form name=value"),
        (["resnet32", "plain32", "--weights", "none.pth"], "there is no file none.pth"),
    ],
)
def test_errors_have_a_status_of_their_own(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.net").write_text("network broken\ninput 3x8x8\nlayers { rleu }\n")
    result = netdsl("diff", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_the_page_shows_what_is_printed() -> None:
    page = (Path(__file__).parents[2] / "docs" / "tools.md").read_text()
    lines = netdsl("diff", "resnet32", "plain32").output.splitlines()
    assert "\n".join(line.rstrip() for line in lines[2:]) in page


@pytest.mark.parametrize(
    "before, after, told",
    [
        ("", "order bn, relu, conv", ["~ network: order conv, bn, +, relu → bn, relu, conv"]),
        (
            "order conv, bn, relu",
            "order bn,  relu, conv\nlayers { dropout(0.5) }",
            ["~ network: order conv, bn, relu → bn, relu, conv", "+ network: layers { dropout(0.5) }"],
        ),
    ],
)  # fmt: skip
def test_what_follows_from_an_order_isnt_told(
    before: str, after: str, told: list[str], tmp_path: Path
) -> None:
    for name, order in (("a", before), ("b", after)):
        depth = "expect depth == 7\n"
        (tmp_path / f"{name}.net").write_text(f"{SMALL}stage residual(4, repeat=3)\n{order}\n{HEAD}{depth}")
    output = netdsl("diff", tmp_path / "a.net", tmp_path / "b.net").output
    assert output.split("\n\n")[1].splitlines() == told


def test_an_order_without_effect_is_no_difference(tmp_path: Path) -> None:
    for name, order in (("a", "conv, bn, relu"), ("b", "bn, relu, conv")):
        (tmp_path / f"{name}.net").write_text(f"{SMALL}order {order}\nstem {{ relu }}\n{HEAD}")
    assert netdsl("diff", tmp_path / "a.net", tmp_path / "b.net").exit_code == 0


# large networks


DEEP = "block b0 {{ conv(3, {}) }}\n" + "".join(f"block b{n} {{{{ {{}} }}}}\n" for n in range(1, 19))
CALLS = [f"b{n - 1}, b{n - 1}" for n in range(1, 19)]
ADDS = [f"add {{ | b{n - 1} | b{n - 1} }}" for n in range(1, 19)]


@pytest.mark.parametrize("bodies", [CALLS, ADDS])
def test_what_blocks_in_blocks_differ_in_is_found(bodies: list[str]) -> None:
    """A quarter of a million convolutions, told at a few places."""
    one, other = (DEEP.format(kernel, *bodies) + "stem { b18 }" for kernel in (3, 5))
    assert between(one, one) == []
    (told,) = between(one, other)
    assert told.startswith("~ stem > b18 >") and told.endswith("b0: conv kernel 3 → 5")
    assert told.count("> b0") <= MOST_PLACES


@pytest.mark.parametrize(
    "before, after, told",
    [
        ("stage plain(3, repeat=90k)", "stage plain(3, repeat=100k)", "~ stage1: repeat 90000 → 100000"),
        (
            "stem { repeat 100k { relu, bn } }",
            "stem { repeat 100k { relu, bn(eps=1e-3) } }",
            "~ stem: bn eps 1e-05 → 0.001",
        ),
        ("stage plain(3)\n" * 300, "stage plain(3)\n" * 301, "+ network: stage301 { plain(3) }"),
    ],
)  # fmt: skip
def test_many_copies(before: str, after: str, told: str) -> None:
    assert between(before, before) == []
    assert between(before, after) == [told]


def test_a_stage_among_many_equal_ones() -> None:
    """Rows of equal steps are the matcher's worst case."""
    stages = "stage plain(3)\n" * 300
    assert between(stages * 2, f"{stages}stage residual(3)\n{stages}") == [
        "+ network: stage301 { residual(3) }"
    ]


def test_weights_of_a_large_network_arent_compared(tmp_path: Path) -> None:
    path = tmp_path / "large.net"
    path.write_text(f"{SMALL}stage residual(3, repeat=100k)\n{HEAD}")
    result = netdsl("diff", path, path)
    assert result.exit_code == 0
    assert "weights aren't compared: a network has more than 10,000 operations" in result.output
    assert json.loads(netdsl("diff", path, path, "--format", "json").output)["weights"] is None


def test_the_steps_are_those_of_a_summary() -> None:
    """The structure leaves out figures, and nothing else."""

    def assert_same(steps: Sequence[Step], parts: Sequence[Part], outer: int) -> None:
        assert [(step.kind, step.title, step.arguments) for step in steps] == [
            (part.kind, part.title, part.arguments) for part in parts
        ]
        for step, part in zip(steps, parts, strict=True):
            assert step.copies * outer == part.copies
            assert_same(step.steps, part.parts, part.copies)

    for name in NETWORKS:
        network = compile_network(Source(str(shipped()[name]), shipped()[name].read_text())).network
        assert network is not None
        assert_same(structure(network).parts, measure(network, EVERYTHING).parts, 1)


def test_a_bare_names_file_is_shown_from_the_current_folder_on(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shipped()["resnet32"].parent
    monkeypatch.chdir(folder.parent)
    assert (
        f"A: resnet32, {Path(folder.name, 'resnet32.net')}\n" in netdsl("diff", "resnet32", "plain32").output
    )
