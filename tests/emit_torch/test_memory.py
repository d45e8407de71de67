"""What waits in memory, counted exactly; and that adding up in place changes no number."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from torch import Tensor, nn

from benchmarks.peak import peak_bytes
from fractal_dsl.driver import compile_source
from fractal_dsl.driver.compilation import Style
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.reference.tensors import random_input
from fractal_dsl.runtime import fold_batch_norm
from fractal_dsl.source import Source
from tests.emit_torch.nets import STYLES, made
from tests.programs import fdl_programs

both_styles = pytest.mark.parametrize("style", STYLES)

BLOCK = """
f(1)   = conv
f(C+1) = (f(C) . f(C)) (+) conv
param C = 4
net Block on image[1, 16, 16] = conv(4) >> f(C, channels = 4)
drop_path(local = 0.15, global = 0.5)
"""
MAP = 4 * 4 * 16 * 16  # bytes of an activation of one image

SHARED = """
net on image[3, 4, 4] = (id (+) conv(3)) >> (dropout2d(0.5) (+) id (+) conv(3)) >> max_pool(2)
"""
DROP = "drop_path(local = 0.3, global = 0.5)"


def maps(model: nn.Module) -> float:
    """Most activations alive in evaluation, folded; the block's input is the stem's output."""
    folded, x = fold_batch_norm(model), torch.randn(1, 1, 16, 16)
    with torch.inference_mode():
        return peak_bytes(lambda: folded(x)) / MAP


@pytest.mark.parametrize("columns", [*range(1, 7), *(pytest.param(c, marks=pytest.mark.slow)
                                                     for c in (7, 8))])  # fmt: skip
def test_activations_alive_in_evaluation(columns: int) -> None:
    assert maps(made(BLOCK, "flat", C=columns)) == columns // 2 + 2
    assert maps(made(BLOCK, "modules", C=columns)) == columns + 1


def answers(model: Any, x: Tensor, **plan: object) -> tuple[Tensor, Tensor]:
    """With gradients, and without."""
    kept = x.clone()
    with torch.enable_grad():
        slow = model(x, **plan).detach()
    with torch.no_grad():
        quick = model(x, **plan)
    assert torch.equal(x, kept), "the input was overwritten"
    return slow, quick


@both_styles
@pytest.mark.parametrize("text", [SHARED, SHARED + DROP], ids=["plain", "sampled"])
def test_what_others_read_is_not_overwritten(text: str, style: Style) -> None:
    model: Any = made(text, style).eval()
    plans = [{}] if "drop_path" not in text else [{"plan": model.sample_plan()} for _ in range(8)]
    for plan in plans:
        slow, quick = answers(model, torch.randn(2, 3, 4, 4), **plan)
        assert torch.equal(slow, quick)


@seed(0)
@settings(
    max_examples=25,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
@given(fdl_programs(several=False))
def test_the_same_without_gradients(text: str) -> None:
    compilation = compile_source(Source("random.fdl", text))
    generator = torch.Generator().manual_seed(0)
    x = random_input(flatten(compilation.program), 0, 3, generator, torch.float32)
    for style in STYLES:
        slow, quick = answers(compilation.module(style)().eval(), x)
        torch.testing.assert_close(slow, quick, rtol=1e-6, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("size", [(2, 2), (5, 4), (4, 7), (9, 9), (32, 32)])
def test_pooling_without_gradients(size: tuple[int, int]) -> None:
    pool: Any = made("net on image[2, 8, 8] = max_pool(2) >> conv(2)")
    x = torch.randn(3, 2, *size)
    x[0, 0, 0, 0] = torch.nan
    with torch.no_grad():
        found = pool.max_pool(x)
        assert torch.equal(found.nan_to_num(9), nn.functional.max_pool2d(x, 2).nan_to_num(9))
        images = x.contiguous(memory_format=torch.channels_last)
        assert torch.equal(pool.max_pool(images).nan_to_num(9), found.nan_to_num(9))


def test_pooling_refuses_what_is_too_small() -> None:
    pool: Any = made("net on image[2, 8, 8] = max_pool(2) >> conv(2)")
    with torch.no_grad(), pytest.raises(RuntimeError, match="too small"):
        pool.max_pool(torch.zeros(1, 2, 1, 8))


def test_other_windows_are_left_to_torch() -> None:
    for pooling in ("max_pool(3)", "max_pool(2, stride = 1)", "max_pool(2, padding = 1)"):
        model: Any = made(f"net on image[2, 8, 8] = {pooling} >> conv(2)")
        assert type(model.max_pool) is nn.MaxPool2d


LAYER = """
implicit channels = 4
layer = conv2d(channels, 3, padding = 1) >> {}
f(1)   = layer
f(C+1) = (f(C) . f(C)) (+) layer
net Net on image[2, 8, 8] = f(3) >> global_avg_pool
"""
AFTER = LAYER.format("batch_norm >> relu >> dropout2d(0.4)")
BEFORE = LAYER.format("batch_norm >> dropout2d(0.4) >> relu")


def trained(model: nn.Module, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    torch.manual_seed(3)
    y = model.train()(x)
    torch.autograd.backward(y.square().sum())
    return y, [one.grad for one in model.parameters() if one.grad is not None]


@both_styles
def test_channels_dropped_before_a_relu_are_dropped_in_place(style: Style) -> None:
    """The same numbers, a tensor less for each layer."""
    x = torch.randn(4, 2, 8, 8)
    after, before = made(AFTER, style), made(BEFORE, style)
    one, other = trained(after, x), trained(before, x)
    assert torch.equal(one[0], other[0])
    assert all(map(torch.equal, one[1], other[1]))
    for model in (after, before):
        model.zero_grad(set_to_none=True)
    least, most = (peak_bytes(partial(trained, model, x)) for model in (before, after))
    assert least < 0.9 * most
