"""Whole programs: against torch modules written by hand and by others."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor

from fractal_dsl.ir.flat import FlatNode, FlatProgram
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.ir.graph import Sampling
from fractal_dsl.ir.operators.elementwise import Dropout, Relu
from fractal_dsl.ir.shapes import vector
from fractal_dsl.reference.interpreter import interpret
from fractal_dsl.reference.plans import column_plan, full_plan, live_nodes, local_plan
from fractal_dsl.reference.tensors import buffer_tensors, parameter_tensors, random_tensors
from tests.handmade import block_only, fractalnet
from tests.ir import samples
from tests.pytorchcv import fractalnet_cifar10
from tests.reference.modules import Net


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(name="flat")
def block() -> FlatProgram:
    return flatten(block_only(3, channels=4, size=6))


def image_of(flat: FlatProgram, batch: int = 3, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(batch, *flat.nodes[0].shape.sizes, generator=seeded(9), dtype=dtype)


@pytest.mark.parametrize("training", [False, True])
def test_three_columns_against_torch_by_hand(flat: FlatProgram, training: bool) -> None:
    tensors = random_tensors(flat, seeded(0))
    net = Net().double().train(training)
    net.load_state_dict(tensors)
    x = image_of(flat)
    plans = [full_plan(flat), *(column_plan(flat, k) for k in (1, 2, 3))]
    plans += [local_plan(flat, Sampling(0.5), random.Random(seed)) for seed in range(5)]
    for plan in plans:
        state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
        ran = interpret(flat, state, x, training=training, plan=plan)
        torch.testing.assert_close(net(x, plan), ran.output, rtol=1e-12, atol=1e-12)
        after = {**state, **ran.buffers}
        torch.testing.assert_close(dict(net.state_dict()), after, rtol=1e-12, atol=1e-12)


def test_the_names_of_tensors_are_torch_s(flat: FlatProgram) -> None:
    net = Net()
    assert parameter_tensors(flat) == {k: tuple(p.shape) for k, p in net.named_parameters()}
    assert buffer_tensors(flat) == {k: tuple(b.shape) for k, b in net.named_buffers()}


def test_random_statistics_are_not_the_initial_ones(flat: FlatProgram) -> None:
    tensors = random_tensors(flat, seeded(0))
    again = random_tensors(flat, seeded(0))
    assert all(torch.equal(tensors[name], again[name]) for name in tensors)
    for name, tensor in tensors.items():
        if name.endswith(("running_mean", "running_var", "weight", "bias")):
            assert float(tensor.double().std()) > 0.01
        if name.endswith("running_var"):
            assert float(tensor.min()) > 0


def test_a_join_is_the_mean_of_what_is_live(flat: FlatProgram) -> None:
    tensors = random_tensors(flat, seeded(0))
    x = image_of(flat)
    values: dict[int, Tensor] = {}
    nodes = {id(node): at for at, node in enumerate(flat.nodes)}
    plan = ((True, True), (True, False, True))
    interpret(flat, tensors, x, plan=plan, observe=lambda n, _, y: values.update({nodes[id(n)]: y}))
    last = flat.joins[1]
    first, _, third = flat.nodes[last].inputs
    torch.testing.assert_close(values[last], (values[first] + values[third]) / 2)


def test_what_is_dead_is_not_executed_and_keeps_its_statistics(flat: FlatProgram) -> None:
    tensors = random_tensors(flat, seeded(0))
    x = image_of(flat)
    ran_nodes: list[FlatNode] = []
    plan = column_plan(flat, 1)
    ran = interpret(
        flat, tensors, x, training=True, plan=plan, observe=lambda n, _, y: ran_nodes.append(n)
    )
    assert ran.live == live_nodes(flat, plan)
    assert len(ran_nodes) == len(ran.live) - 1
    assert {name.rpartition(".")[0] for name in ran.buffers} == {"f.conv.batch_norm"}
    everything = interpret(flat, tensors, x, training=True)
    assert everything.buffers.keys() == buffer_tensors(flat).keys()
    assert everything.live == frozenset(range(len(flat.nodes)))


def test_nothing_given_is_changed(flat: FlatProgram) -> None:
    tensors = random_tensors(flat, seeded(0))
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    x = image_of(flat)
    kept = x.clone()
    interpret(flat, tensors, x, training=True)
    assert torch.equal(x, kept)
    assert all(torch.equal(tensors[name], before[name]) for name in tensors)
    assert not interpret(flat, tensors, x).buffers


def test_dropout_replays_in_data_flow_order() -> None:
    nodes = (
        FlatNode(None, (), vector(50)),
        FlatNode(Dropout(0.5), (0,), vector(50), "a"),
        FlatNode(Dropout(0.25), (0,), vector(50), "b"),
        FlatNode(None, (2, 1), vector(50), join=0),
    )
    flat = FlatProgram("Dropouts", nodes, (3,))
    ones = torch.ones(4, 50)
    torch.manual_seed(5)
    found = interpret(flat, {}, ones, training=True).output
    torch.manual_seed(5)
    first = torch.nn.functional.dropout(ones, 0.5)
    second = torch.nn.functional.dropout(ones, 0.25)
    assert torch.equal(found, (second + first) / 2)
    assert torch.equal(interpret(flat, {}, ones).output, ones)


def test_identity_and_each() -> None:
    identity = FlatProgram("Id", (FlatNode(None, (), vector(3)),), (0,))
    x = torch.randn(2, 3)
    assert interpret(identity, {}, x).output is x
    flat = flatten(samples.each())
    tensors = random_tensors(flat, seeded(2))
    x = image_of(flat)
    weights = [tensors[f"pair.{name}.weight"] for name in "abc"]
    expected = sum(torch.nn.functional.conv2d(x, w, padding=1).clamp(min=0) for w in weights)
    torch.testing.assert_close(interpret(flat, tensors, x).output, expected / 3)
    assert isinstance(flat.nodes[4].attributes, Relu)


def test_pytorchcv_s_fractalnet_computes_the_same() -> None:
    flat = flatten(fractalnet(3))
    tensors = random_tensors(flat, seeded(4), torch.float32)
    peer = fractalnet_cifar10(tensors).eval()
    x = image_of(flat, 2, torch.float32)
    with torch.no_grad():
        found = interpret(flat, tensors, x).output
        expected = peer(x)
    assert float(expected.abs().max()) > 0.1
    assert float((found - expected).abs().max()) <= 1e-5
