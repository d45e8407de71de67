"""The module compiled from the paper's rule against a FractalNet that others wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fractal_dsl import compile as compile_spec
from fractal_dsl.driver.compilation import Style
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.reference.tensors import random_tensors
from tests.pytorchcv import fractalnet_cifar10

STYLES: tuple[Style, ...] = ("modules", "flat")
SPEC = Path(__file__).parents[2] / "specs" / "paper" / "fractal20_cifar.fdl"


@pytest.mark.parametrize("style", STYLES)
def test_fractal20_computes_what_pytorchcv_s_does(style: Style) -> None:
    """Eval mode, float32, random weights and statistics: at most 1e-5 apart.

    pytorchcv pools after a block's last join, as the paper's figure 1 has it; the spec before
    it, as section 3.3 says of the paper's own code.
    """
    rule = SPEC.read_text("utf-8").replace("each(max_pool(2))", "max_pool(2)")
    compiled = compile_spec(rule)
    generator = torch.Generator().manual_seed(4)
    tensors = random_tensors(flatten(compiled.program), generator, torch.float32)
    ours = compiled.module(style)().eval()
    ours.load_state_dict(tensors)
    peer = fractalnet_cifar10(tensors).eval()
    x = torch.randn(2, 3, 32, 32, generator=generator)
    with torch.no_grad():
        found, expected = ours(x), peer(x)
    assert float(expected.abs().max()) > 0.1
    assert float((found - expected).abs().max()) <= 1e-5
