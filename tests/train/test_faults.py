"""A number that is not finite stops the run in its step, and the layer at fault is named."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from fractal_dsl.diagnostics import DiagnosticError
from fractal_dsl.train.batches import Centre
from fractal_dsl.train.progress import Silent
from fractal_dsl.train.trainer import Trainer
from tests.train.nets import recipe, same, saved_in, trainer

SPEC = """
f(1)   = conv(4)
f(C+1) = (f(C) . f(C)) (+) conv(4)
net Small(classes = 3) on image[1, 6, 6] = f(2) >> max_pool(2) >> flatten >> linear(classes)
drop_path(local = 0.3, global = 0.5)
"""
LAYERS = ("f.f_1.conv.conv2d", "f.f_2.conv.conv2d", "f.conv.conv2d", "linear")
# 50 pairs of a step and a layer, for each kind of fault.
PAIRS = [(step, LAYERS[at % len(LAYERS)], at) for at, step in enumerate(
    random.Random(0).choices(range(1, 6), k=50))]  # fmt: skip
BAD = (math.nan, math.inf, -math.inf)


def at_step(step: int) -> Trainer:
    """Everything live, so that each layer is in each step; so many steps are taken."""
    one = trainer(recipe(local=0.0, global_=0.0), spec=SPEC)
    one.net.train()
    for _ in range(step - 1):
        one.step()
    return one


def refused(one: Trainer, step: int, told: str) -> None:
    """The step is refused with what is told, and the weights are as they were."""
    before = [p.detach().clone() for p in one.net.parameters()]
    with pytest.raises(DiagnosticError) as caught:
        one.step()
    (said,) = caught.value.diagnostics
    assert said.code == "F0805"
    assert said.message.startswith(f"step {step} is not finite: ")
    assert told in said.message
    for now, then in zip(one.net.parameters(), before, strict=True):
        assert torch.equal(now, then) or not then.isfinite().all()


@pytest.mark.parametrize("step, layer, number", PAIRS)
def test_a_result(step: int, layer: str, number: int) -> None:
    one = at_step(step)
    bad = BAD[number % 3]
    hook = one.net.get_submodule(layer).register_forward_hook(lambda m, i, o: o * bad)
    refused(one, step, f"`{layer}` is the first layer whose result")
    hook.remove()


@pytest.mark.parametrize("step, layer, number", PAIRS)
def test_a_gradient(step: int, layer: str, number: int) -> None:
    one = at_step(step)
    bad = BAD[number % 3]
    one.net.get_submodule(layer).weight.register_hook(lambda g: torch.full_like(g, bad))
    refused(one, step, f"going back, `{layer}` is the first layer")


@pytest.mark.parametrize("step, layer, number", PAIRS)
def test_a_weight(step: int, layer: str, number: int) -> None:
    one = at_step(step)
    with torch.no_grad():
        one.net.get_submodule(layer).weight.view(-1)[number % 3] = BAD[number % 3]
    refused(one, step, f"the weight `{layer}.weight`")


def test_images(tmp_path: Path) -> None:
    one = at_step(3)
    one.batches.centre = Centre(torch.tensor(math.nan), torch.tensor(1.0))
    order = one.batches.order[one.batches.at * 6]
    refused(one, 3, f"training images hold NaN or infinity: {int(order)}")


def test_no_checkpoint_holds_it(tmp_path: Path) -> None:
    """Also where looks for NaN are rarer than checkpoints."""
    one = trainer(recipe(checkpoint_every=2, check_every=100), spec=SPEC)
    saved = saved_in(tmp_path, recipe())

    def poison(values: Any = None) -> bool:
        if one.step_number == 5:
            with torch.no_grad():
                one.net.linear.weight[0, 0] = math.nan
        return False

    with pytest.raises(DiagnosticError, match="F0805"):
        one.run(None, saved, Silent(), poison)
    found = saved.latest()
    assert found is not None
    _, state, _ = found
    assert state["step"]["number"] == 4
    weights = state["model"]["weights"].values()
    assert all(w.isfinite().all() for w in weights) and same(state["step"]["number"], 4)
