"""Both styles of generated code are one network: the same keys, function and plans."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from torch import Tensor, nn

from fractal_dsl.driver import compile_source
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.reference.tensors import random_input
from fractal_dsl.source import Source
from tests.emit_torch.nets import NET, SPECS, STYLES, compiled, made, shared_weights
from tests.programs import fdl_programs

# The rest take seconds each; tests/zoo runs thin twins of them.
QUICK = ("digits", "three_lines", "three_signs", "fractalnet", "fractalnet_deep")


def tensors(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}


def output(module: nn.Module, *inputs: Tensor) -> Any:
    """With the same random numbers for dropout at every call."""
    torch.manual_seed(1)
    return module(*inputs)


def inputs_of(path: Path, batch: int) -> list[Tensor]:
    generator, flat = torch.Generator().manual_seed(3), flatten(compiled(path).program)
    return [random_input(flat, at, batch, generator, torch.float32) for at in flat.inputs]


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_keys_and_shapes_are_the_same(path: Path) -> None:
    """One set of keys, as docs/architecture.md says; `state_dict` would hide one that is twice.

    In one order too: an optimizer's saved state goes by position.
    """
    with torch.device("meta"):
        modules, flat = (compiled(path).module(style)() for style in STYLES)
    assert list(tensors(modules).items()) == list(tensors(flat).items())
    for module in (modules, flat):
        kept = module.state_dict()
        held = [*module.parameters(), *(one for key, one in module.named_buffers() if key in kept)]
        assert len(held) == len(tensors(module))


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[] if path.stem in QUICK else [pytest.mark.slow]) for path in SPECS],
    ids=lambda path: path.stem,
)
def test_specs_are_the_same_function_in_both_styles(path: Path) -> None:
    modules, flat = shared_weights(path)
    x = inputs_of(path, batch=1)
    with torch.inference_mode():
        torch.testing.assert_close(output(flat.eval(), *x), output(modules.eval(), *x))


def test_a_training_step_is_the_same_in_both_styles() -> None:
    """The same draws of drop-path, so the same layers learn; statistics move alike."""
    one, other = (made(NET, style).double() for style in STYLES)
    other.load_state_dict(one.state_dict())
    for step in range(8):
        x = torch.randn(4, 2, 8, 8, dtype=torch.double)
        for module in (one, other):
            module.zero_grad()
            torch.autograd.backward(output(module, x).square().sum())
        for (name, a), (_, b) in zip(one.named_parameters(), other.named_parameters(), strict=True):
            assert (a.grad is None) == (b.grad is None), f"{name} in step {step}"
            if a.grad is not None and b.grad is not None:
                torch.testing.assert_close(a.grad, b.grad, msg=name)
    for (name, mean), (_, twin) in zip(one.named_buffers(), other.named_buffers(), strict=True):
        torch.testing.assert_close(mean, twin, msg=name)


def test_random_programs_are_the_same_in_both_styles() -> None:
    @seed(0)
    @settings(
        max_examples=8,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(fdl_programs())
    def agrees(text: str) -> None:
        compilation = compile_source(Source("random.fdl", text))
        one, other = (compilation.module(style)().double() for style in STYLES)
        assert tensors(one) == tensors(other)
        other.load_state_dict(one.state_dict())
        flat, generator = flatten(compilation.program), torch.Generator().manual_seed(2)
        x = [random_input(flat, at, 3, generator) for at in flat.inputs]
        for training in (True, False):
            torch.testing.assert_close(
                output(one.train(training), *x), output(other.train(training), *x)
            )

    agrees()


TEN = """
f(1)   = conv
f(C+1) = (f(C) . f(C)) (+) conv
net Ten on image[1, 4, 4] = f(10, channels = 1)
drop_path(local = 0.15, global = 0.5)
"""


def statements(tree: ast.Module) -> list[ast.stmt]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]


def test_ten_columns_in_a_row_are_a_statement_a_line() -> None:
    """No expression grows with the network: Python's own compiler limits how deep they nest."""
    tree = ast.parse(compiled(TEN).generate("flat"))
    lines = Counter(node.lineno for node in statements(tree))
    assert max(lines.values()) == 1
    made_in_init = [
        node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "Conv2d"
    ]
    assert len(made_in_init) == 2**10 - 1


def test_ten_columns_in_a_row_build() -> None:
    with torch.device("meta"):
        module = compiled(TEN).module("flat")()
    assert sum(isinstance(part, nn.Conv2d) for part in module.modules()) == 2**10 - 1


@pytest.mark.slow
def test_ten_columns_in_a_row_run() -> None:
    modules, flat = made(TEN), made(TEN, "flat")
    flat.load_state_dict(modules.state_dict())
    x = torch.randn(1, 1, 4, 4)
    with torch.inference_mode():
        torch.testing.assert_close(output(flat.eval(), x), output(modules.eval(), x))
