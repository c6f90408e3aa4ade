"""The command line: what it prints, what it writes, and its exit statuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from netdsl.syntax.net_files import inside
from tests.support.commands import netdsl
from tests.support.programs import run_program

TINY = """\
network tiny(width=4)
input 3x8x8
classes 10
layers { flatten, linear(width), relu, linear(classes) }
"""
BROKEN = "network broken\ninput 3x8x8\nlayers { conv(8), rleu }\n"


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NETDSL_CACHE", str(tmp_path / "cache"))
    Path("tiny.net").write_text(TINY)
    Path("broken.net").write_text(BROKEN)
    return tmp_path


def test_check_prints_the_size() -> None:
    result = netdsl("check", "tiny.net")
    assert result.exit_code == 0
    assert result.output == "tiny.net: ok, 3x8x8 -> 10, 822 parameters, 808 MACs\n"


def test_check_reports_the_errors_of_every_file() -> None:
    Path("worse.net").write_text("network worse\n")
    result = netdsl("check", "broken.net", "tiny.net", "worse.net", "missing.net")
    assert result.exit_code == 1
    assert "tiny.net: ok" in result.output
    for part in ("broken.net:3:10", "`rleu`", "worse.net:1:", "missing.net can't be read"):
        assert part in result.output


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("fmt", ""), "an argument is empty"),
        (("train", "tiny.net", "--run", ""), "`--run` is empty"),
        (("build", "tiny.net", "--output="), "`--output=` is empty"),
        (("eval", "runs/a\0b"), "an argument has a zero byte"),
        (("style", "a.png", "b\0.png", "-o", "o.png", "--run", "run"), "an argument has a zero byte"),
    ],
)
def test_arguments_that_are_no_path(arguments: tuple[str, ...], message: str) -> None:
    """An empty one, as from `"$unset"`, doesn't mean the current folder."""
    before = Path("tiny.net").read_text()
    result = netdsl(*arguments)
    assert result.exit_code == 2 and f"Error: {message}" in result.output
    assert Path("tiny.net").read_text() == before


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs a device without an end")
def test_a_device_without_an_end() -> None:
    result = netdsl("check", "/dev/zero")
    assert result.exit_code == 1 and "longer than 100,000 characters" in result.output


def test_check_of_bare_names_and_settings() -> None:
    assert "118,074 parameters" in netdsl("check", "resnet32").output
    assert (
        "1,727,962 parameters"
        in netdsl("check", "preresnet", "--set", "depth=110", "--set", "kind=residual").output
    )
    assert "21,797,672 parameters" in netdsl("check", "resnet34").output
    assert "11,689,512 parameters" in netdsl("check", "resnet34", "--set", "depth=18").output
    assert "did you mean `squeezenet`?" in netdsl("check", "squezenet").output


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("check",),
        ("chek", "tiny.net"),
        ("check", "tiny.net", "--set", "width"),
        ("check", "tiny.net", "--set", "=3"),
        ("build", "tiny.net", "--style", "modul"),
        ("build", "tiny.net", "--stdout", "--check"),
        ("train",),
        ("train", "tiny.net", "broken.net", "--overfit", "10"),
        ("train", "tiny.net", "--epoch", "3"),
        ("train", "tiny.net", "--optimizer.lr"),
        ("train", "tiny.net", "--data", "folder:"),
        ("plot", "run"),
        ("plot", "run", "-o", "curves.jpg"),
    ],
)
def test_wrong_use_is_status_2(arguments: tuple[str, ...]) -> None:
    result = netdsl(*arguments)
    assert result.exit_code == 2
    assert "Usage" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check", "broken.net"), "NET301"),
        (("check", "tiny.net", "--set", "depth=3"), "has no parameter `depth`"),
        (("check", "tiny.net", "--set", "width=x"), "--set width:1:1"),
        (("check", "empty"), "no .net file in empty"),
        (("build", "std"), "library of blocks"),
        (("build", "tiny.net", "--check"), "tiny.py is not current"),
        (("build", "tiny.net", "-o", "tiny.net"), "cannot write"),
        (("train", "tiny.net", "--epochs", "0"), "must be a number above 0"),
        (("train", "tiny.net", "--optimizer", "sdg"), "did you mean `--optimizer sgd`?"),
        (("train", "tiny.net", "--optimizer.momentun", "0.9"), "did you mean `optimizer.momentum`?"),
        (("train", "tiny.net", "--data", "mnist"), "use `cifar10`, `cifar100`, `digits` and `scenes`"),
        (("train", "tiny.net", "--data", "folder:nowhere"), "nowhere"),
        (("train", "std"), "has no `network`"),
        (("train", "tiny.net", "--data", "digits", "--validation", "1437"), "validation"),
        (("eval", "nowhere"), "run.json"),
        (("plot", "nowhere", "-o", "curves.png"), "holds no run"),
    ],
)
def test_errors_in_the_input_are_status_1(arguments: tuple[str, ...], message: str) -> None:
    Path("empty").mkdir()
    result = netdsl(*arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert not Path("runs").exists(), "nothing is left behind"


def test_build_writes_one_file_a_style() -> None:
    result = netdsl("build", "tiny.net", "--style", "all", "-o", "code")
    assert result.exit_code == 0
    names = ["tiny.py", "tiny_functional.py", "tiny_sequential.py"]
    assert sorted(path.name for path in Path("code").iterdir()) == names
    assert netdsl("build", "tiny.net", "--style", "all", "-o", "code", "--check").exit_code == 0
    assert netdsl("build", "tiny.net", "-o", "code", "--check", "--set", "width=5").exit_code == 1


def test_build_prints_what_it_would_write() -> None:
    printed = netdsl("build", "tiny.net", "--stdout").output
    assert not Path("generated").exists()
    netdsl("build", "tiny.net")
    assert Path("generated/tiny.py").read_text() == printed


def test_build_of_a_folder_leaves_libraries_out() -> None:
    Path("nets").mkdir()
    Path("nets/tiny.net").write_text(TINY)
    Path("nets/blocks.net").write_text("block b(out) { conv(out, 3) }\n")
    assert netdsl("build", "nets", "-o", "code").output == "wrote code/tiny.py\n"


def test_nothing_is_written_where_any_file_has_an_error() -> None:
    result = netdsl("build", "tiny.net", "broken.net", "-o", "code")
    assert result.exit_code == 1
    assert not Path("code").exists()


def test_two_networks_of_one_name_are_refused() -> None:
    Path("again.net").write_text(TINY)
    result = netdsl("build", "tiny.net", "again.net", "-o", "code")
    assert result.exit_code == 1
    assert "would both be written to tiny.py" in result.output
    assert not Path("code").exists()


def test_train_eval_and_plot() -> None:
    options = ("--data", "digits", "--style", "functional", "--optimizer", "sgd(lr=0.05)", "--epochs", "2")
    trained = netdsl("train", "tiny.net", *options, "--set", "width=16")
    assert trained.exit_code == 0, trained.output
    run = Path("runs/tiny")
    weights = {"best.safetensors", "last.safetensors"}
    others = {
        "network.net",
        "run.json",
        "tiny.py",
        "metrics.jsonl",
        "curves.png",
        "results.csv",
        "report.json",
        "how.json",
        ".lock",
        "checkpoint.safetensors",
    }
    assert {path.name for path in run.iterdir()} == weights | others
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 2
    shown = next(line for line in trained.output.splitlines() if line.startswith("test accuracy"))
    evaluated = netdsl("eval", run).output
    precision = json.loads((run / "how.json").read_text())["precision"]
    expected = shown.split("test accuracy")[1].replace("best weights", precision)
    assert evaluated.splitlines()[0].split("test accuracy")[1] == expected
    again = netdsl("train", "tiny.net", *options)
    assert "the run is in runs/tiny-2" in again.output
    assert netdsl("train", "tiny.net", *options, "--run", run).exit_code == 1
    assert netdsl("plot", run, "runs/tiny-2", "-o", "curves.png").exit_code == 0
    assert Path("curves.png").read_bytes().startswith(b"\x89PNG")


def test_eval_never_runs_the_python_of_a_run(tmp_path: Path) -> None:
    netdsl("train", "tiny.net", "--data", "digits", "--epochs", "1", "--run", "run")
    Path("run/tiny.py").write_text("open('pwned', 'w')\nraise SystemExit\n")
    assert netdsl("eval", "run").exit_code == 0
    assert not (tmp_path / "pwned").exists()
    Path("run/run.json").write_text('{"settings": {}, "overrides": {"data": "digits"}, "style": "x"}')
    assert '`style` is "x", not one of module' in netdsl("eval", "run").output
    Path("run/run.json").write_text("[]")
    assert "run.json is damaged" in netdsl("eval", "run").output


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("arguments", [["summary", "resnet32"], ["build", "resnet32", "--stdout"]])
def test_output_that_finds_no_place(arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = run_program([sys.executable, "-m", "netdsl", *arguments], stdout=full)
    assert done.returncode == 1
    assert done.stderr == "error: the output can't be written: No space left on device\n"


def test_a_folder_stands_for_its_files(tmp_path: Path) -> None:
    """Links and hidden files of editors, and folders called like networks, are none of them."""
    folder = tmp_path / "networks"
    folder.mkdir()
    (folder / "a.net").write_text("block b(out) { conv(out, 3) }\n", encoding="utf-8")
    (folder / "folder.net").mkdir()
    (folder / ".#a.net").symlink_to("someone@host.1")
    (folder / "gone.net").symlink_to("nowhere")
    assert inside(folder) == [folder / "a.net"]


def test_list_shows_the_parameters_of_the_shipped_networks() -> None:
    lines = [" ".join(line.split()) for line in netdsl("list").stdout.splitlines()]
    assert lines.index("resnet34 depth=34") == lines.index("resnet18 depth=18 in [18, 34]") + 1
    assert "resnet32" in lines and not any(line.startswith("std") for line in lines)


def test_list_with_a_word_shows_sizes() -> None:
    lines = [" ".join(line.split()) for line in netdsl("list", "VGG1").stdout.splitlines()]
    assert "vgg16_bn 138,365,992 15,470,264,320 3x224x224 batch_norm=yes" in lines
    assert any(line.startswith("vgg.net: VGG (Simonyan and Zisserman") for line in lines)
    (found,) = json.loads(netdsl("list", "wide_resnet101", "--format", "json").stdout)
    assert found["variant_of"] == "wide_resnet50" and found["parameters"] == 126_886_696
    assert "no network has `xyz`" in netdsl("list", "xyz").output


def test_a_value_of_another_network_is_answered_with_its_name() -> None:
    found = netdsl("check", "resnet18", "--set", "depth=50").output
    assert "`depth` is 50, but must be 18 or 34" in found
    assert "use `resnet50`, which has `depth=50`" in found
    assert "write `--set depth=19`" in netdsl("check", "vgg", "--set", "depth=20").output


@pytest.mark.parametrize(
    ("arguments", "help"),
    [
        (("train", "tiny.net", "--lr", "0.1"), "write `--optimizer.lr 0.1`"),
        (("train", "tiny.net", "--learning-rate=0.1"), "write `--optimizer.lr 0.1`"),
        (("train", "tiny.net", "--momentum", "0.9"), "write `--optimizer.momentum 0.9`"),
        (("train", "tiny.net", "--amp"), "write `--precision bf16`"),
        (("train", "tiny.net", "--gpu"), "write `--device cuda`"),
        (("train", "tiny.net", "--batch-size", "64"), "write `--batch 64`"),
        (("train", "tiny.net", "--batc", "64"), "did you mean `--batch`?"),
        (("train", "tiny.net", "--data", "mnist"), "write `--data folder:mnist`"),
        (("train", "tiny.net", "--data", "./my images"), "write `--data 'folder:./my images'`"),
        (("train", "tiny.net", "--epochs", "ten"), "write `--epochs 10`"),
        (("train", "tiny.net", "--overfit", "5000"), "5000 is not in the range 2<=x<=1000"),
        (("check", "tiny.net", "--input", "3,32,32"), "write `--input 3x32x32`"),
        (("check", "tiny.net", "--input", "(1, 8, 8)"), "write `--input 1x8x8`"),
        (("check", "tiny.net", "--input", "1x3x8x8"), "write `--input 3x8x8`, without the batch"),
        (("check", "tiny.net", "--set", "widht=3"), "did you mean `--set width=3`?"),
        (("eval", "tiny.net"), "train it with `netdsl train tiny.net`"),
        (("explain", "NET999"), "there is no code `NET999`; `netdsl explain` lists all"),
    ],
)
def test_helps_are_in_the_form_of_the_command_line(arguments: tuple[str, ...], help: str) -> None:
    found = netdsl(*arguments)
    assert found.exit_code != 0 and help in found.output
    assert found.output.count("error[") <= 1


def test_help_shows_the_parameters_of_a_network() -> None:
    assert "--set depth=…  one of 18, 34" in netdsl("train", "resnet18", "--help").stdout
