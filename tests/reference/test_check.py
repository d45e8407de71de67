"""The check itself: it passes what is right and fails what is wrong."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from fractal_dsl.ir.flat import FlatNode, FlatProgram
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.ir.operators import Attributes
from fractal_dsl.ir.operators.elementwise import Dropout, HardSigmoid, Maximum, Minimum, Relu, Sum
from fractal_dsl.ir.operators.pooling import GlobalMaxPool, MaxPool
from fractal_dsl.ir.shapes import image, vector
from fractal_dsl.reference.check import check
from fractal_dsl.reference.mutate import mutations
from fractal_dsl.reference.plans import column_plan, full_plan
from fractal_dsl.reference.ties import TieCounter
from tests.handmade import block_only
from tests.reference.modules import Net


@pytest.fixture(name="flat")
def block() -> FlatProgram:
    return flatten(block_only(3, channels=4, size=6))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("column", [None, 1, 2, 3])
def test_a_right_module_agrees(flat: FlatProgram, training: bool, column: int | None) -> None:
    plan = None if column is None else column_plan(flat, column)
    report = check(Net(), flat, seed=1, training=training, plan=plan)
    assert report.agrees and not report.ties and not report.unknown
    # output, three buffers and two gradients of batch norm, one of conv, one of the input
    assert len(report.differences) == 2 + 7 * (3 + 3)
    assert str(report).startswith("agree on 44 tensors; worst: ")


def test_the_module_given_is_left_as_it_was(flat: FlatProgram) -> None:
    net = Net()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    net.eval()
    check(net, flat, seed=1, training=True)
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert not net.training and next(net.parameters()).dtype == torch.float32


def test_two_hundred_of_two_hundred_miscompilations_are_caught(flat: FlatProgram) -> None:
    net, survivors, kinds = Net(), [], set()
    for number, (what, wrong) in enumerate(itertools.islice(mutations(flat, seed=7), 200)):
        kinds.add(what.split()[0] + what.split()[-1])
        training = number % 2 == 1
        report = check(net, wrong, seed=number, batch=2, training=training, compiled=flat)
        if report.agrees:
            survivors.append(what)
    assert not survivors
    assert len(kinds) >= 4


def test_mutations_are_the_same_for_one_seed(flat: FlatProgram) -> None:
    one, again, other = (list(itertools.islice(mutations(flat, s), 200)) for s in (1, 1, 2))
    assert one == again != other
    for what, wrong in one:
        assert wrong != flat, what
        assert all(s < at for at, node in enumerate(wrong.nodes) for s in node.inputs)
        assert len(wrong.nodes) == len(flat.nodes)
        for at in wrong.joins:
            node = wrong.nodes[at]
            assert tuple(operand.source for operand in node.operands) == node.inputs


def test_a_program_with_nowhere_to_go_wrong_has_no_mutations() -> None:
    nodes = (FlatNode(None, (), vector(3)), FlatNode(Dropout(0.5), (0,), vector(3), "d"))
    assert list(mutations(FlatProgram("One", nodes, (1,)), 0)) == []


class Masked(Net):
    """Computes what is dead and multiplies it by zero, as a masked implementation does."""

    def forward(self, x: Tensor, plan: object = None) -> Tensor:
        deep, middle, shallow = self.f(x, ((True,) * 2, (True,) * 3))
        out: Tensor = deep * 0 + middle * 0 + shallow
        return out


def test_computing_what_is_dead_is_caught(flat: FlatProgram) -> None:
    plan = column_plan(flat, 1)
    for training in (False, True):
        report = check(Masked(), flat, seed=1, training=training, plan=plan)
        assert not report.agrees
        assert report.worst is not None and report.worst.largest == torch.inf
        assert "DISAGREE" in str(report)
        wrong = {one.name.split()[0] for one in report.differences if one.ratio > 1}
        assert wrong == ({"buffer", "gradient"} if training else {"gradient"})


class Scaled(Net):
    """Right forward, gradient a part in a million too large."""

    def forward(self, x: Tensor, plan: object = None) -> Tensor:
        out = super().forward(x)
        return out + (out - out.detach()) * 1e-6


def test_a_gradient_alone_is_enough(flat: FlatProgram) -> None:
    report = check(Scaled(), flat, seed=1)
    wrong = {one.name for one in report.differences if one.ratio > 1}
    assert not report.agrees and "output" not in wrong and "gradient of input" in wrong


def test_other_keys_are_told_and_nothing_is_run(flat: FlatProgram) -> None:
    net = Net()
    net.extra = nn.Linear(1, 1)
    del net.f.conv
    report = check(net, flat, seed=1)
    assert not report.agrees and report.worst is None
    assert "extra.bias" in report.unknown and "f.conv.conv2d.weight" in report.unknown
    assert "f.conv.conv2d.weight" in str(report)


class Plain(nn.Module):
    """A module without drop-path takes no plan."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def one_node(attributes: Attributes) -> FlatProgram:
    nodes = (FlatNode(None, (), vector(8)), FlatNode(attributes, (0,), vector(8), "a"))
    return FlatProgram("One", nodes, (1,))


def test_dropout_replays_in_training() -> None:
    flat = one_node(Dropout(0.5))
    right = Plain(lambda x: nn.functional.dropout(x, 0.5))
    assert check(right, flat, seed=3, training=True).agrees
    assert not check(right, flat, seed=3).agrees
    wrong = Plain(lambda x: nn.functional.dropout(x, 0.4))
    assert not check(wrong, flat, seed=3, training=True).agrees


def test_not_a_number_and_other_shapes_disagree() -> None:
    flat = one_node(Relu())
    assert check(Plain(torch.relu), flat, seed=0).agrees
    assert not check(Plain(lambda x: x * torch.nan), flat, seed=0).agrees
    wide = replace(flat, nodes=(flat.nodes[0], replace(flat.nodes[1], attributes=Sum())))
    wide = replace(wide, nodes=(wide.nodes[0], replace(wide.nodes[1], inputs=(0, 0))))
    assert check(Plain(lambda x: x + x), wide, seed=0).agrees
    assert not check(Plain(lambda x: (x + x)[:, :, None]), wide, seed=0).agrees


def ties(attributes: Attributes, *inputs: Tensor) -> int:
    counter = TieCounter()
    counter(FlatNode(attributes, (), vector(1)), inputs, inputs[0])
    return counter.ties


def grid(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).view(1, 1, 2, -1)


def test_what_comes_near_a_corner_is_a_tie() -> None:
    near = 1e-12
    assert ties(Relu(), grid(1, near, -near, -3)) == 2
    assert ties(Relu(), grid(1, 1e-6, -1e-6, 0)) == 0
    assert ties(Relu(), grid(1e9, 0.5, 2, 3)) == 1
    assert ties(HardSigmoid(), grid(3 + near, 0, near, -3 + near)) == 2
    assert ties(Maximum(), grid(1, 2, 3, 4), grid(1 + near, 2, 5, -near)) == 1
    threes = grid(1, 1, 5, 5), grid(5, 3, 1, 6), grid(5 - near, 3 - near, 1 + near, 7)
    assert (ties(Maximum(), *threes), ties(Minimum(), *threes)) == (2, 1)
    assert ties(MaxPool(2), grid(1, 2, 1 + near, 2 + near)) == 1
    assert ties(MaxPool(2), grid(1, 2, 1 + near, 2)) == 0
    assert ties(MaxPool(1), grid(1, 2, 1 + near, 2)) == 0
    assert ties(GlobalMaxPool(), grid(1, 2, 2 - near, 0)) == 1
    assert ties(GlobalMaxPool(), grid(0, 0, 0, 0)) == 0


def test_windows_of_padded_and_rounded_up_pools() -> None:
    x = torch.arange(15, dtype=torch.float64).view(1, 1, 3, 5) * 1.0
    x[0, 0, 2, 4] = x[0, 0, 2, 3] + 1e-13
    for pool in (MaxPool(2, ceil=True), MaxPool(3, 2, 1)):
        assert ties(pool, x) == 0 if pool.ceil else ties(pool, x) == 1
    assert ties(MaxPool(2, 1), x) == 1
    negative = grid(-1, -1 - 1e-12, -5, -6)
    assert ties(MaxPool(2, 2, 1), negative) == 0
    assert ties(MaxPool(3, 3, 1), negative) == 1
    assert image(1, 3, 5).elements == x.numel()


def test_no_plan_is_the_full_plan(flat: FlatProgram) -> None:
    net = Net()
    assert str(check(net, flat, seed=2)) == str(check(net, flat, seed=2, plan=full_plan(flat)))
