"""Models with several outputs, and the losses of auxiliary heads."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netdsl.language.recipe import CrossEntropy, Recipe
from netdsl.runtime.distributed import ALONE
from netdsl.runtime.inference_model import InferenceModel
from netdsl.runtime.model import FunctionalModel, Model, ModuleModel
from netdsl.runtime.preprocessing import Preprocessing
from netdsl.runtime.train_step import TrainStep
from tests.support.samples import FP32


class Three(nn.Module):
    """Scores, a map, and in training scores of an auxiliary head."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.aux = nn.Linear(12, 2), nn.Linear(12, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        flat = x.flatten(1)
        outputs = (self.first(flat), x)
        return (*outputs, self.aux(flat)) if self.training else outputs


def forward(x: Tensor, params: list[Tensor], training: bool = True) -> tuple[Tensor, ...]:
    flat = x.flatten(1)
    outputs = (F.linear(flat, *params[:2]), x)
    return (*outputs, F.linear(flat, *params[2:])) if training else outputs


def module() -> Model:
    torch.manual_seed(0)
    return ModuleModel(Three())


def functional() -> Model:
    return FunctionalModel(forward, [p.detach().clone().requires_grad_() for p in module().parameters])


@pytest.mark.parametrize("make", [module, functional])
def test_the_first_output_is_the_result(make: Callable[[], Model]) -> None:
    model, x = make(), torch.randn(4, 3, 2, 2)
    assert len(model.outputs(x, training=True)) == 3
    evaluated = model.outputs(x, training=False)
    assert torch.equal(model(x, training=False), evaluated[0]) and len(evaluated) == 2
    deployed = InferenceModel(model, Preprocessing(("a", "b"), (0.0,) * 3, (1.0,) * 3))
    assert torch.equal(deployed(x), evaluated[0])
    assert [tuple(output.shape) for output in deployed.outputs(x)] == [(4, 2), (4, 3, 2, 2)]


@pytest.mark.parametrize("make", [module, functional])
def test_losses_are_weighted_and_figures_are_those_of_the_first_output(make: Callable[[], Model]) -> None:
    model, x, labels = make(), torch.randn(4, 3, 2, 2), torch.tensor([0, 1, 1, 0])
    recipe = Recipe(batch=4, loss=CrossEntropy(smoothing=0.1, aux=0.4))
    step = TrainStep(model, recipe, FP32, ALONE)
    figures = step.gradients(x, labels, 4)
    found = [p.grad for p in model.parameters]

    logits, _, aux = model.outputs(x, training=True)
    first, other = (F.cross_entropy(output, labels, label_smoothing=0.1) for output in (logits, aux))
    expected = torch.autograd.grad(first + 0.4 * other, model.parameters)
    for gradient, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(gradient, wanted)
    torch.testing.assert_close(figures, torch.stack((4 * first, (logits.argmax(1) == labels).sum().float())))
