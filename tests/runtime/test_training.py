"""What people do with a model while it trains works with plans."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fractal_dsl.driver.compilation import Style
from fractal_dsl.runtime import (
    advance_dead,
    extract_column,
    fold_batch_norm,
    parameter_groups,
    recalibrate_batch_norm,
)
from tests.runtime.nets import BLOCKS, both_styles, inputs, made, statistics_of_its_own


def gradients(model: nn.Module) -> dict[str, Tensor]:
    return {name: one.grad for name, one in model.named_parameters() if one.grad is not None}


def test_norms_and_biases_do_not_decay() -> None:
    model = made()
    decayed, free = parameter_groups(model, 0.01)
    names = {id(one): name for name, one in model.named_parameters()}
    assert {names[id(one)] for one in free["params"]} == {
        name for name in names.values() if "batch_norm" in name or name.endswith("bias")
    }
    assert len(decayed["params"]) + len(free["params"]) == len(names)
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.01, 0.0)
    torch.optim.SGD([decayed, free], lr=0.1)
    for one in model.linear.parameters():
        one.requires_grad_(False)
    assert sum(len(group["params"]) for group in parameter_groups(model, 0.01)) == len(names) - 2


def test_dead_parameters_advance_by_momentum_and_decay() -> None:
    """As under a masked implementation, whose dead layers have zero gradients."""
    moved = {}
    for advance in (False, True):
        model = made()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
        before = {}
        for plan in (model.full_plan(), model.column_plan(1)):
            before = {name: one.detach().clone() for name, one in model.named_parameters()}
            optimizer.zero_grad()
            model(inputs(), plan).square().sum().backward()
            dead = len(before) - len(gradients(model))
            if advance:
                assert advance_dead(model) == dead
                assert advance_dead(model) == 0
            optimizer.step()
        alive = set(model.live(model.column_plan(1)))
        moved[advance] = {
            name for name, one in model.named_parameters() if not torch.equal(one, before[name])
        }
        assert alive <= moved[advance]
        assert (moved[advance] == set(before)) == advance
    assert moved[False] == alive
    frozen = nn.Linear(2, 2).requires_grad_(False)
    assert advance_dead(frozen) == 0
    assert frozen.weight.grad is None


@both_styles
def test_synchronised_batch_norm_keeps_plans(style: Style) -> None:
    """On one process it is the ordinary one: all plans, columns, folding and statistics."""
    model, x = made(BLOCKS, style), inputs()
    synchronised: Any = nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(model))
    for plan in (model.column_plan(2), model.sample_plan(), model.full_plan()):
        assert synchronised.live(plan) == model.live(plan)
        for one in (model, synchronised):
            torch.manual_seed(1)
            one.zero_grad()
            one(x, plan).square().sum().backward()
        assert gradients(model).keys() == gradients(synchronised).keys()
        for name, one in gradients(model).items():
            torch.testing.assert_close(gradients(synchronised)[name], one)
    statistics_of_its_own(synchronised)
    for k in (2, None):
        plan = synchronised.full_plan() if k is None else synchronised.column_plan(k)
        expected = synchronised(x, plan)
        column = extract_column(synchronised, k)
        torch.testing.assert_close(column(x), expected)
        torch.testing.assert_close(fold_batch_norm(column)(x), expected, rtol=1e-5, atol=1e-5)
    recalibrate_batch_norm(synchronised, [x], 2)


def test_an_average_of_the_weights_keeps_plans() -> None:
    model, x = made(), inputs()
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.5)
    )
    first = {name: one.detach().clone() for name, one in model.named_parameters()}
    average.update_parameters(model)
    with torch.no_grad():
        for one in model.parameters():
            one.add_(1)
    state = model.plan_state()
    average.update_parameters(model)
    assert torch.equal(model.plan_state(), state)
    for name, one in average.module.named_parameters():
        torch.testing.assert_close(one, first[name] + 0.5)
    average.eval()
    plan = model.column_plan(2)
    torch.testing.assert_close(average(x, plan=plan), extract_column(average.module, 2)(x))
    assert recalibrate_batch_norm(average.module, [x], 2)(x, plan).isfinite().all()


@both_styles
def test_micro_batches_of_one_plan_add_up(style: Style) -> None:
    """To the gradient of the whole batch where statistics are running ones; what is dead stays."""
    model = statistics_of_its_own(made(BLOCKS, style))
    x, plan = inputs(8), model.sample_plan(torch.Generator().manual_seed(4))
    model(x, plan).square().mean().backward()
    whole = {name: one.clone() for name, one in gradients(model).items()}
    assert set(whole) == set(model.live(plan)) < set(dict(model.named_parameters()))
    model.zero_grad()
    for part in x.split(2):
        (model(part, plan).square().mean() / 4).backward()
    assert gradients(model).keys() == whole.keys()
    for name, one in gradients(model).items():
        torch.testing.assert_close(one, whole[name])


@both_styles
def test_bf16_autocast(style: Style) -> None:
    """Trains under every kind of plan; weights, gradients and statistics stay float32."""
    model, x = made(BLOCKS, style), inputs()
    optimizer = torch.optim.SGD(parameter_groups(model, 1e-4), lr=0.01, momentum=0.9)
    for plan in (model.full_plan(), model.column_plan(1), model.sample_plan()):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            y = model(x, plan)
        assert y.dtype == torch.bfloat16
        y.float().square().mean().backward()
        assert set(gradients(model)) == set(model.live(plan))
        assert {one.dtype for one in gradients(model).values()} == {torch.float32}
        assert {one.dtype for one in model.buffers() if one.is_floating_point()} == {torch.float32}
        optimizer.step()
    statistics_of_its_own(model)
    full = model(x, model.full_plan())
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        torch.testing.assert_close(extract_column(model, None)(x).float(), full, rtol=0.1, atol=0.1)
        assert torch.equal(extract_column(model, 2)(x), model(x, model.column_plan(2)))


def test_averages_of_different_steps_differ() -> None:
    """Guards the two tests above against networks that give the same whatever the plan."""
    model = statistics_of_its_own(made())
    answers = [model(inputs(), model.column_plan(k)) for k in (1, 2, 3)]
    assert all(not torch.allclose(one, other) for one, other in pairwise(answers))


def test_freezing_is_seen_by_live() -> None:
    model = made()
    model.linear.requires_grad_(False)
    assert "linear.weight" in model.live(model.full_plan())
    with pytest.raises(ValueError, match="column 9 of 3"):
        model.live(model.column_plan(9))
