"""A trained network as an ONNX file, which other programs run."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console
from torch import Tensor

from netdsl.runtime import batches
from netdsl.runtime.console import say
from netdsl.runtime.distributed import ALONE
from netdsl.runtime.errors import RunError
from netdsl.runtime.inference_model import InferenceModel
from netdsl.runtime.silence import first_line, silenced
from netdsl.runtime.storage import write_atomic
from netdsl.trained.open_run import OpenedRun, Which

# What the extra `onnx` installs: one to write the format, one to translate torch, one to run the file.
_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
# The file's logits may differ by so much of the largest logit: rounding makes about a hundredth of it.
_TOLERANCE = 1e-4
# So many test images are compared.
_TEST_IMAGES = 100


class Exported(NamedTuple):
    """What was written: the version of ONNX's operators, and how far the file's logits are from torch's.

    `difference` is the largest one, as a share of the largest logit, on `images` images.
    """

    opset: int
    difference: float
    images: int


def export(run: OpenedRun, which: Which, output: Path, opset: int | None, console: Console) -> Exported:
    """Writes the network with its normalisation: `images`, (N, C, H, W) float32 from 0 to 1, in any number,
    -> `logits`, (N, classes). The names of the classes are in the file's metadata, `classes`, as JSON.

    The file is compared with torch on random images and on test images before it takes its place; where
    the run's data can't be had, `console` says so, and random ones must do. Raises RunError where the
    extra `onnx` is missing, torch can't translate the network, or the logits differ.
    """
    _require_packages()
    deployed = InferenceModel(run.model(which, torch.device("cpu")), run.preprocessing(which))
    metadata = {"network": run.title, "classes": run.preprocessing(which).metadata()["classes"]}
    content, written_opset = _translate(deployed, run.network.input_shape, opset, metadata)
    batches = [*_random_images(run.network.input_shape), *_test_images(run, console)]
    difference = _largest_difference(deployed, content, batches)
    if not difference <= _TOLERANCE:  # So that NaN is an error too.
        raise RunError(
            f"the ONNX file computes other logits than torch: they differ by {difference:.1e} of the largest",
            "nothing was written; another `--opset` may do, and weights that are not finite can't",
        )
    write_atomic(output, content)
    return Exported(written_opset, difference, sum(map(len, batches)))


def _require_packages() -> None:
    for name in _PACKAGES:
        try:
            import_module(name)
        except ImportError as error:
            raise RunError(
                f"--onnx needs {name}, which isn't installed", 'pip install "netdsl[onnx]"'
            ) from error


def _translate(
    deployed: InferenceModel, shape: tuple[int, ...], opset: int | None, metadata: dict[str, str]
) -> tuple[bytes, int]:
    """The file's content, and the version of its operators."""
    try:
        with silenced():
            program = torch.onnx.export(
                deployed,
                # Two images: a dimension of one would be taken for a constant.
                (torch.zeros(2, *shape),),
                input_names=["images"],
                output_names=["logits"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                opset_version=opset,
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # the packages behind it fail in every way there is
        raise RunError(
            f"torch can't translate the network to ONNX: {first_line(error)}",
            "try another `--opset`, or other versions of torch, onnx and onnxscript",
        ) from error
    assert program is not None
    written: int = program.model.opset_imports[""]
    if opset not in (None, written):
        # torch keeps its own version where it finds no way to another.
        raise RunError(
            f"torch can't write opset {opset} of this network, but {written}",
            "leave `--opset` out, or choose another",
        )
    program.model.metadata_props.update(metadata)
    try:
        return program.model_proto.SerializeToString(), written
    except ValueError as error:  # protobuf's limit
        raise RunError("the network is larger than the 2 GiB that an ONNX file can have") from error


def _random_images(shape: tuple[int, ...]) -> list[Tensor]:
    """A batch of one and a batch of five: the number must be free."""
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(count, *shape, generator=generator) for count in (1, 5)]


def _test_images(run: OpenedRun, console: Console) -> list[Tensor]:
    try:
        data = run.data(console)
    except RunError as error:
        say(console, f"not compared on test images: {error}")
        return []
    index = torch.arange(min(_TEST_IMAGES, len(data.test)))
    (batch,) = batches.load(data.test, [index], ALONE, torch.device("cpu"), 0)
    return [data.floats(batch.images)]


def _largest_difference(deployed: InferenceModel, content: bytes, images: list[Tensor]) -> float:
    """The largest difference between a file's logits and torch's, as a share of the largest logit."""
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no common class
        raise RunError(
            f"onnxruntime can't run the ONNX file: {first_line(error)}",
            "nothing was written; try a lower `--opset`, or a newer onnxruntime",
        ) from error
    with torch.inference_mode():
        expected = torch.cat([deployed(part) for part in images])
    found = [session.run(["logits"], {"images": part.contiguous().numpy()})[0] for part in images]
    differences = torch.cat([torch.from_numpy(logits) for logits in found]) - expected
    # The tiny number: logits of an untrained network may all be zero.
    return (differences.abs().max() / expected.abs().max().clamp_min(1e-30)).item()
