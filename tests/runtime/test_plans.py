"""What a plan computes and keeps, told before anything is computed."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

from fractal_dsl import runtime
from fractal_dsl.driver.compilation import Style
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.reference import plans as reference
from fractal_dsl.runtime import kept_bytes, worst_draw_memory
from tests.emit_torch.nets import compiled
from tests.runtime.nets import BLOCKS, STEM, both_styles, inputs, made

CHAIN = "net on image[2, 6, 6] = (conv(4) (+) conv(4)) >> conv(3)\ndrop_path(local = 0.5)\n"


def some_plans(model: Any) -> list[Any]:
    columns = [model.column_plan(k) for k in range(1, model.columns + 1)]
    return [model.full_plan(), *columns, *(model.sample_plan() for _ in range(5))]


@both_styles
@pytest.mark.parametrize("text", [BLOCKS, STEM], ids=["blocks", "stem"])
def test_live_parameters_are_those_of_the_flat_graph(text: str, style: Style) -> None:
    """Which the generated code never saw; and those that get a gradient."""
    model, flat = made(text, style), flatten(compiled(text).program)
    x = inputs(size=flat.nodes[0].shape.sizes[-1])
    for plan in some_plans(model):
        keys = {flat.nodes[at].key for at in reference.live_nodes(flat, plan)}
        names = [name for name, _ in model.named_parameters() if name.rpartition(".")[0] in keys]
        found = model.live(plan)
        assert list(found) == names
        model.zero_grad()
        model(x, plan).sum().backward()
        assert {name for name, one in model.named_parameters() if one.grad is not None} == set(
            found
        )


def test_asking_changes_nothing() -> None:
    model = made().eval()
    before = {key: one.clone() for key, one in model.state_dict().items()}
    random, plans = torch.get_rng_state(), model.plan_state()
    model.live(model.full_plan())
    worst_draw_memory(model, (2, 2, 8, 8), draws=3)
    assert not model.training
    assert all(torch.equal(one, before[key]) for key, one in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.equal(model.plan_state(), plans)
    assert all(one.grad is None and not one.is_meta for one in model.parameters())


def test_kept_bytes_by_hand() -> None:
    """conv keeps its input; batch norm its input and two numbers a channel; ReLU its output."""
    model = made(CHAIN)
    wide, narrow, x = 2 * 4 * 36 * 4, 2 * 3 * 36 * 4, 2 * 2 * 36 * 4
    first = 2 * wide + 2 * 4 * 4
    last = 2 * narrow + 2 * 3 * 4
    assert kept_bytes(model, model.column_plan(1), (2, 2, 6, 6)) == x + first + last
    # The join's own result is kept by the last convolution.
    assert kept_bytes(model, model.full_plan(), (2, 2, 6, 6)) == x + 2 * first + wide + last


@both_styles
def test_kept_bytes_are_those_of_a_real_step(style: Style) -> None:
    model, x = made(BLOCKS, style), inputs()
    own = {one.data_ptr() for one in (*model.parameters(), *model.buffers())}
    for plan in some_plans(model):
        kept: dict[int, torch.Tensor] = {}

        def pack(tensor: torch.Tensor, kept: dict[int, torch.Tensor] = kept) -> torch.Tensor:
            kept[tensor.data_ptr()] = tensor
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda one: one):
            y = model(x, plan)
        del y
        sizes = {at: one.untyped_storage().nbytes() for at, one in kept.items() if at not in own}
        assert kept_bytes(model, plan, x.shape) == sum(sizes.values())


def test_the_worst_draw_is_the_full_plan() -> None:
    model = made()
    found = worst_draw_memory(model, (4, 2, 8, 8), draws=12, seed=5)
    generator = torch.Generator().manual_seed(5)
    each = [kept_bytes(model, model.sample_plan(generator), (4, 2, 8, 8)) for _ in range(12)]
    assert found.mean == pytest.approx(sum(each) / 12)
    assert max(each) <= found.full
    assert 0.2 * found.full < found.mean < 0.9 * found.full
    assert str(found).startswith("kept for the backward pass: 0.1 MiB at worst")


def test_without_plans_and_with_stochastic_depth() -> None:
    """Nothing drawn: one number. Branches left out: the more, the less is kept."""
    text = "net on image[2, 6, 6] = conv(4) >> (id + {}) >> conv(3)\n"
    plain = worst_draw_memory(made(text.format("conv(4)")), (8, 2, 6, 6))
    assert (plain.draws, plain.mean) == (0, plain.full)
    assert str(plain).count("MiB") == 1
    few, many = (
        worst_draw_memory(made(text.format(f"stochastic_depth(conv(4), {p})")), (8, 2, 6, 6))
        for p in (0.25, 0.75)
    )
    assert min(few.full, many.full) >= plain.full
    assert few.full > few.mean > 1.1 * many.mean


def test_what_draws_no_plans_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Linear draws no plans.*drop_path"):
        kept_bytes(nn.Linear(2, 2), (), (2, 2))
    with pytest.raises(TypeError, match=r"give its `.module`"):
        kept_bytes(torch.optim.swa_utils.AveragedModel(made()), (), (2, 2, 8, 8))
    with pytest.raises(ValueError, match="at least 1"):
        worst_draw_memory(made(), (2, 2, 8, 8), draws=0)


def test_torch_comes_only_with_what_needs_it() -> None:
    code = "import sys, fractal_dsl, fractal_dsl.runtime; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert all(hasattr(runtime, name) for name in runtime.__all__)
    assert not hasattr(runtime, "other")
