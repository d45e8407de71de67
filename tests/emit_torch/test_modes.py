"""What `drop_path` may ask for beside a plan for each mini-batch."""

from __future__ import annotations

import io
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


def test_plan_state_goes_on_where_all_columns_stopped() -> None:
    """`state_dict()` and `plan_state()` are all there is to keep, also of what columns keep."""
    nets = [made('local = 0.3, mode = "simultaneous"') for _ in range(2)]
    x, target = batch()

    def steps(net: Any) -> None:
        for _ in range(3):
            net.backward(x, lambda output: nn.functional.cross_entropy(output, target))

    straight, stopped = nets
    stopped.load_state_dict(straight.state_dict())
    steps(straight)
    steps(straight)
    steps(stopped)
    kept = io.BytesIO()
    torch.save((stopped.state_dict(), stopped.plan_state()), kept)
    kept.seek(0)
    weights, plans = torch.load(kept, weights_only=True)
    steps(stopped)
    resumed = made('local = 0.3, mode = "simultaneous"')
    resumed.load_state_dict(weights)
    resumed.load_plan_state(plans)
    steps(resumed)
    assert torch.equal(resumed.plan_state()["generator"], straight.plan_state()["generator"])
    for k, own in straight.plan_state()["columns"].items():
        for name, one in own.items():
            assert torch.equal(one, resumed.column_statistics[k][name]), (k, name)


def test_statistics_of_columns_are_not_mixed_up() -> None:
    net = made('local = 0.3, mode = "simultaneous"')
    x, target = batch()
    with pytest.raises(ValueError, match="column 2 has no statistics"):
        net.swap_statistics(2)
    net.backward(x, lambda output: nn.functional.cross_entropy(output, target))
    net.swap_statistics(2)
    with pytest.raises(ValueError, match=r"swap_statistics\(2\) again"):
        net.plan_state()
    with pytest.raises(ValueError, match=r"swap_statistics\(2\) again"):
        net.load_plan_state({})
    with pytest.raises(ValueError, match=r"swap_statistics\(2\) again"):
        net.swap_statistics(3)
    with pytest.raises(ValueError, match=r"swap_statistics\(2\) again"):
        net.backward(x, lambda output: nn.functional.cross_entropy(output, target))
    net.swap_statistics(2)
    net.swap_statistics(3)


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


@pytest.mark.parametrize(
    ("setting", "value"), [("local_rate", 1.0), ("local_rate", -0.1), ("rates", [0.1])]
)
def test_rates_that_are_none_are_refused(setting: str, value: Any) -> None:
    net = made("local = 0.3")
    setattr(net if setting == "local_rate" else net.joins[-1], setting, value)
    told = "no rates below 1" if setting == "local_rate" else r"not \d rates from 0 to below 1"
    with pytest.raises(ValueError, match=told):
        net.sample_plan()


@pytest.mark.parametrize("rate", [1.5, -1.0, float("nan")])
def test_shares_of_columns_that_are_none_are_refused(rate: float) -> None:
    net = made("local = 0.3, global = 0.5")
    net.global_rate = rate
    with pytest.raises(ValueError, match="no rates below 1"):
        net.sample_plan()
    net.global_rate, net.local_rate = 1.0, rate  # also where no local plan would be drawn
    with pytest.raises(ValueError, match="no rates below 1"):
        net.sample_plan()


@pytest.mark.parametrize("settings", ["local = 0.3", 'local = 0.3, per = "sample"'])
@pytest.mark.parametrize("style", STYLES)
def test_what_is_no_plan_is_refused(settings: str, style: Style) -> None:
    net, (x, _) = made(settings, style), batch()
    plan = net.column_plan(1)
    printed = tuple(str(plan).split())  # its letters are all true
    others = ("column", 3, plan[:-1], (*plan[:-1], (True,) * 9), [plan[:-1]] * 6, printed)
    for other in others:
        with pytest.raises((ValueError, TypeError), match=r"plan|samples|iterable"):
            net(x, plan=other)
    if "per" not in settings:
        with pytest.raises(ValueError, match="no plan of this network"):
            net(x, plan=[plan] * 6)
    net(x, plan=tuple(plan))  # by what it is, not by its class: another module's will do


@pytest.mark.parametrize("what", ["per sample", "stochastic depth"])
def test_without_a_momentum_statistics_are_averages(what: str) -> None:
    """torch's own meaning of `momentum=None`, on which `swa_utils.update_bn` relies."""
    torch.manual_seed(0)
    text = "net Net on image[2, 4, 4] = conv(3) >> (id + stochastic_depth(conv(3), 0.5))"
    if what == "per sample":
        text = f'{RULES}drop_path(local = 0.3, per = "sample")'
    net = compile_source(Source("net.fdl", text + "\n")).module()()
    net.train()
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = None
    first = next(one for one in net.modules() if isinstance(one, nn.BatchNorm2d))
    seen: list[Tensor] = []
    first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].mean((0, 2, 3))))
    for seed in range(4):
        net(torch.randn(6, 2, 4, 4, generator=torch.Generator().manual_seed(seed)))
    torch.testing.assert_close(first.running_mean, torch.stack(seen).mean(0))


@pytest.mark.parametrize("what", ["per sample", "stochastic depth"])
def test_after_training_any_number_of_samples_exports(what: str) -> None:
    """What training leaves in the modules, the size of its batches, fixes none in eval."""
    text = "net Net on image[2, 4, 4] = conv(3) >> (id + stochastic_depth(conv(3), 0.5))"
    if what == "per sample":
        text = f'{RULES}drop_path(local = 0.3, per = "sample")'
    net = compile_source(Source("net.fdl", text + "\n")).module()().train()
    x, _ = batch()
    net(x)
    net.eval()
    made = torch.export.export(net, (x,), dynamic_shapes=({0: torch.export.Dim("n")},))
    torch.testing.assert_close(made.module()(x[:3]), net(x[:3]))


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
