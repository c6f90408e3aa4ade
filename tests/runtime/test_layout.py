"""The layout is channels last only where oneDNN's convolutions stay inside of their memory."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from subprocess import STDOUT

import pytest
import torch

import netdsl
from netdsl.runtime.errors import RunError
from netdsl.runtime.layout import Convolution, choose_layout, laid_out, overruns
from netdsl.trained.open_run import convolutions
from tests.support.programs import run_program

CPU = torch.device("cpu")
TINY = """
network tiny
input 3x32x32
classes 10
order bn, relu, conv
stages residual {
  out repeat stride
   8    1      2
  16    1      2
}
head { global_avgpool, flatten, linear(classes) }
"""
# With fewer layers to compile.
FLAT = """
network flat
input 3x32x32
classes 10
stem { conv(4, 1, stride=2), relu }
head { global_avgpool, flatten, linear(classes) }
"""
# Forces the convolutions of a CPU with AVX2, whatever this CPU has.
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2"}


@pytest.mark.parametrize(
    ("convolution", "on_avx2", "on_avx512"),
    [
        (Convolution(7, (1, 1), 2, 1), True, True),
        (Convolution(1, (1, 1), 3, 1), True, True),
        (Convolution(8, (1, 1), 2, 1), False, True),
        (Convolution(15, (1, 1), 2, 1), False, True),
        (Convolution(16, (1, 1), 2, 1), False, False),
        (Convolution(3, (1, 1), 1, 1), False, False),
        (Convolution(3, (3, 3), 2, 1), False, False),
        (Convolution(4, (1, 1), 2, 2), False, False),
    ],
)
def test_unsafe_convolutions(
    convolution: Convolution, on_avx2: bool, on_avx512: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    for has_avx512, expected in ((False, on_avx2), (True, on_avx512)):
        monkeypatch.setattr(torch.cpu, "_is_avx512_supported", lambda has=has_avx512: has, raising=False)
        assert overruns(convolution, CPU) is expected
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
        assert overruns(convolution, CPU, "bf16") is expected
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
        assert not overruns(convolution, CPU, "bf16")
        assert overruns(convolution, CPU, "fp32") is expected
        assert not overruns(convolution, torch.device("cuda"))
        with monkeypatch.context() as restricted:
            restricted.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")
            assert overruns(convolution, CPU, "bf16") is expected
    monkeypatch.delattr(torch.cpu, "_is_avx512_supported")  # A torch that does not know the question.
    assert overruns(convolution, CPU) is on_avx512


def test_the_layout_of_a_network() -> None:
    unsafe, safe = Convolution(3, (1, 1), 2, 1), Convolution(3, (3, 3), 2, 1)
    assert choose_layout([safe], CPU) == (torch.channels_last, "channels last")
    assert choose_layout([safe], CPU, "channels_last")[0] is torch.channels_last
    assert choose_layout([safe, unsafe], CPU, "contiguous") == (torch.contiguous_format, "contiguous")
    layout, reason = choose_layout([safe, unsafe], CPU)
    assert layout is torch.contiguous_format
    assert (
        reason == "contiguous (channels last is not safe for a 1x1 convolution with stride 2 on 3 channels)"
    )
    with pytest.raises(RunError, match="not safe for a 1x1 convolution") as raised:
        choose_layout([unsafe], CPU, "channels_last")
    assert raised.value.help == "use `--layout auto`"


def test_images_of_one_channel_have_the_strides_of_their_layout() -> None:
    """Torch would take (64, 1, 8, 1) for channels last."""
    for images in (torch.rand(2, 1, 8, 8), torch.rand(2, 1, 8, 8).to(memory_format=torch.channels_last)):
        assert laid_out(images * 1, torch.contiguous_format).stride() == (64, 64, 8, 1)
    images = torch.rand(2, 3, 8, 8)
    assert laid_out(images, torch.contiguous_format).data_ptr() == images.data_ptr()
    assert laid_out(images, torch.channels_last).is_contiguous(memory_format=torch.channels_last)


def test_convolutions_of_a_network(tmp_path: Path) -> None:
    text = """
        network every_kind
        input 3x8x8
        block inner(out) { repeat 2 { conv(out, 3) } }
        block outer(out, kind=inner) { skip { kind(out) } shortcut { conv(out, 1) } }
        stem { conv(4, 1, stride=2), depthwise(3), when in == 3 { conv(6, 1, groups=2) } }
        stages outer {
          out repeat
          7   2
        }
        head { concat { | identity | conv(2, 1, stride=2), upsample(2) }, flatten, linear(10) }
    """
    (tmp_path / "every_kind.net").write_text(text)
    found = convolutions(netdsl.load(tmp_path / "every_kind.net"))
    assert set(found) == {
        Convolution(3, (1, 1), 2, 1),
        Convolution(4, (3, 3), 1, 4),
        Convolution(4, (1, 1), 1, 2),
        Convolution(6, (3, 3), 1, 1),
        Convolution(6, (1, 1), 1, 1),
        Convolution(7, (3, 3), 1, 1),
        Convolution(7, (1, 1), 2, 1),
    }


def in_child(arguments: list[str], threads: int, folder: Path) -> str:
    """The output of netdsl, or a script, in a process that computes as a CPU with AVX2 does."""
    caches = {name: str(folder / name.lower()) for name in ("NETDSL_CACHE", "TORCHINDUCTOR_CACHE_DIR")}
    environment = {**AVX2, **caches, "OMP_NUM_THREADS": str(threads)}
    return run_program(
        [sys.executable, *arguments], environment, check=True, cwd=folder, stderr=STDOUT
    ).stdout


TRAINED = ["--data", "digits", "--epochs", "1", "--precision", "fp32", "--run", "run"]


def test_training_with_two_threads_stays_inside_of_its_memory(tmp_path: Path) -> None:
    (tmp_path / "tiny.net").write_text(TINY)
    printed = in_child(["-m", "netdsl", "train", "tiny.net", *TRAINED, "--compile", "off"], 2, tmp_path)
    assert "contiguous (channels last is not safe" in printed
    assert "test accuracy" in printed


# With one thread what is written outside of its memory ends the process.
def test_training_evaluation_and_inspection_stay_inside_of_their_memory(tmp_path: Path) -> None:
    script = f"""
import gc, sys, torch, netdsl
from netdsl.cli import main
from netdsl.inspect.inspected import Inspected
from netdsl.trained.open_run import create_model

def command(*arguments):
    sys.argv = ["netdsl", *arguments]
    try:
        main()
    except SystemExit as exit:
        assert not exit.code, exit.code

command("train", "tiny.net", *{TRAINED}, "--style", "functional", "--compile", "off")
command("eval", "run")
command("train", "gray.net", *{TRAINED[:-1]}, "gray", "--compile", "off")
network = netdsl.load("tiny.net")
model = Inspected(network, create_model(network, "module", 0, torch.device("cpu")))
model.requires_grad_()
for _ in range(100):
    images = torch.rand(8, 3, 32, 32).to(memory_format=torch.channels_last)
    model(images).sum().backward()
gc.collect()
print("done")
"""
    # Gray images, whose layout their strides alone tell, and coloured ones.
    (tmp_path / "gray.net").write_text(TINY.replace("tiny", "gray").replace("3x32x32", "1x8x8"))
    (tmp_path / "tiny.net").write_text(TINY)
    printed = in_child(["-c", script], 1, tmp_path)
    assert "contiguous (channels last is not safe" in printed
    assert printed.count("test accuracy") == 3
    assert printed.endswith("done\n")


@pytest.mark.skipif(
    os.environ.get("ONEDNN_MAX_CPU_ISA") != "AVX2",
    reason="compiling takes half a minute: run with ONEDNN_MAX_CPU_ISA=AVX2, as .ci/run does",
)
def test_compiled_training_stays_inside_of_its_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)  # with it, netdsl refuses to compile
    (tmp_path / "flat.net").write_text(FLAT)
    options = [*TRAINED, "--style", "sequential", "--compile", "on"]
    printed = in_child(["-m", "netdsl", "train", "flat.net", *options], 1, tmp_path)
    assert "contiguous (channels last is not safe" in printed
    assert "test accuracy" in printed


def test_a_resumed_run_leaves_a_layout_that_is_not_safe(tmp_path: Path) -> None:
    from netdsl.runtime.speed import SpeedRequest
    from netdsl.training.train_run import as_before

    how = {"device": "cpu", "precision": "fp32", "layout": "channels_last"}
    safe, unsafe = Convolution(3, (3, 3), 1, 1), Convolution(3, (1, 1), 2, 1)
    request, changes = as_before(how, SpeedRequest(), [safe])
    assert (request.layout, changes) == ("channels_last", [])
    request, changes = as_before(how, SpeedRequest(), [unsafe])
    assert request.layout == "auto"
    assert len(changes) == 1 and changes[0].startswith("changed: layout channels_last -> contiguous (")
