"""Drop-path: what plans may be, how often each is drawn, and that what is dead is not touched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from math import sqrt
from typing import Any, cast

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from torch import Tensor, nn

from fractal_dsl.driver import compile_source
from fractal_dsl.driver.compilation import Style
from fractal_dsl.ir.flat import FlatProgram
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.reference import plans as reference
from fractal_dsl.reference.tensors import random_input
from fractal_dsl.source import Source
from tests.emit_torch.nets import BLOCK, NET, STYLES, compiled, made
from tests.programs import fdl_programs

DRAWS = 3000

RATES = """
net Rates on image[1, 4, 4] = drop(conv(2), local = 0.9) (+) conv(2) (+) drop(conv(2), local = 0)
drop_path(local = 0.5, global = 0)
"""

SOME = BLOCK.replace("global = 0.5", "global = 1, columns = [2, 4]")


def sampler(text: str = BLOCK, style: Style = "modules", **rates: float) -> Any:
    """A network whose rates are set at run time, as a user may."""
    module = made(text, style)
    for name, rate in rates.items():
        setattr(module, name, rate)
    return module


def flat_of(text: str) -> FlatProgram:
    return flatten(compiled(text).program)


def within_band(count: int, draws: int, share: float) -> bool:
    """Five standard deviations of a binomial: a right sampler fails once in a million."""
    return abs(count - draws * share) <= 5 * sqrt(draws * share * (1 - share)) + 1e-9


# What is drawn --------------------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("rate", [0.15, 0.5, 0.95])
def test_a_join_that_is_reached_keeps_an_input(style: Style, rate: float) -> None:
    """And one that is not reached has none: its row is what says that it is dead."""
    module, flat = sampler(style=style, local_rate=rate, global_rate=0.0), flat_of(BLOCK)
    for _ in range(100):
        plan = module.sample_plan()
        live = reference.live_nodes(flat, plan)
        for row, at in zip(plan, flat.joins, strict=True):
            assert any(row) == (at in live)


@pytest.mark.parametrize("rate", [0.15, 0.5])
def test_inputs_are_dropped_at_their_rate(rate: float) -> None:
    """1 - r, and the share of all dropped that its revival gives back; dead joins do not count."""
    module = sampler(local_rate=rate, global_rate=0.0)
    plans = [module.sample_plan() for _ in range(DRAWS)]
    for number, join in enumerate(module.joins):
        reached = [plan[number] for plan in plans if any(plan[number])]
        share = (1 - rate) + rate**join.arity / join.arity
        assert len(reached) > DRAWS / 10
        for operand in range(join.arity):
            kept = sum(row[operand] for row in reached)
            assert within_band(kept, len(reached), share), (number, operand)


def test_inputs_of_a_join_are_dropped_independently() -> None:
    """All sixteen masks of the last join of f(4), not their margins alone."""
    rate, module = 0.4, sampler(local_rate=0.4, global_rate=0.0)
    seen = Counter(module.sample_plan()[-1] for _ in range(DRAWS))
    for mask, count in seen.items():
        kept = sum(mask)
        share = (1 - rate) ** kept * rate ** (4 - kept) + (rate**4 / 4 if kept == 1 else 0)
        assert within_band(count, DRAWS, share), mask
    assert len(seen) == 2**4 - 1


def test_rates_of_their_own_come_before_the_net_s() -> None:
    module = sampler(RATES)
    rows = [module.sample_plan()[0] for _ in range(DRAWS)]
    for operand, share in enumerate((0.1, 0.5, 1.0)):
        assert within_band(sum(row[operand] for row in rows), DRAWS, share)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("text", [BLOCK, NET], ids=["block", "net"])
def test_columns_are_those_of_the_definition(text: str, style: Style) -> None:
    module, flat = sampler(text, style), flat_of(text)
    assert module.columns == reference.column_count(flat)
    for k in range(1, module.columns + 1):
        assert module.column_plan(k) == reference.column_plan(flat, k)
    for k in (0, module.columns + 1):
        with pytest.raises(ValueError, match=f"column {k} of {module.columns}"):
            module.column_plan(k)


def test_a_global_plan_is_one_column_and_all_are_as_likely() -> None:
    module = sampler(global_rate=1.0)
    seen = Counter(module.sample_plan() for _ in range(DRAWS))
    assert set(seen) == {module.column_plan(k) for k in (1, 2, 3, 4)}
    assert all(within_band(count, DRAWS, 1 / 4) for count in seen.values())
    for plan in seen:
        assert all(sum(row) <= 1 for row in plan)


def test_a_global_plan_takes_the_columns_it_was_told() -> None:
    module = sampler(SOME)
    seen = Counter(module.sample_plan() for _ in range(DRAWS))
    assert set(seen) == {module.column_plan(2), module.column_plan(4)}
    assert all(within_band(count, DRAWS, 1 / 2) for count in seen.values())


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_global_plans_are_their_share_of_all(share: float) -> None:
    """With nothing dropped locally, whatever is not everything is a column."""
    module = sampler(global_rate=share, local_rate=0.0)
    whole = module.full_plan()
    columns = sum(module.sample_plan() != whole for _ in range(DRAWS))
    assert within_band(columns, DRAWS, share)


# Where the random numbers come from -----------------------------------------------


def test_the_same_seed_gives_the_same_plans_in_every_style() -> None:
    classes = [compiled(NET).module(style) for style in STYLES]
    rows = [[made.sample_plan() for _ in range(50)] for one in classes for made in [one()]]
    assert rows[0] == rows[1]
    again, other = classes[0](plan_seed=0), classes[0](plan_seed=1)
    assert [again.sample_plan() for _ in range(50)] == rows[0]
    assert [other.sample_plan() for _ in range(50)] != rows[0]


def test_plans_and_torch_s_own_random_numbers_leave_each_other_alone() -> None:
    """Drop-path must not shift the order of data, nor data the plans."""
    module = sampler()
    first = [module.sample_plan() for _ in range(5)]
    torch.manual_seed(123)
    before = torch.get_rng_state()
    module = sampler()
    torch.set_rng_state(before)
    assert [module.sample_plan() for _ in range(5)] == first
    assert torch.equal(torch.get_rng_state(), before)


def test_a_training_run_continues_where_its_plans_stood() -> None:
    module = sampler()
    module.sample_plan()
    state = module.plan_state()
    expected = [module.sample_plan() for _ in range(5)]
    resumed = sampler()
    resumed.load_plan_state(state)
    assert [resumed.sample_plan() for _ in range(5)] == expected
    assert not any("generator" in key or "join" in key for key in module.state_dict())


def test_a_generator_of_one_s_own_leaves_the_module_s_where_it_was() -> None:
    module = sampler()
    state = module.plan_state()
    plans = [module.sample_plan(torch.Generator().manual_seed(5)) for _ in range(2)]
    assert plans[0] == plans[1]
    assert torch.equal(module.plan_state(), state)


@pytest.mark.parametrize("style", STYLES)
def test_in_eval_everything_lives_and_nothing_is_drawn(style: Style) -> None:
    module = sampler(NET, style).eval()
    state, x = module.plan_state(), torch.randn(2, 2, 8, 8)
    random = torch.get_rng_state()
    assert torch.equal(module(x), module(x, module.full_plan()))
    assert torch.equal(module.plan_state(), state)
    assert torch.equal(torch.get_rng_state(), random)


def test_in_training_one_plan_is_drawn_for_each_pass() -> None:
    module, twin = sampler(NET), sampler(NET)
    x = torch.randn(2, 2, 8, 8)
    for _ in range(5):
        plan = twin.sample_plan()
        assert torch.equal(module(x), twin(x, plan))
        assert torch.equal(module.plan_state(), twin.plan_state())


def test_a_plan_is_a_table_that_nobody_changes() -> None:
    """Printable: a letter for each input of each join; hashable; equal by what it says."""
    module = sampler()
    plan = module.column_plan(2)
    assert set(str(plan)) == {"x", ".", " "}
    assert [len(row) for row in str(plan).split()] == [join.arity for join in module.joins]
    assert str(module.full_plan()) == "xx xxx xx xxxx"
    assert {plan: 1}[module.column_plan(2)] == 1
    with pytest.raises(TypeError):
        plan[0] = (True, True)


def test_only_the_network_draws() -> None:
    """Once, before anything is computed; its parts take what they are given."""
    module = sampler(NET)
    asked: list[int] = []
    whole = module.sample_plan
    with calls(module) as seen:

        def noted() -> Any:
            asked.append(seen.total())
            return whole()

        module.sample_plan = noted
        module(torch.randn(2, 2, 8, 8))
        assert asked == [0] and seen.total() > 0
        module.eval()(torch.randn(2, 2, 8, 8))
    assert len(asked) == 1


# What is computed -----------------------------------------------------------------


@contextmanager
def calls(module: nn.Module) -> Iterator[Counter[str]]:
    """How often each layer that has weights was called."""
    seen: Counter[str] = Counter()
    handles = [
        part.register_forward_hook(lambda *_, name=name: seen.update([name]))
        for name, part in module.named_modules()
        if any(True for _ in part.parameters(recurse=False))
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def layers(flat: FlatProgram, module: nn.Module, live: frozenset[int]) -> Counter[str]:
    """Each live layer as often as it is used, by the flat graph, which the code never saw."""
    known = {name.rpartition(".")[0] for name, _ in module.named_parameters()}
    used = Counter(flat.nodes[at].key for at in live if flat.nodes[at].start is None)
    del used[""]
    counts = {one: used[one] or used[one.rpartition(".")[0]] for one in known}
    return Counter({one: count for one, count in counts.items() if count})


def computes_what_lives(module: Any, flat: FlatProgram, x: list[Tensor], plan: Any) -> None:
    live = reference.live_nodes(flat, plan)
    with calls(module) as seen:
        module(*x, plan=plan)
    assert seen == layers(flat, module, live)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("text", [BLOCK, NET, RATES], ids=["block", "net", "rates"])
def test_exactly_what_lives_is_computed(text: str, style: Style) -> None:
    module, flat = sampler(text, style), flat_of(text)
    module.local_rate = 0.5
    x = [torch.randn(2, *flat.nodes[0].shape.sizes)]
    plans = [module.column_plan(k) for k in range(1, module.columns + 1)]
    plans += [module.full_plan(), *(module.sample_plan() for _ in range(20))]
    for plan in plans:
        computes_what_lives(module, flat, x, plan)


def test_exactly_what_lives_is_computed_of_random_programs() -> None:
    @seed(1)
    @settings(
        max_examples=8,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(fdl_programs(sampling=True))
    def computed(text: str) -> None:
        compilation = compile_source(Source("random.fdl", text))
        flat = flatten(compilation.program)
        generator = torch.Generator().manual_seed(0)
        x = [random_input(flat, at, 2, generator, torch.float32) for at in flat.inputs]
        for style in STYLES:
            module = compilation.module(style)()
            if not flat.joins:
                continue
            for _ in range(3):
                plan = module.sample_plan()
                live = reference.live_nodes(flat, plan)
                rows = zip(plan, flat.joins, strict=True)
                assert all(any(row) == (at in live) for row, at in rows)
                computes_what_lives(module, flat, x, plan)

    computed()


@pytest.mark.parametrize("style", STYLES)
def test_what_is_dead_neither_learns_nor_counts(style: Style) -> None:
    """No gradient (zeros would let momentum move it), and statistics stay where they were."""
    module, flat = sampler(NET, style, local_rate=0.6), flat_of(NET)
    dead_seen = 0
    for _ in range(10):
        plan = module.sample_plan()
        live = {flat.nodes[at].key for at in reference.live_nodes(flat, plan)}
        before = {name: buffer.clone() for name, buffer in module.named_buffers()}
        module.zero_grad()
        module(torch.randn(3, 2, 8, 8), plan).square().sum().backward()
        for name, parameter in module.named_parameters():
            lives = name.rpartition(".")[0] in live
            assert (parameter.grad is not None) == lives, name
            dead_seen += not lives
        for name, buffer in module.named_buffers():
            assert torch.equal(buffer, before[name]) == (name.rpartition(".")[0] not in live), name
    assert dead_seen > 50


def test_a_join_is_the_mean_of_what_lives() -> None:
    """Not rescaled by the keep rate: a lone live input passes as it is."""
    join = sampler(RATES).joins[0]
    values = [torch.randn(2, 3), torch.randn(2, 3), torch.randn(2, 3)]
    assert join(values[:1]) is values[0]
    torch.testing.assert_close(join(values), torch.stack(values).mean(0))
    torch.testing.assert_close(join(values[:2]), (values[0] + values[1]) / 2)


@pytest.mark.parametrize("per", ["batch", "sample", ""])
def test_joins_of_bfloat16_are_summed_up_in_float32(per: str) -> None:
    """256 + 1 is 256 in bfloat16, however often; the mean of both is not."""
    text = RATES.replace("global = 0)", f'global = 0, per = "{per}")')
    module = cast(Any, made(text if per else "net on image[1, 4, 4] = conv(2) (+) conv(2)\n"))
    values = [torch.full((2, 3), one).bfloat16() for one in (256.0, 1.0, 1.0, 1.0)]
    if per == "sample":
        scope = type(module).forward.__globals__
        samples = scope["Samples"]
        parts = [samples(values[0]), *(samples(one[:1], 1) for one in values[1:])]
        found = scope["Join"](4)(parts).values
        assert found[1].tolist() == [256.0] * 3
        assert found.dtype == torch.bfloat16
        whole = scope["Join"](4)([samples(one) for one in values]).values
    else:
        scope = type(module).forward.__globals__
        whole = scope["Join"](4)(values) if per else scope["mean"](values)
        found = whole
    right = torch.tensor(64.75).bfloat16().item()  # 64 if summed up in bfloat16
    assert whole.tolist() == [[right] * 3] * 2
    assert found[0].tolist() == [right] * 3
    assert whole.dtype == torch.bfloat16
