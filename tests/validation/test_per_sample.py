"""`per = "sample"`: each sample its own sub-network, against the reference interpreter."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from fractal_dsl.driver import compile_source
from fractal_dsl.driver.compilation import Style
from fractal_dsl.ir.flat import FlatProgram
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.ir.graph import Sampling
from fractal_dsl.reference.per_sample import interpret_samples
from fractal_dsl.reference.plans import Plan, full_plan, local_plan
from fractal_dsl.reference.tensors import parameter_tensors, random_input, random_tensors
from fractal_dsl.reference.ties import TieCounter
from fractal_dsl.source import Source
from tests.validation.translation import distinct_programs

BATCH = 7
STYLES: tuple[Style, ...] = ("modules", "flat")


def per_sample(text: str) -> str:
    return text.replace("global = 0.5)", 'global = 0.5, per = "sample")')


def passed(
    outputs: Sequence[Tensor], leaves: dict[str, Tensor], upstream: Sequence[Tensor]
) -> dict[str, Tensor]:
    """The outputs and their gradients; what has none gets zeros."""
    found: Sequence[Tensor | None] = [None] * len(leaves)
    pairs = [pair for pair in zip(outputs, upstream, strict=True) if pair[0].requires_grad]
    if pairs and leaves:
        given, weights = zip(*pairs, strict=True)
        found = torch.autograd.grad(given, list(leaves.values()), weights, allow_unused=True)
    grads = {
        name: torch.zeros_like(leaf) if one is None else one
        for (name, leaf), one in zip(leaves.items(), found, strict=True)
    }
    return {f"output {at}": one.detach() for at, one in enumerate(outputs)} | grads


def compared(module: Any, flat: FlatProgram, plans: list[Plan], training: bool) -> float:
    """The largest difference, relative to 1 + the largest value of its tensor.

    Weights are drawn anew where a value stands within rounding of a corner.
    """
    for seed in range(3, 13):
        corners = TieCounter()
        difference = once(module, flat, plans, training, seed, corners)
        if not corners.ties:
            break
    return difference


def once(
    module: Any,
    flat: FlatProgram,
    plans: list[Plan],
    training: bool,
    seed: int,
    corners: TieCounter,
) -> float:
    """The largest difference with the weights that `seed` draws."""
    generator = torch.Generator().manual_seed(seed)
    tensors = random_tensors(flat, generator, torch.float64)
    x = [random_input(flat, at, BATCH, generator) for at in flat.inputs]
    shapes = [(BATCH, *flat.nodes[at].shape.sizes) for at in flat.outputs]
    upstream = [torch.randn(one, generator=generator, dtype=torch.float64) for one in shapes]
    names = list(parameter_tensors(flat))

    def leaves() -> dict[str, Tensor]:
        return {name: tensors[name].clone().requires_grad_() for name in names}

    mine, theirs = leaves(), leaves()
    torch.manual_seed(4)  # of stochastic depth
    ran = interpret_samples(
        flat, {**tensors, **theirs}, x, plans, training=training, observe=corners
    )
    expected = passed(ran.outputs, theirs, upstream) | ran.buffers
    state = {name: tensor.clone() for name, tensor in tensors.items()} | mine
    module.train(training)
    given = [type(module.full_plan())(plan) for plan in plans]
    torch.manual_seed(4)
    made = functional_call(module, state, tuple(x), {"plan": given})
    outputs = (made,) if isinstance(made, Tensor) else made
    found = passed(outputs, mine, upstream) | {name: state[name] for name in ran.buffers}
    for name in state.keys() - ran.buffers.keys() - mine.keys():
        assert torch.equal(state[name], tensors[name]), f"{name} of a dead layer changed"
    return max(
        float((found[name] - tensor).abs().max()) / (1 + float(tensor.abs().max()))
        for name, tensor in expected.items()
    )


SPEC = """
f(1)   = conv
f(C+1) = (f(C) . f(C)) (+) conv
block(channels) = f(3) >> each(max_pool(2))
net on image[2, 8, 8] = chain(block(w) for w in [4, 6]) >> (id + conv(6)) >> flatten >> linear(3)
drop_path(local = 0.4, global = 0.5, per = "sample")
"""


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("style", STYLES)
def test_a_fractalnet_does_what_its_plans_say(style: Style, training: bool) -> None:
    compiled = compile_source(Source("samples.fdl", SPEC))
    flat, module = flatten(compiled.program), compiled.module(style)()
    for seed in range(6):
        torch.manual_seed(seed)
        plans = [tuple(map(tuple, plan)) for plan in module.sample_plans(BATCH)]
        assert compared(module, flat, plans, training) <= 1e-10


LEARNED = """
f(1)   = attention(2) + parameter([1, 4])
f(C+1) = (f(C) . f(C)) (+) (id * parameter([4], init = 1))
net on sequence[1, 4] = concat(parameter([1, 4]), f(3), axis = 0) >> (id + parameter([2, 4]))
    >> (linear(4) (+) relu) >> take(0) >> linear(3)
drop_path(local = 0.4, global = 0.5, per = "sample")
"""


@pytest.mark.parametrize("style", STYLES)
def test_what_is_learned_has_no_samples(style: Style) -> None:
    compiled = compile_source(Source("learned.fdl", LEARNED))
    flat, module = flatten(compiled.program), compiled.module(style)()
    for seed in range(6):
        torch.manual_seed(seed)
        plans = [tuple(map(tuple, plan)) for plan in module.sample_plans(BATCH)]
        assert compared(module, flat, plans, True) <= 1e-10


@pytest.mark.parametrize("style", STYLES)
def test_random_programs(style: Style) -> None:
    drawn = distinct_programs(60, 70_000)
    programs = (text for text, _ in drawn if "global = 0.5)" in text)
    for number, text in enumerate(programs):
        compiled = compile_source(Source("random.fdl", per_sample(text)))
        flat = flatten(compiled.program)
        if not flat.joins:
            continue  # nothing to drop, and no plan
        plans = [local_plan(flat, Sampling(0.5), Random(seed)) for seed in range(BATCH)]
        module = compiled.module(style)()
        assert compared(module, flat, plans, number % 3 > 0) <= 1e-10, text


def test_samples_with_one_plan_are_the_mini_batch_with_that_plan() -> None:
    """Where all samples agree, it is the same network as per batch."""
    torch.manual_seed(0)
    alike = compile_source(Source("samples.fdl", SPEC)).module()().double()
    batch = compile_source(Source("batch.fdl", SPEC.replace(', per = "sample"', "")))
    other = batch.module()().double()
    other.load_state_dict(alike.state_dict())
    x = torch.randn(BATCH, 2, 8, 8, dtype=torch.float64)
    for plan in (alike.full_plan(), alike.column_plan(2), alike.sample_plan()):
        expected = other(x, plan=type(other.full_plan())(plan))
        torch.testing.assert_close(alike(x, plan=plan), expected, rtol=0, atol=0)
        torch.testing.assert_close(alike(x, plan=[plan] * BATCH), expected, rtol=0, atol=0)


def test_convolutions_see_the_samples_that_need_them_and_no_other() -> None:
    compiled = compile_source(Source("samples.fdl", SPEC))
    module = compiled.module()()
    plans = module.sample_plans(BATCH)
    counts: dict[str, int] = {}
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(
                lambda _, inputs, __, name=name: counts.__setitem__(name, len(inputs[0]))
            )
    module(torch.randn(BATCH, 2, 8, 8), plan=plans)
    expected: dict[str, int] = {}
    for plan in plans:
        seen = dict(counts)
        counts.clear()
        module(torch.randn(1, 2, 8, 8), plan=[plan])
        for name in counts:
            expected[name] = expected.get(name, 0) + 1
        counts.clear()
        counts.update(seen)
    assert counts == expected


def test_full_plans_are_the_reference_s() -> None:
    compiled = compile_source(Source("samples.fdl", SPEC))
    flat = flatten(compiled.program)
    assert compared(compiled.module()(), flat, [full_plan(flat)] * BATCH, True) <= 1e-10


def test_as_many_plans_as_samples() -> None:
    module = compile_source(Source("samples.fdl", SPEC)).module()()
    with pytest.raises(ValueError, match="3 plans for 7 samples"):
        module(torch.randn(BATCH, 2, 8, 8), plan=module.sample_plans(3))
