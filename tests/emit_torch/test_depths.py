"""`stochastic_depth`: samples do without a branch in training, and nothing of it is computed."""

from __future__ import annotations

import copy
from math import sqrt
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fractal_dsl.driver import compile_source
from fractal_dsl.driver.compilation import Style
from fractal_dsl.runtime import fold_batch_norm
from fractal_dsl.runtime.compiling import compile_regions, regions
from fractal_dsl.source import Source
from tests.emit_torch.nets import STYLES

BRANCH = "net on image[2, 4, 4] = id + stochastic_depth(conv(2) >> conv(2), 0.4)\n"
SCHEDULE = """
param most = 0.5
body(c) = conv(c) >> dropout(0.3) >> conv2d(c) >> batch_norm
unit(c, p) = (id + stochastic_depth(body(c), p)) >> relu
net Residual(classes = 3) on image[2, 4, 4] =
    conv(4) >> chain(unit(4, most * i / 4) for i in 1..4) >> global_avg_pool >> linear(classes)
"""
BOTH = """
implicit channels = 4
f(1)   = conv
f(C+1) = (f(C) . f(C)) (+) conv
net Both on image[2, 4, 4] =
    conv >> (id + stochastic_depth(f(3), 0.5)) >> f(3) >> global_avg_pool >> linear(3)
drop_path(local = 0.3, global = 0.5)
"""
both_styles = pytest.mark.parametrize("style", STYLES)


def made(text: str, style: Style = "modules", checkpoint: bool = False) -> Any:
    torch.manual_seed(0)
    return compile_source(Source("net.fdl", text)).module(style, checkpoint=checkpoint)()


def inputs(samples: int = 8) -> Tensor:
    return torch.randn(samples, 2, 4, 4, generator=torch.Generator().manual_seed(1))


def depths(model: nn.Module) -> list[Any]:
    return [one for one in model.modules() if hasattr(one, "per_batch")]


def counts(model: nn.Module) -> list[int]:
    """How many samples come into each convolution, from now on."""
    seen: list[int] = []
    for one in model.modules():
        if isinstance(one, nn.Conv2d):
            one.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    return seen


@both_styles
def test_a_sample_has_all_of_the_branch_or_nothing(style: Style) -> None:
    """Scaled by 1 / (1 - rate); drawn anew for each sample of each pass; in eval as it is."""
    model, x = made(BRANCH, style).eval(), inputs(2000)
    branch = model(x) - x
    assert model(x).equal(x + branch)
    depths(model)[0].train()  # its layers stay in eval mode, so the branch is the same
    for layer in depths(model)[0].modules():
        layer.training = layer is depths(model)[0]
    torch.manual_seed(5)
    first, second = model(x) - x, model(x) - x
    torch.manual_seed(5)
    assert torch.equal(model(x) - x, first)
    assert not torch.equal(first, second)
    lives = first.flatten(1).any(1)
    torch.testing.assert_close(first[lives], branch[lives] / 0.6, rtol=1e-4, atol=1e-5)
    assert abs(int(lives.sum()) - 1200) <= 5 * sqrt(2000 * 0.4 * 0.6)


@both_styles
def test_only_samples_that_live_are_computed(style: Style) -> None:
    model, x = made(BRANCH, style), inputs(20)
    seen = counts(model)
    for seed in range(5):
        seen.clear()
        torch.manual_seed(seed)
        lives = int((model(x) - x).flatten(1).any(1).sum())
        assert seen == [lives, lives]
        assert 0 < lives < 20


@both_styles
def test_a_mini_batch_as_a_whole(style: Style) -> None:
    model, x = made(BRANCH.replace("0.4", '0.4, per = "batch"'), style), inputs(5)
    seen = counts(model)
    for _ in range(20):
        model(x)
    assert set(seen) == {0, 5}


@both_styles
def test_where_nothing_lives_nothing_is_touched(style: Style) -> None:
    """No gradient, so no momentum moves it; statistics stay; the sum is what else there is."""
    model, x = made(BRANCH, style), inputs(3).requires_grad_()
    depths(model)[0].rate = 1 - 1e-9
    before = {name: one.clone() for name, one in model.named_buffers()}
    y = model(x)
    y.sum().backward()
    assert torch.equal(y, x)
    assert all(one.grad is None for one in model.parameters())
    assert all(torch.equal(one, before[name]) for name, one in model.named_buffers())
    depths(model)[0].rate = 0.0
    model(x).sum().backward()
    assert all(one.grad is not None for one in model.parameters())


@both_styles
def test_statistics_move_by_the_share_that_lives(style: Style) -> None:
    """1 - (1 - momentum)^(n / N), as for samples with plans of their own."""
    model, x = made(BRANCH, style), inputs(8)
    conv = next(one for one in model.modules() if isinstance(one, nn.Conv2d))
    norm: Any = next(one for one in model.modules() if isinstance(one, nn.BatchNorm2d))
    torch.manual_seed(2)
    lives = torch.rand(8) >= 0.4
    torch.manual_seed(2)
    model(x)
    moved = 1 - 0.9 ** (float(lives.sum()) / 8)
    mean = conv(x[lives]).mean((0, 2, 3)).detach()
    torch.testing.assert_close(norm.running_mean, moved * mean)
    assert 0 < lives.sum() < 8


@both_styles
def test_one_value_a_channel_is_normalised_by_the_running_statistics(style: Style) -> None:
    """Where torch's own batch norm raises."""
    text = "net on vector[3] = id + stochastic_depth(linear(3) >> batch_norm, 0.5)\n"
    model, x = made(text, style), torch.randn(4, 3)
    norm: Any = next(one for one in model.modules() if isinstance(one, nn.BatchNorm1d))
    for _ in range(40):
        seen = norm.num_batches_tracked.clone()
        lives = int((model(x) - x).any(1).sum())
        assert int(norm.num_batches_tracked - seen) == (lives > 1)


def test_a_linear_schedule_over_depth_and_rates_that_change() -> None:
    model = made(SCHEDULE)
    assert [one.rate for one in depths(model)] == [0.125, 0.25, 0.375, 0.5]
    keys = list(model.state_dict())
    plain = made(SCHEDULE.replace("stochastic_depth(body(c), p)", "body(c)"))
    assert keys == list(plain.state_dict())  # a named branch keeps its name
    for one in depths(model):
        one.rate = 0.0
    model.eval(), plain.eval()
    plain.load_state_dict(model.state_dict())
    torch.testing.assert_close(model(inputs()), plain(inputs()))
    for one in (*depths(model),):
        one.training = True  # without the layers in it
    torch.testing.assert_close(model(inputs()), plain(inputs()))


def test_keys() -> None:
    """Of a network the name, of a tag the tag, else `stochastic_depth`."""
    text = """
body(c) = conv2d(c)
net on image[2, 4, 4] =
    (id + stochastic_depth(body(2), 0.1)) >> (id + stochastic_depth(body(2) @tail, 0.1))
    >> (id + stochastic_depth(conv2d(2), 0.1)) >> (id + stochastic_depth(relu >> conv2d(2), 0.1))
"""
    assert list(made(text).state_dict()) == list(made(text, "flat").state_dict())
    assert list(made(text).state_dict()) == [
        "body.conv2d.weight", "tail.conv2d.weight",
        "stochastic_depth_1.conv2d.weight", "stochastic_depth_2.conv2d.weight",
    ]  # fmt: skip


def test_plans_and_depths_draw_apart() -> None:
    model, other = made(BOTH), made(BOTH)
    for _ in range(4):
        model(inputs())
        assert model.sample_plan() == (other.sample_plan(), other.sample_plan())[1]


def test_what_lives_does_not_depend_on_what_is_drawn() -> None:
    """A branch counts as live wherever a plan needs it."""
    model = made(BOTH)
    torch.manual_seed(0)
    names = model.live(model.column_plan(1))
    assert any(name.startswith(("f_1.", "f.")) for name in names)
    assert all(model.live(model.column_plan(1)) == names for _ in range(3))


def step(model: Any, **settings: Any) -> dict[str, Tensor]:
    torch.manual_seed(7)
    y = model(inputs(), **settings)
    y.square().sum().backward()
    grads = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {
        "y": y.detach(),
        **{f"{k} grad": v for k, v in grads.items()},
        **dict(model.named_buffers()),
    }


@pytest.mark.parametrize("text", [SCHEDULE, BOTH])
def test_computed_again_it_is_the_same_step(text: str) -> None:
    """Checkpoints replay who lives, and dropout; statistics move once."""
    plain, thrifty = made(text).double(), made(text, checkpoint=True).double()
    thrifty.load_state_dict(plain.state_dict())
    global_inputs = inputs().double()
    for _ in range(3):
        found = []
        for model in (plain, thrifty):
            torch.manual_seed(7)
            model.zero_grad()
            y = model(global_inputs)
            y.square().sum().backward()
            grads = [p.grad for p in model.parameters()]
            found.append([y, *grads, *model.buffers()])
        for one, other in zip(*found, strict=True):
            assert (one is None) == (other is None)
            assert one is None or torch.equal(one, other)


@both_styles
def test_eval_compiles_folds_and_exports(style: Style) -> None:
    model, x = made(SCHEDULE, style), inputs()
    model(x)
    model.eval()
    y = model(x)
    whole: Any = torch.compile(copy.deepcopy(model), fullgraph=True, backend="eager")
    torch.testing.assert_close(whole(x), y)
    torch.testing.assert_close(torch.export.export(model, (x,)).module()(x), y)
    torch.testing.assert_close(fold_batch_norm(model)(x), y, rtol=1e-4, atol=1e-5)


def test_regions_end_at_a_branch() -> None:
    """What is inside is compiled, for batches of any size; who lives is drawn outside."""
    model = made(SCHEDULE)
    names = set(regions(model))
    assert "unit.0.body.conv" in names
    assert not {"", "unit.0", "unit.0.body"} & names
    other = compile_regions(copy.deepcopy(model), backend="eager", dynamic=True)
    one, two = step(model), step(other)
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(one[name], two[name])


@both_styles
def test_types_and_layouts_survive(style: Style) -> None:
    model = made(BRANCH, style).to(memory_format=torch.channels_last)
    x = inputs(6).to(memory_format=torch.channels_last)
    y = depths(model)[0](x, lambda t: t) if style == "flat" else model(x)
    assert y.is_contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        assert model(x).isfinite().all()
    assert model.bfloat16()(x.bfloat16()).dtype == torch.bfloat16
