"""Export of a trained network to a file for other programs: ONNX, torch.export or TorchScript."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import torch
from rich.console import Console
from torch import Tensor, nn

from netdsl.runtime.batches import load_batch
from netdsl.runtime.console import say
from netdsl.runtime.errors import RunError
from netdsl.runtime.extras import require_extra
from netdsl.runtime.inference_model import InferenceModel
from netdsl.runtime.silence import first_line, silenced
from netdsl.runtime.storage import write_atomic
from netdsl.runtime.task import Task
from netdsl.trained.open_run import OpenedRun, Which
from netdsl.trained.tasks import task_of

# The packages of the extra `onnx`: to write the format, to translate torch, and to run the file.
_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
# The largest difference of the file's outputs, relative to the largest number of each; rounding causes about
# 1 % of it.
_TOLERANCE = 1e-4
# The number of test images that are compared.
_TEST_IMAGES = 100


class Exported(NamedTuple):
    """An export: the `version` of the format in words, and how much the file's outputs differ from the run's.

    `difference` is the largest one on `images` images, relative to the largest number of an output.
    """

    version: str
    difference: float
    images: int


# The formats of files, and a function that computes the outputs of one.
Format: TypeAlias = Literal["onnx", "pt2", "torchscript"]
Computes: TypeAlias = Callable[[Tensor], Sequence[Tensor]]


class _Translated(NamedTuple):
    """The content of a file, the version of its format in words, and what computes its outputs."""

    content: bytes
    version: str
    computes: Computes


def export(
    run: OpenedRun, which: Which, output: Path, form: Format, opset: int | None, console: Console
) -> Exported:
    """Writes the network with its normalisation: `images`, (N, C, H, W) float32 from 0 to 1, for any N,
    -> `logits`, (N, classes), or the outputs of evaluation under their names, as the task decodes them: of a
    detector `boxes`, (N, L, 4) in pixels, and `scores`, (N, L, classes), of all its candidates. The names of
    the classes are in the file's metadata, `classes`, as JSON.

    The file is compared with torch on random images and on test images before it is written; if the run's
    data are not available, that is reported on `console`, and only random images are compared. Raises
    RunError if the extra `onnx` is not installed, torch can't translate the network, or the outputs differ.
    """
    if form == "onnx":
        _require_packages()
    say(console, f"translating {run.title}: this takes a while")
    preprocessing = run.preprocessing(which)
    model = InferenceModel(run.model(which, torch.device("cpu")), preprocessing)
    deployed = _Decoding(model, task_of(run.network)).eval()
    metadata = {"network": run.title, "classes": preprocessing.metadata()["classes"]}
    own = [output.name or "logits" for output in run.network.typed.outputs if not output.in_training_only]
    with torch.inference_mode():
        names = list(deployed.decoded(torch.zeros(1, *run.network.input_shape))) or own
    translated = _TRANSLATORS[form](deployed, run.network.input_shape, names, opset, metadata)
    batches = [*_random_images(run.network.input_shape), *_test_images(run, console)]
    difference = _largest_difference(deployed, translated.computes, batches)
    if not difference <= _TOLERANCE:  # also if it is NaN
        raise RunError(
            "the file would compute other outputs than the run: "
            f"they differ by {difference:.1e} of the largest",
            "nothing was written; check that the weights are finite, and try another `--opset` for ONNX",
        )
    write_atomic(output, translated.content)
    return Exported(translated.version, difference, sum(map(len, batches)))


def _require_packages() -> None:
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # onnxruntime reads it when it is imported.
    for name in _PACKAGES:
        require_extra("onnx", name, name, "--onnx")


class _Decoding(nn.Module):
    """A network that returns all outputs of evaluation, as its task decodes them."""

    def __init__(self, network: InferenceModel, task: Task) -> None:
        super().__init__()
        self.network = network
        self.task = task

    def decoded(self, images: Tensor) -> dict[str, Tensor]:
        return self.task.decoded(self.network.outputs(images))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        outputs = self.network.outputs(images)
        return tuple(self.task.decoded(outputs).values()) or outputs


def _to_onnx(
    deployed: _Decoding,
    shape: tuple[int, ...],
    names: list[str],
    opset: int | None,
    metadata: dict[str, str],
) -> _Translated:
    try:
        with silenced():
            program = torch.onnx.export(
                deployed,
                # Two images: a dimension of one would become a constant.
                (torch.zeros(2, *shape),),
                input_names=["images"],
                output_names=names,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                opset_version=opset,
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # the exporter raises any exception
        raise RunError(
            f"torch can't translate the network to ONNX: {first_line(error)}",
            "try another `--opset`, or other versions of torch, onnx and onnxscript",
        ) from error
    assert program is not None
    written: int = program.model.opset_imports[""]
    if opset not in (None, written):
        # torch keeps its version if it can't convert to another.
        raise RunError(
            f"torch can't write this network in opset {opset}, only in {written}",
            "remove `--opset`, or choose another",
        )
    program.model.metadata_props.update(metadata)
    try:
        content = program.model_proto.SerializeToString()
    except ValueError as error:  # protobuf's limit
        raise RunError("the network is larger than the 2 GiB that an ONNX file can have") from error
    return _Translated(content, f"opset {written}", _onnx_session(content, names))


def _to_pt2(
    deployed: _Decoding,
    shape: tuple[int, ...],
    names: list[str],
    opset: int | None,
    metadata: dict[str, str],
) -> _Translated:
    content, example = io.BytesIO(), (torch.zeros(2, *shape),)
    try:
        with silenced():
            program = torch.export.export(
                deployed, example, dynamic_shapes={"images": {0: torch.export.Dim("batch")}}
            )
            torch.export.save(program, content, extra_files=dict(metadata))
            content.seek(0)
            loaded = torch.export.load(content).module()
    except Exception as error:  # the exporter raises any exception
        raise RunError(f"torch.export can't translate the network: {first_line(error)}") from error
    return _Translated(content.getvalue(), f"torch {torch.__version__}", loaded)


def _to_torchscript(
    deployed: _Decoding,
    shape: tuple[int, ...],
    names: list[str],
    opset: int | None,
    metadata: dict[str, str],
) -> _Translated:
    content = io.BytesIO()
    try:
        with silenced(), torch.no_grad():
            traced = torch.jit.trace(deployed, torch.zeros(2, *shape), check_trace=False)
            torch.jit.save(traced, content, _extra_files=dict(metadata))
            content.seek(0)
            loaded = torch.jit.load(content)
    except Exception as error:  # the tracer raises any exception
        raise RunError(f"TorchScript can't trace the network: {first_line(error)}") from error
    return _Translated(content.getvalue(), f"torch {torch.__version__}", loaded)


_TRANSLATORS = {"onnx": _to_onnx, "pt2": _to_pt2, "torchscript": _to_torchscript}


def _random_images(shape: tuple[int, ...]) -> list[Tensor]:
    """A batch of one and a batch of five, to check that the number is free."""
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(count, *shape, generator=generator) for count in (1, 5)]


def _test_images(run: OpenedRun, console: Console) -> list[Tensor]:
    try:
        data = run.data(console)
    except RunError as error:
        say(console, f"not compared on test images: {error}")
        return []
    rows = torch.arange(min(_TEST_IMAGES, len(data.test)))
    return [data.floats(load_batch(data.test, rows, torch.device("cpu")).images)]


def _onnx_session(content: bytes, names: list[str]) -> Computes:
    """Runs an ONNX file by onnxruntime."""
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no common class
        raise RunError(
            f"onnxruntime can't run the ONNX file: {first_line(error)}",
            "nothing was written; try a lower `--opset`, or a newer onnxruntime",
        ) from error
    return lambda images: [
        torch.from_numpy(output) for output in session.run(names, {"images": images.contiguous().numpy()})
    ]


def _largest_difference(deployed: _Decoding, computes: Computes, images: list[Tensor]) -> float:
    """The largest difference of a file's outputs from the run's, relative to the largest number of each."""
    with torch.inference_mode():
        expected = map(torch.cat, zip(*(deployed(part) for part in images), strict=True))
        found = map(torch.cat, zip(*(computes(part) for part in images), strict=True))
        # The logits of an untrained network may all be zero.
        return max(
            ((own - theirs).abs().max() / theirs.abs().max().clamp_min(1e-30)).item()
            for own, theirs in zip(found, expected, strict=True)
        )
