"""Opens networks for inspection: those of runs, and those with weights of other programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from netdsl.inspect.inspected import Inspected
from netdsl.network import CompiledNetwork
from netdsl.runtime import checkpoint_import
from netdsl.runtime.errors import RunError
from netdsl.runtime.model import FunctionalModel
from netdsl.runtime.preprocessing import Preprocessing
from netdsl.runtime.transplant import transplant
from netdsl.trained import open_run as runs
from netdsl.trained.open_run import OpenedRun, Which

# The usual mean and deviation of images for weights that are trained on ImageNet (torchvision's models).
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def open_run(folder: Path | str, which: Which = "best", device: str = "cpu") -> Inspected:
    """The trained network of a run, of any style.

    Raises RunError if the folder holds no run or a damaged one, or the weights are not finite; NetworkError
    if its network has errors.
    """
    return of_run(runs.open_run(Path(folder)), which, torch.device(device))


def of_run(run: OpenedRun, which: Which, device: torch.device) -> Inspected:
    """Like `open_run`, for an opened run."""
    with _apart():
        model = Inspected(run.network, run.model(which, device), run.preprocessing(which))
    _require_finite(
        model,
        f"the weights in {run.weights_file(which)} are not finite numbers",
        "use another run, or train it again with a smaller learning rate",
    )
    return model


def open_weights(network: CompiledNetwork, weights: Path | str, device: str = "cpu") -> Inspected:
    """A network with weights of another program, read and matched like `import-weights`.

    Such files have no normalisation: images of three channels are normalised as ImageNet's, others are not.
    Raises RunError.
    """
    path = Path(weights)
    names = tuple(str(number) for number in range(network.classes or 0))
    coloured = network.input_shape[0] == len(IMAGENET[0])
    with _apart():
        created = runs.create_model(network, "module", 0, torch.device(device))
        found = checkpoint_import.read(path)
        transplant(found.state, created.module(), found.ordered)
        model = Inspected(network, created, Preprocessing(names, *IMAGENET) if coloured else None)
    _require_finite(model, f"the weights in {path} are not finite numbers", "use another file")
    return model


def functional(
    forward: Callable[..., Tensor], params: Sequence[Tensor], buffers: Sequence[Tensor] | None = None
) -> nn.Module:
    """Generated code of the functional style as a module, which shares the tensors; in evaluation mode.

    Its images must be normalised already, and its layers have no names.
    """
    return FunctionalModel(forward, list(params), None if buffers is None else list(buffers)).module().eval()


@contextmanager
def _apart() -> Iterator[None]:
    """Keeps the caller's random state, although weights are drawn before they are replaced; and allows
    gradients, even if the caller is inside `torch.inference_mode`.
    """
    # Does not initialise unused GPUs.
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices), torch.inference_mode(False):
        yield


def _require_finite(model: Inspected, message: str, help: str) -> None:
    if not all(tensor.isfinite().all() for tensor in [*model.weights, *model.statistics]):
        raise RunError(message, help)
