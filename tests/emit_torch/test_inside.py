"""The networks inside a generated module, for whoever has that file alone."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from fractal_dsl.driver.compilation import Style
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

DEPTH = STEM.replace("(id + conv(4))", "(id + stochastic_depth(conv(4), 0.5))")
LISTS = """
f(1)   = conv
f(C+1) = (f(C) . f(C)) (+) conv
net Lists on image[2, 6, 6] =
    conv(4) >> ((f(3, channels = 4) >> each(max_pool(2) >> conv(4))) ** 2) >> global_avg_pool
    >> linear(3)
drop_path(local = 0.4, global = 0.5)
"""
texts = pytest.mark.parametrize(
    ("text", "size"),
    [(BLOCKS, 8), (STEM, 6), (SAMPLES, 8), (DEPTH, 6), (LISTS, 6)],
    ids=["blocks", "stem", "samples", "depth", "lists"],
)


def step(model: Any, *arguments: Any) -> dict[str, torch.Tensor]:
    """Output, gradients and buffers of a training step."""
    torch.manual_seed(3)  # of dropout and stochastic depth
    y = model(*arguments)
    y.square().sum().backward()
    grads = {f"{n} gradient": p.grad for n, p in model.named_parameters() if p.grad is not None}
    return {"y": y.detach(), **grads, **dict(model.named_buffers())}


@texts
@both_styles
def test_a_column_taken_out_is_that_column(text: str, size: int, style: Style) -> None:
    """The same answers and the same steps, whoever asks it for a plan; its own layers alone."""
    model, x = made(text, style), inputs(size=size)
    for k in range(1, model.columns + 1):
        whole, plan = copy.deepcopy(model), model.column_plan(k)
        column: Any = model.extract_column(k)
        found, expected = step(column, x), step(whole, x, plan)
        for name, one in found.items():
            torch.testing.assert_close(one, expected[name], rtol=0, atol=0, msg=name)
        assert {name for name, _ in column.named_parameters()} == set(model.live(plan))
        assert column.full_plan() == column.column_plan(1) == column.sample_plan() == plan
        assert not {id(one) for one in column.parameters()} & {id(p) for p in model.parameters()}
        column.eval(), whole.eval()
        assert torch.equal(column(x), whole(x, plan))


@texts
@both_styles
def test_a_column_is_copied_pickled_saved_and_exported(text: str, size: int, style: Style) -> None:
    model, x = statistics_of_its_own(made(text, style)), inputs(size=size)
    column: Any = model.extract_column(2)
    y = column(x)
    assert torch.equal(copy.deepcopy(column)(x), y)
    assert torch.equal(pickle.loads(pickle.dumps(column))(x), y)
    other: Any = made(text, style).eval().extract_column(2)
    full = model.state_dict()
    other.load_state_dict({key: full[key] for key in other.state_dict()})
    assert torch.equal(other(x), y)
    if text is not SAMPLES:  # which asks how many samples there are
        batch = torch.export.Dim("batch", min=2)
        exported = torch.export.export(column, (x,), dynamic_shapes=({0: batch},))
        torch.testing.assert_close(exported.module()(inputs(3, size)), column(inputs(3, size)))


@both_styles
def test_what_is_not_there_cannot_be_computed(style: Style) -> None:
    column, x = made(BLOCKS, style).extract_column(1), inputs()
    other = made(BLOCKS, style)
    with pytest.raises((NotImplementedError, AttributeError)):
        column(x, other.column_plan(3))
    with pytest.raises(ValueError, match="column 4 of 3"):
        other.extract_column(4)


@both_styles
def test_asking_what_lives_touches_nothing(style: Style) -> None:
    """No draw, no number, no mode: the question is answered on shapes."""
    model = made(DEPTH, style)
    model.linear.requires_grad_(False)
    before = {key: one.clone() for key, one in model.state_dict().items()}
    random, plans = torch.get_rng_state(), model.plan_state()
    assert "linear.weight" in model.live(model.full_plan())
    assert set(model.live(model.column_plan(1))) < {name for name, _ in model.named_parameters()}
    assert model.training and not model.linear.weight.requires_grad
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.equal(model.plan_state(), plans)
    assert all(torch.equal(one, before[key]) for key, one in model.state_dict().items())
    assert all(one.grad is None for one in model.parameters())


def test_plans_of_samples_live_together() -> None:
    model = made(SAMPLES)
    both = [model.column_plan(1), model.column_plan(3)]
    assert set(model.live(both)) == {name for plan in both for name in model.live(plan)}


def test_in_every_type_and_on_no_device_at_all() -> None:
    """Columns of a net in float64 and in bfloat16; of one on the meta device."""
    for dtype in (torch.float64, torch.bfloat16):
        model = made().to(dtype)
        assert model.live(model.column_plan(2)) == made().live(model.column_plan(2))
        column = model.extract_column(2).eval()
        assert column(inputs().to(dtype)).dtype == dtype
    hollow = made().to("meta")
    assert hollow.live(hollow.column_plan(1)) == made().live(hollow.column_plan(1))


@both_styles
def test_torch_is_all_that_it_needs(style: Style, tmp_path: Path) -> None:
    """In a Python where there is no compiler."""
    (tmp_path / "made.py").write_text(compiled(BLOCKS).generate(style), encoding="utf-8")
    (tmp_path / "fractal_dsl.py").write_text("raise ImportError", encoding="utf-8")
    code = (
        "import torch; from made import Blocks; m = Blocks(); m(torch.randn(4, 2, 8, 8)); m.eval();"
        "x = torch.randn(2, 2, 8, 8); c = m.extract_column(3); m.live(m.column_plan(1));"
        "answers = dict(m.anytime(x)); assert torch.allclose(answers[3], c(x));"
        "assert torch.equal(answers[None], m(x))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


@texts
def test_better_answers_in_turn_end_with_the_whole(text: str, size: int) -> None:
    model, x = statistics_of_its_own(made(text)), inputs(size=size)
    ks = [k for k, _ in model.anytime(x)]
    assert ks == [*range(1, model.columns + 1), None]
    with pytest.raises(ValueError, match=r"eval mode was expected: model.eval\(\)"):
        next(model.train().anytime(x))
    assert isinstance(model, nn.Module)
