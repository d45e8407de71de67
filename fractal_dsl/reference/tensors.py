"""The tensors a flat DAG holds, by state-dict key, and random values for them."""

from __future__ import annotations

from math import prod, sqrt
from typing import TypeAlias

import torch
from torch import Tensor

from fractal_dsl.ir.flat import FlatProgram
from fractal_dsl.ir.operators import spec_of
from fractal_dsl.ir.operators.extern import Extern
from fractal_dsl.ir.operators.layers import Embedding
from fractal_dsl.reference.externs import extern_module

__all__ = ["buffer_tensors", "parameter_tensors", "random_input", "random_tensors"]

Shapes: TypeAlias = dict[str, tuple[int, ...]]


def parameter_tensors(flat: FlatProgram) -> Shapes:
    """Shape of every learned tensor, in data-flow order."""
    return _tensors(flat, buffers=False)


def buffer_tensors(flat: FlatProgram) -> Shapes:
    """Shape of every buffer, in data-flow order."""
    return _tensors(flat, buffers=True)


def _tensors(flat: FlatProgram, *, buffers: bool) -> Shapes:
    shapes: Shapes = {}
    for node in flat.nodes:
        if node.attributes is None:
            continue
        spec = spec_of(node.attributes)
        if isinstance(node.attributes, Extern):
            shapes.update(_extern_shapes(node.key, node.attributes, buffers=buffers))
            continue
        incoming = [flat.nodes[source].shape for source in node.inputs]
        held = (spec.buffers if buffers else spec.parameters)(node.attributes, incoming)
        own = (one for one in held if not (node.weight and one.name == "weight"))
        shapes.update({f"{node.key}.{tensor.name}": tensor.shape for tensor in own})
    return shapes


def _extern_shapes(key: str, extern: Extern, *, buffers: bool) -> Shapes:
    module = extern_module(extern)
    learned = {name for name, _ in module.named_parameters()}
    state = module.state_dict()
    return {f"{key}.{n}": tuple(t.shape) for n, t in state.items() if (n in learned) != buffers}


def random_tensors(
    flat: FlatProgram, generator: torch.Generator, dtype: torch.dtype = torch.float64
) -> dict[str, Tensor]:
    """Parameters and buffers such that values keep their size through depth.

    Batch-norm statistics and affine weights are random too: at their initial values batch
    norm in eval mode is nearly the identity and would hide mistakes.
    """
    shapes = parameter_tensors(flat) | buffer_tensors(flat)
    made = {key: _random(key, shape, generator, dtype) for key, shape in shapes.items()}
    for node in flat.nodes:
        if isinstance(node.attributes, Extern):
            made.update(_near_initial(node.key, node.attributes, generator, dtype))
    return made


def _near_initial(
    key: str, extern: Extern, generator: torch.Generator, dtype: torch.dtype
) -> dict[str, Tensor]:
    """Nobody knows what values a module of others bears: its own, the learned ones moved a bit."""
    module = extern_module(extern)
    learned = {name for name, _ in module.named_parameters()}
    made: dict[str, Tensor] = {}
    for name, tensor in module.state_dict().items():
        value = tensor.to(dtype) if tensor.is_floating_point() else tensor.clone()
        if name in learned and tensor.is_floating_point():
            value = value + 0.1 * torch.randn(value.shape, generator=generator, dtype=dtype)
        made[f"{key}.{name}"] = value
    return made


def random_input(
    flat: FlatProgram,
    at: int,
    batch: int,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """A batch that may come in at the input `at`, [batch, *its shape].

    Tokens are integers below the smallest vocabulary that an `embedding` looks them up in.
    """
    shape = flat.nodes[at].shape
    if shape.kind == "tokens":
        return torch.randint(vocabulary(flat), (batch, *shape.sizes), generator=generator)
    return torch.randn(batch, *shape.sizes, generator=generator, dtype=dtype)


def vocabulary(flat: FlatProgram) -> int:
    """How many tokens there may be; 2 where nothing looks them up."""
    found = (node.attributes for node in flat.nodes)
    return min((one.vocab for one in found if isinstance(one, Embedding)), default=2)


def _random(
    key: str, shape: tuple[int, ...], generator: torch.Generator, dtype: torch.dtype
) -> Tensor:
    def normal(scale: float) -> Tensor:
        return scale * torch.randn(shape, generator=generator, dtype=dtype)

    def around_one() -> Tensor:
        return 0.5 + torch.rand(shape, generator=generator, dtype=dtype)

    match key.rpartition(".")[2]:
        case "num_batches_tracked":
            return torch.randint(100, shape, generator=generator)
        case "running_var":
            return around_one()
        case "weight" if len(shape) > 1:
            return normal(sqrt(2 / prod(shape[1:])))
        case "weight":
            return around_one()
        case _:
            return normal(0.2)
