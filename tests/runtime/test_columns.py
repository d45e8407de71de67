"""The networks inside a network: what they compute, hold and cost."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from fractal_dsl.driver.compilation import Style
from fractal_dsl.runtime import (
    column_table,
    extract_column,
    load_weights,
    recalibrate_batch_norm,
)
from tests.emit_torch.nets import compiled
from tests.runtime.nets import (
    BLOCKS,
    SAMPLES,
    STEM,
    both_styles,
    inputs,
    made,
    statistics_of_its_own,
)

all_texts = pytest.mark.parametrize(
    ("text", "size"), [(BLOCKS, 8), (STEM, 6), (SAMPLES, 8)], ids=["blocks", "stem", "samples"]
)


# Taken out --------------------------------------------------------------------------


@all_texts
@both_styles
def test_a_column_is_the_same_function_with_its_own_weights_alone(
    text: str, size: int, style: Style
) -> None:
    model, x = statistics_of_its_own(made(text, style)), inputs(size=size)
    for k in (1, 2, 3, None):
        plan = model.full_plan() if k is None else model.column_plan(k)
        column = extract_column(model, k)
        torch.testing.assert_close(column(x), model(x, plan), rtol=1e-6, atol=1e-6)
        assert {name for name, _ in column.named_parameters()} == set(model.live(plan))
        assert column.state_dict().keys() <= model.state_dict().keys()
        assert not any(one is other for one in column.modules() for other in model.modules())


@both_styles
def test_a_column_trains_as_it_does_inside(style: Style) -> None:
    model, x = made(BLOCKS, style), inputs()
    column, plan = extract_column(model, 2), model.column_plan(2)
    for network, arguments in ((model, (x, plan)), (column, (x,))):
        torch.manual_seed(3)  # of dropout
        network(*arguments).square().sum().backward()
    theirs = dict(model.named_parameters())
    for name, one in column.named_parameters():
        torch.testing.assert_close(one.grad, theirs[name].grad)
    for name, buffer in column.named_buffers():
        torch.testing.assert_close(buffer, model.get_buffer(name))


def test_a_column_of_a_net_that_draws_for_each_sample_has_torch_s_own_batch_norm() -> None:
    """Theirs asks how large the whole batch is, which nobody would tell it."""
    model, plain, x = made(SAMPLES), made(BLOCKS), inputs()
    columns = [extract_column(one, 2) for one in (model, plain)]
    for column in columns:
        torch.manual_seed(3)
        column(x)
    for one, other in zip(columns[0].buffers(), columns[1].buffers(), strict=True):
        torch.testing.assert_close(one, other)


@both_styles
def test_columns_and_the_whole_net_load_from_each_other(style: Style) -> None:
    model, x = statistics_of_its_own(made(BLOCKS, style)), inputs()
    other = extract_column(made(BLOCKS, style).eval(), 3)
    assert load_weights(other, model.state_dict(), partial=True).extra
    torch.testing.assert_close(other(x), model(x, model.column_plan(3)))
    back = made(BLOCKS, style).eval()
    assert load_weights(back, other.state_dict(), partial=True).missing
    torch.testing.assert_close(back(x, back.column_plan(3)), other(x))


def test_a_column_is_copied_pickled_compiled_by_export() -> None:
    column, x = extract_column(statistics_of_its_own(made()), 2), inputs()
    y = column(x)
    assert torch.equal(copy.deepcopy(column)(x), y)
    assert torch.equal(pickle.loads(pickle.dumps(column))(x), y)
    exported = torch.export.export(column, (x,))
    torch.testing.assert_close(exported.module()(x), y)


def test_a_branch_that_is_left_out_in_training_is_no_chain() -> None:
    text = STEM.replace("(id + conv(4))", "(id + stochastic_depth(conv(4), 0.5))")
    with pytest.raises(ValueError, match=r"or model.extract_column\(k\)"):
        extract_column(made(text), 2)
    model, x = statistics_of_its_own(made(text)), inputs(size=6)
    torch.testing.assert_close(extract_column(model, 2)(x), model(x, model.column_plan(2)))


def test_a_column_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="column 4 of 3"):
        extract_column(made(), 4)
    with pytest.raises(TypeError, match="draws no plans"):
        extract_column(nn.Linear(2, 2), 1)


# One after another ------------------------------------------------------------------


class Convolutions(TorchDispatchMode):
    """Counts what is computed, below everything that Python could look up."""

    def __init__(self) -> None:
        TorchDispatchMode.__init__(self)
        self.seen: Counter[tuple[int, int]] = Counter()
        self.kept: list[Any] = []

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if "convolution" in str(func):
            self.kept.append(args[:2])
            self.seen[id(args[0]), id(args[1])] += 1
        return func(*args, **(kwargs or {}))


@all_texts
@both_styles
def test_answers_in_turn(text: str, size: int, style: Style) -> None:
    model, x = statistics_of_its_own(made(text, style)), inputs(size=size)
    found = list(model.anytime(x))
    assert [k for k, _ in found] == [1, 2, 3, None]
    for k, y in found:
        plan = model.full_plan() if k is None else model.column_plan(k)
        torch.testing.assert_close(y, model(x, plan))


@pytest.mark.parametrize(
    ("text", "size", "convs"),
    # A block is seven convolutions; in the whole net the three behind the join of f_1 read its
    # mean, which no column has: 7 + 3. The second of two blocks has another input each time.
    [(BLOCKS, 8, 7 + 3 + 7 + 7), (STEM, 6, 4 + 7 + 3), (SAMPLES, 8, 7 + 3 + 7 + 7)],
    ids=["blocks", "stem", "samples"],
)
@both_styles
def test_nothing_is_computed_twice(text: str, size: int, convs: int, style: Style) -> None:
    model, x = statistics_of_its_own(made(text, style)), inputs(size=size)
    with Convolutions() as seen:
        list(model.anytime(x))
    assert set(seen.seen.values()) == {1}
    assert sum(seen.seen.values()) == convs


def test_answers_come_when_they_are_asked_for() -> None:
    model, x = statistics_of_its_own(made()), inputs()
    with Convolutions() as seen:
        answers = model.anytime(x)
        next(answers)
        assert sum(seen.seen.values()) == 2
        torch.relu_(torch.ones(1))  # outside, nothing is shared and everything may be done
        next(answers)
        assert sum(seen.seen.values()) == 6
    assert not next(model.anytime(x))[1].requires_grad


@both_styles
def test_results_are_let_go_with_the_answers(style: Style) -> None:
    """Not when garbage is collected: over a set of images that would be all of memory."""
    model, seen = statistics_of_its_own(made(BLOCKS, style)), list[weakref.ref[Tensor]]()
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda *given: seen.append(weakref.ref(given[2])))
    gc.disable()
    try:
        list(model.anytime(inputs()))
        next(model.anytime(inputs()))
        alive = sum(one() is not None for one in seen)
    finally:
        gc.enable()
    assert seen and not alive


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@both_styles
def test_columns_are_taken_out_without_gradients_too(style: Style, mode: Any) -> None:
    model = made(BLOCKS, style)
    live = model.live(model.column_plan(2))
    with mode():
        assert model.live(model.column_plan(2)) == live
        assert dict(model.extract_column(2).named_parameters()).keys() == set(live)


def test_hooks_of_the_network_are_called_for_every_answer() -> None:
    model, x = statistics_of_its_own(made()), inputs()
    hook = model.register_forward_pre_hook(lambda module, given: (given[0] * 2, *given[1:]))
    for k, y in model.anytime(x):
        torch.testing.assert_close(y, model(x, model.column_plan(k) if k else model.full_plan()))
    _, hooked = next(model.anytime(x))
    hook.remove()
    assert not torch.allclose(hooked, next(model.anytime(x))[1])


def test_in_train_mode_there_is_nothing_to_share() -> None:
    with pytest.raises(ValueError, match=r"eval mode was expected: model.eval\(\)"):
        next(made().anytime(inputs()))


# Figures ----------------------------------------------------------------------------


@both_styles
def test_the_table_is_the_compiler_s(style: Style) -> None:
    model, report = made(BLOCKS, style), compiled(BLOCKS).report
    table = column_table(model, inputs(3), runs=2)
    rows = list(table)
    columns = [(one.column, one.depth, one.parameters, one.macs) for one in report.columns]
    assert [(one.column, one.depth, one.parameters, one.macs) for one in rows[:-1]] == columns
    assert (rows[-1].column, rows[-1].depth) == (None, report.depth)
    assert (rows[-1].parameters, rows[-1].macs) == (report.parameters, report.macs)
    assert all(one.latency > 0 for one in rows)
    assert model.training
    text = str(table).splitlines()
    assert text[0].split() == ["column", "depth", "parameters", "multiply-adds", "ms"]
    assert text[-1].split()[:2] == ["all", "8"]
    assert len({len(line) for line in text}) == 1


def test_latency_is_a_median_of_warm_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    from fractal_dsl.runtime import columns

    taken = iter([99.0, 5.0, 1.0, 3.0])
    monkeypatch.setattr(columns, "_milliseconds", lambda net, x: next(taken))
    assert columns.latencies([nn.Identity()], inputs(), 3) == [3.0]
    with pytest.raises(ValueError, match="at least 1"):
        column_table(made(), inputs(), runs=0)


# Statistics -------------------------------------------------------------------------


def batches() -> list[tuple[Tensor, int]]:
    return [(inputs(seed=seed), seed) for seed in (1, 2, 3)]


@pytest.mark.parametrize("text", [BLOCKS, SAMPLES], ids=["blocks", "samples"])
@pytest.mark.parametrize("column", [1, 3, None])
def test_recalibrated_statistics_are_means_over_the_batches(text: str, column: int | None) -> None:
    """The first batch norm by hand; the rest as torch's own cumulative average has it."""
    model = statistics_of_its_own(made(text)).train()
    before = {key: one.clone() for key, one in model.state_dict().items()}
    found = recalibrate_batch_norm(model, batches(), column)
    assert not found.training
    plan = model.full_plan() if column is None else model.column_plan(column)
    twin = extract_column(model, column).eval()
    for one in twin.modules():
        if isinstance(one, nn.BatchNorm2d):
            one.reset_running_stats()
            one.momentum = None
            one.train()
    with torch.no_grad():
        for x, _ in batches():
            twin(x)
    for name, buffer in found.named_buffers():
        mine = dict(twin.named_buffers()).get(name, before[name])
        torch.testing.assert_close(buffer, mine, msg=name)
    key = next(name for name in model.live(plan) if name.endswith("conv2d.weight"))
    weight, norm = model.get_parameter(key), key.replace("conv2d.weight", "batch_norm")
    values = [nn.functional.conv2d(x, weight, padding=1) for x, _ in batches()]
    mean = torch.stack([one.mean((0, 2, 3)) for one in values]).mean(0)
    torch.testing.assert_close(found.get_buffer(f"{norm}.running_mean"), mean)
    assert found.get_submodule(norm).momentum == 0.1
    assert all(torch.equal(one, before[key]) for key, one in model.state_dict().items())


def test_recalibration_takes_columns_and_refuses_nothing_to_average() -> None:
    model = made()
    column = extract_column(model, 2)
    found = recalibrate_batch_norm(column, [x for x, _ in batches()])
    inside = recalibrate_batch_norm(model, batches(), 2)
    for name, one in found.named_buffers():
        torch.testing.assert_close(one, inside.get_buffer(name))
    with pytest.raises(ValueError, match="no batch"):
        recalibrate_batch_norm(model, [])
    with pytest.raises(TypeError, match="of type str"):
        recalibrate_batch_norm(model, ["x"])
