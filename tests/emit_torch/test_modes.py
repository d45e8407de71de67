"""What `drop_path` may ask for beside a plan for each mini-batch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks.peak import peak_bytes
from fractal_dsl.driver import compile_source
from fractal_dsl.driver.compilation import Style
from fractal_dsl.source import Source
from tests.emit_torch.nets import STYLES

RULES = """
f(1)   = conv
f(C+1) = (f(C) . f(C)) (+) conv
block(channels) = f(3) >> each(max_pool(2))
net Net on image[2, 4, 4] = chain(block(w) for w in [3, 4]) >> linear(3)
"""


def made(settings: str, style: Style = "modules") -> Any:
    torch.manual_seed(0)
    return compile_source(Source("net.fdl", f"{RULES}drop_path({settings})\n")).module(style)()


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(6, 2, 4, 4, generator=generator), torch.tensor([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize("style", STYLES)
def test_simultaneous_adds_up_a_local_sample_and_all_columns(style: Style) -> None:
    """Losses 1 and 1/C each; the gradients are those of the weighted sum (semantics.md, 3)."""
    net = made('local = 0.3, mode = "simultaneous"', style).double()
    x, target = batch()
    x = x.double()
    state = net.plan_state()
    passes = net.passes()
    assert [(k, weight) for k, _, weight in passes] == [(0, 1.0), *((k, 1 / 3) for k in (1, 2, 3))]
    assert [plan for _, plan, _ in passes[1:]] == [net.column_plan(k) for k in (1, 2, 3)]
    total = sum(
        weight * nn.functional.cross_entropy(net(x, plan=plan), target)
        for _, plan, weight in passes
    )
    assert isinstance(total, Tensor)
    total.backward()
    expected = {n: p.grad.clone() for n, p in net.named_parameters() if p.grad is not None}
    net.zero_grad()
    net.load_plan_state(state)
    loss, outputs = net.backward(x, lambda output: nn.functional.cross_entropy(output, target))
    assert list(outputs) == [0, 1, 2, 3]
    torch.testing.assert_close(loss, total.detach())
    found = {n: p.grad for n, p in net.named_parameters() if p.grad is not None}
    torch.testing.assert_close(found, expected)


def test_columns_keep_statistics_of_their_own() -> None:
    net = made('local = 0.3, mode = "simultaneous"')
    x, target = batch()
    lone = made('local = 0.3, mode = "simultaneous"')
    lone.load_state_dict(net.state_dict())
    lone(x, plan=net.passes()[0][1])
    net.load_plan_state(lone.plan_state())
    net.backward(x, lambda output: nn.functional.cross_entropy(output, target))
    for (name, one), (_, other) in zip(net.named_buffers(), lone.named_buffers(), strict=True):
        torch.testing.assert_close(one, other, msg=name)
    column = made("local = 0.3")
    column.load_state_dict({**column.state_dict(), **dict(net.named_parameters())})
    column(x, plan=column.column_plan(3))
    own = net.column_statistics[3]
    for name, one in column.named_buffers():
        torch.testing.assert_close(own[name], one, msg=name)


def test_column_statistics_come_and_go() -> None:
    net = made('local = 0.3, mode = "simultaneous"')
    x, target = batch()
    net.backward(x, lambda output: nn.functional.cross_entropy(output, target))
    before = {name: one.clone() for name, one in net.named_buffers()}
    net.swap_statistics(2)
    assert any(not torch.equal(before[name], one) for name, one in net.named_buffers())
    net.swap_statistics(2)
    torch.testing.assert_close(dict(net.named_buffers()), before)
    assert net.state_dict().keys() == made("local = 0.3").state_dict().keys()


def test_simultaneous_never_draws_a_column_for_a_step() -> None:
    net = made('local = 0.1, global = 0.5, mode = "simultaneous"')
    columns = [net.column_plan(k) for k in (1, 2, 3)]
    drawn = [net.sample_plan() for _ in range(60)]
    assert sum(plan in columns for plan in drawn) < 6
    assert not hasattr(net, "global_rate")


def test_simultaneous_with_some_columns() -> None:
    net = made('local = 0.3, mode = "simultaneous", columns = [1, 3]')
    passes = net.passes()
    assert [(k, weight) for k, _, weight in passes] == [(0, 1.0), (1, 0.5), (3, 0.5)]
    assert passes[2][1] == net.column_plan(3)


@pytest.mark.parametrize("dead", ["skip", "advance"])
def test_what_is_dead_stands_still_or_moves_on(dead: str) -> None:
    """skip: momentum and decay leave it alone; advance: they move it, as masks would."""
    net = made(f'local = 0.3, dead = "{dead}"')
    x, _ = batch()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    for plan in (net.full_plan(), net.column_plan(1)):
        before = {name: one.detach().clone() for name, one in net.named_parameters()}
        optimizer.zero_grad()
        net(x, plan=plan).square().sum().backward()
        dead_ones = {n for n, p in net.named_parameters() if p.grad is None}
        if dead == "advance":
            net.advance_dead()
        optimizer.step()
    moved = {n for n, p in net.named_parameters() if not torch.equal(before[n], p)}
    assert dead_ones
    assert (moved >= dead_ones) if dead == "advance" else not moved & dead_ones
    assert hasattr(net, "advance_dead") == (dead == "advance")


def test_rates_are_data_and_may_change_while_training() -> None:
    """A schedule over epochs sets `local_rate`; one over depth sets `rates` of joins."""
    net = made("local = 0.0, global = 0.0")
    assert net.sample_plan() == net.full_plan()
    net.local_rate = 0.9
    assert sum(map(sum, net.sample_plan())) < sum(map(sum, net.full_plan()))
    net.local_rate = 0.0
    last = len(net.joins) - 1
    for number, join in enumerate(net.joins):
        join.rates = [0.0 if number < last else 0.999] * join.arity
    plans = [net.sample_plan() for _ in range(20)]
    assert all(all(row) for plan in plans for row, join in zip(plan, net.joins, strict=True)
               if any(row) and join.number < last and all(plan[last]))  # fmt: skip
    assert sum(sum(plan[last]) for plan in plans) <= 25


def test_one_plan_for_all_micro_batches_of_a_step() -> None:
    """With batch norm in eval mode, gradients of parts add up to those of the whole."""
    net = made("local = 0.5, global = 0.5").double().eval()
    x, _ = batch()
    x = x.double()
    plan = net.sample_plan()
    net(x, plan=plan).square().sum().backward()
    expected = [None if p.grad is None else p.grad.clone() for p in net.parameters()]
    net.zero_grad()
    for part in x.split(2):
        net(part, plan=plan).square().sum().backward()
    for one, other in zip(expected, net.parameters(), strict=True):
        assert (one is None) == (other.grad is None)
        if one is not None:
            torch.testing.assert_close(one, other.grad)


def test_all_columns_at_once_take_the_memory_of_the_largest_pass() -> None:
    """Each is backpropagated before the next begins: gradients stay, feature maps do not."""
    net = made('local = 0.0, mode = "simultaneous"')
    x = torch.randn(512, 2, 4, 4)
    net.backward(x, torch.sum)
    alone = peak_bytes(lambda: net(x, plan=net.full_plan()).sum().backward())
    together = peak_bytes(lambda: net.backward(x, torch.sum))
    assert together <= 1.1 * alone


SAMPLES = 'local = 0.3, global = 0.5, per = "sample"'


def norms_of(net: Any) -> dict[str, Any]:
    return {
        n: one for n, one in net.named_modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)
    }


@pytest.mark.parametrize("style", STYLES)
def test_of_samples_statistics_move_by_their_share(style: Style) -> None:
    """n of N samples: 1 - (1 - momentum)^(n / N); who are none leave everything as it is."""
    net = made(SAMPLES, style)
    x = batch()[0]
    plans = [net.column_plan(k) for k in (1, 1, 3, 3, 3, 3)]
    before = {name: one.running_mean.clone() for name, one in norms_of(net).items()}
    seen: dict[str, Tensor] = {}
    for name, one in norms_of(net).items():
        one.register_forward_pre_hook(lambda _, given, name=name: seen.update({name: given[0]}))
    net(x, plan=plans).sum().backward()
    shares = set()
    for name, one in norms_of(net).items():
        if name not in seen:
            assert torch.equal(one.running_mean, before[name])
            assert one.num_batches_tracked == 0 and one.weight.grad is None
            continue
        share = len(seen[name]) / 6
        shares.add(share)
        moved = 1 - 0.9**share
        torch.testing.assert_close(one.running_mean, moved * seen[name].mean((0, 2, 3)).detach())
    assert shares == {2 / 6, 4 / 6}


def test_of_samples_one_value_a_channel_is_normalised_by_the_running_statistics() -> None:
    rule = (
        'net on vector[3] = (linear(3) >> batch_norm) (+) id\ndrop_path(local = 0, per = "sample")'
    )
    net: Any = compile_source(Source("net.fdl", rule)).module()()
    x = torch.randn(3, 3)
    (name,) = norms_of(net)
    lone = 1 if "linear.weight" in net.live(net.column_plan(1)) else 2
    plans = [net.column_plan(lone), *[net.column_plan(3 - lone)] * 2]
    y = net(x, plan=plans)
    norm, linear = norms_of(net)[name], next(m for m in net.modules() if isinstance(m, nn.Linear))
    assert norm.num_batches_tracked == 0
    torch.testing.assert_close(y[0], linear(x[0]) / (1 + norm.eps) ** 0.5)
    assert torch.equal(y[1:], x[1:])
