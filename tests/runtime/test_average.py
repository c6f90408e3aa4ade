from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from netdsl.language.recipe import Ema, Lookahead, NoAverage
from netdsl.runtime import checkpoint
from netdsl.runtime.average import Average, build_average
from netdsl.runtime.errors import RunError
from netdsl.runtime.model import Model
from tests.support.samples import tiny

BOTH = pytest.mark.parametrize("recipe", [Ema(decay=0.9), Lookahead(every=3, alpha=0.4)])


def built(recipe: Ema | Lookahead, model: Model) -> Average:
    average = build_average(recipe, model)
    assert average
    return average


def copies(model: Model) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state().items()}


def shake(model: Model, seed: int) -> None:
    """Some step of some optimizer: other weights, statistics and counters."""
    generator = torch.Generator().manual_seed(seed)
    for tensor in model.state().values():
        if tensor.is_floating_point():
            tensor += torch.rand(tensor.shape, generator=generator) - 0.5
        else:
            tensor += 1


def averaged(average: Average, model: Model) -> dict[str, Tensor]:
    with average.applied():
        return copies(model)


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_none() -> None:
    assert build_average(NoAverage(), tiny()) is None


def test_ema_is_the_weighted_mean_of_all_steps() -> None:
    model = tiny()
    average, seen = built(Ema(decay=0.9), model), []
    for step in range(20):
        shake(model, step)
        average.update()
        seen.append(copies(model))
    shares = 0.9 ** torch.arange(19, -1, -1, dtype=torch.float64)
    shares /= shares.sum()
    found = averaged(average, model)
    for name, tensor in found.items():
        if not tensor.is_floating_point():
            assert tensor == 20
            continue
        steps = torch.stack([state[name].double() for state in seen])
        torch.testing.assert_close(tensor.double(), torch.tensordot(shares, steps, 1), rtol=1e-5, atol=1e-6)


def test_after_one_step_the_ema_is_the_weights() -> None:
    model = tiny()
    average = built(Ema(decay=0.999), model)
    shake(model, 0)
    average.update()
    assert equal(averaged(average, model), copies(model))


def test_lookahead_is_its_definition() -> None:
    model = tiny()
    average = built(Lookahead(every=3, alpha=0.4), model)
    slow = fast = [p.detach().double() for p in model.parameters]
    statistics = copies(model)["norm.running_mean"].double()
    for step in range(10):
        before = copies(model)
        shake(model, step)
        changes = [copies(model)[name].double() - before[name].double() for name in before]
        moved = dict(zip(before, changes, strict=True))
        statistics = statistics + moved["norm.running_mean"]
        names = [
            name for name, tensor in before.items() if tensor.is_floating_point() and "running" not in name
        ]
        fast = [f + moved[name] for f, name in zip(fast, names, strict=True)]
        if step % 3 == 2:
            slow = [s + 0.4 * (f - s) for s, f in zip(slow, fast, strict=True)]
            fast = slow
        average.update()
        for weight, expected in zip(model.parameters, fast, strict=True):
            torch.testing.assert_close(weight.detach().double(), expected, rtol=1e-5, atol=1e-6)
    with average.applied():
        for weight, expected in zip(model.parameters, slow, strict=True):
            torch.testing.assert_close(weight.detach().double(), expected, rtol=1e-5, atol=1e-6)
        # Statistics of batches are the model's own.
        mean = model.state()["norm.running_mean"].double()
        torch.testing.assert_close(mean, statistics, rtol=1e-5, atol=1e-6)


@BOTH
def test_the_models_own_weights_come_back(recipe: Ema | Lookahead) -> None:
    model = tiny()
    average = built(recipe, model)
    for step in range(4):
        shake(model, step)
        average.update()
    before = copies(model)
    assert not equal(averaged(average, model), before)
    assert equal(copies(model), before)
    with pytest.raises(ZeroDivisionError), average.applied():
        _ = 1 / 0
    assert equal(copies(model), before)


@BOTH
def test_a_resumed_average_goes_on_bit_for_bit(recipe: Ema | Lookahead, tmp_path: Path) -> None:
    model, resumed = tiny(), tiny(1)
    average = built(recipe, model)
    for step in range(4):
        shake(model, step)
        average.update()
    checkpoint.save(tmp_path / "average", average.state())
    other = built(recipe, resumed)
    resumed.load_state(model.state())
    other.load_state(checkpoint.load(tmp_path / "average"))
    for step in range(4, 9):
        for one, its in ((model, average), (resumed, other)):
            shake(one, step)
            its.update()
        assert equal(copies(model), copies(resumed))
        assert equal(averaged(average, model), averaged(other, resumed))


def test_other_states_are_refused_whole() -> None:
    model = tiny()
    ema, lookahead = built(Ema(), model), built(Lookahead(), model)
    before = averaged(lookahead, model)
    state = {name: tensor + 1 for name, tensor in lookahead.state().items()}
    for wrong in (ema.state(), {}, {**state, "average.000": torch.zeros(1)}):
        with pytest.raises(RunError, match="average|updates"):
            lookahead.load_state(wrong)
    assert equal(averaged(lookahead, model), before)


def test_frozen_weights_stay() -> None:
    for recipe in (Ema(), Lookahead(every=1)):
        model = tiny()
        model.parameters[0].requires_grad_(False)
        before = model.parameters[0].clone()
        average = built(recipe, model)
        for weight in model.parameters[1:]:
            weight.detach().add_(0.1)
        for _ in range(3):
            average.update()
        assert torch.equal(averaged(average, model)["conv.weight"], before)
