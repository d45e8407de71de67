"""The comparison finds what it should, and can fail: each fault here is one that it must see."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fractal_dsl.driver import compile_source
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.reference.tensors import random_input
from fractal_dsl.source import Source
from tests.validation.translation import distinct_programs
from tests.zoo.entries import spec_text
from tests.zoo.matching import NoMatch
from tests.zoo.transfer import (
    compared,
    differences,
    load,
    parameters,
    random_tensors,
    tensor_names,
)

NET = """
norm(w, k)   = conv2d(w, k) >> batch_norm
unit(w)      = (norm(w, 3) >> relu >> norm(w, 3) + norm(w, 1)) >> relu
mixed(w)     = (unit(w) ++ norm(w, 3)) + (norm(w, 3) ++ unit(w))
net on image[2, 8, 8] = unit(4) ** 2 >> mixed(4) >> max_pool(2) >> unit(4)
    >> avg_pool(3, stride = 1, padding = 1) >> global_avg_pool >> linear(3)
"""


def made(text: str) -> nn.Module:
    module = compile_source(Source("net.fdl", text)).module()()
    assert isinstance(module, nn.Module)
    return module


def images(*shape: int) -> Tensor:
    return torch.randn(2, *shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("conv2d(w, k) >> batch_norm", "conv2d(w, k) >> batch_norm(eps = 0.001)"),
        ("+ norm(w, 1)) >> relu", "+ norm(w, 1))"),
        ("max_pool(2)", "avg_pool(2)"),
        ("padding = 1)", "padding = 1, count_padding = false)"),
        (") + (norm", ") - (norm"),
    ],
)
def test_another_function_of_the_same_layers_is_seen(written: str, instead: str) -> None:
    """The graphs match, or nearly; the outputs tell."""
    assert written in NET
    try:
        found = compared([(made(NET.replace(written, instead)), made(NET), [images(2, 8, 8)])])
    except NoMatch:
        return
    assert found.worst > 1e-4


@pytest.mark.parametrize(
    ("written", "instead", "message"),
    [
        ("unit(4) ** 2", "unit(4) ** 3", "2 more in the first: affine"),
        ("unit(4) ** 2", "unit(4) ** 1", "more in the second: affine"),
        ("norm(w, 3) ++ unit(w)", "unit(w) ++ norm(w, 3)", "wired in different ways"),
        ("(unit(w) ++ norm(w, 3))", "(unit(w) ++ norm(w, 3) >> avg_pool(1))",
         "wired in different ways"),
        ("max_pool(2) >> unit(4)", "unit(4) >> max_pool(2)", "wired in different ways"),
    ],
)  # fmt: skip
def test_an_edge_rewired_is_no_match(written: str, instead: str, message: str) -> None:
    assert written in NET
    with pytest.raises(NoMatch, match=message):
        compared([(made(NET.replace(written, instead)), made(NET), [images(2, 8, 8)])])


def test_two_layers_swapped_are_seen() -> None:
    """Any two tensors of one shape, each pair in turn."""
    ours, theirs, x = made(NET), made(NET), images(2, 8, 8)
    names = tensor_names(ours, theirs, [x])
    tensors = random_tensors(theirs, torch.Generator().manual_seed(2))
    load(ours, theirs, names, tensors)
    assert differences(ours.eval(), theirs.eval(), [x])[0] <= 1e-6
    weights = [key for key in names if key.endswith("conv2d.weight")]
    pairs = [
        (one, other)
        for at, one in enumerate(weights)
        for other in weights[:at]
        if tensors[names[one]].shape == tensors[names[other]].shape
    ]
    assert len(pairs) >= 10
    for one, other in pairs:
        swapped = {**names, one: names[other], other: names[one]}
        load(ours, theirs, swapped, tensors)
        assert differences(ours, theirs, [x])[0] > 1e-4, (one, other)


class TwoBranches(nn.Module):
    """Ways of writing a sum and a mean, in-place operators, layers in another order."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 3)
        self.second = nn.Conv2d(2, 4, 3, padding=1)
        self.first = nn.Conv2d(2, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        both = torch.stack([self.second(x), self.first(x)])
        both = both.sum(0).div_(2).relu_()
        return torch.as_tensor(self.head(both.mean((2, 3))))


def test_ways_of_writing_a_mean_do_not_count() -> None:
    text = """
    layer = conv2d(4, bias = true)
    net on image[2, 8, 8] = (layer (+) layer) >> relu >> global_avg_pool >> linear(3)
    """
    assert compared([(made(text), TwoBranches(), [images(2, 8, 8)])]).worst <= 1e-6


class Unused(TwoBranches):
    def __init__(self) -> None:
        super().__init__()
        self.auxiliary = nn.Linear(4, 3)


def test_a_layer_that_computes_nothing_is_told() -> None:
    with pytest.raises(NoMatch, match=r"no layer .* holds auxiliary\.bias, auxiliary\.weight"):
        compared([(TwoBranches(), Unused(), [images(2, 8, 8)])])


@pytest.mark.parametrize("number", [4, pytest.param(12, marks=pytest.mark.slow)])
def test_random_programs_match_themselves_in_the_other_style(number: int) -> None:
    """Whatever the graph: `modules` beside `flat`, which holds its layers in another order."""
    for text, seed in distinct_programs(number, 4_000):
        compiled = compile_source(Source("random.fdl", text))
        ours, theirs = compiled.module("modules")(), compiled.module("flat")()
        flat = flatten(compiled.program)
        generator = torch.Generator().manual_seed(1)
        batch = [random_input(flat, at, 2, generator, torch.float32) for at in flat.inputs]
        if parameters(ours):
            assert compared([(ours, theirs, batch)], seed).worst <= 1e-5, text


def test_the_image_of_a_spec_can_be_resized() -> None:
    assert "on image[3, 64, 64]" in spec_text("resnet", 64)
