"""`verify` accepts what is well formed and names what is not, fault by fault."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from fractal_dsl.diagnostics import InternalError
from fractal_dsl.ir.graph import (
    Call,
    HeadParameter,
    Join,
    Origin,
    Program,
    Ref,
    Sampling,
    Segment,
)
from fractal_dsl.ir.operators import Attributes
from fractal_dsl.ir.operators.elementwise import Dropout, Sum
from fractal_dsl.ir.operators.layers import Conv2d
from fractal_dsl.ir.operators.pooling import MaxPool
from fractal_dsl.ir.shapes import Shape, image
from fractal_dsl.ir.verify import verify
from tests.handmade import block_only, fractalnet, with_sampling
from tests.ir import samples

SMALL = image(2, 2, 2)
Corrupt = Callable[[Program], Program]


def node(graph: int, at: int, **changes: Any) -> Corrupt:
    """Replace fields of one node."""

    def corrupt(program: Program) -> Program:
        nodes = list(program.graphs[graph].nodes)
        nodes[at] = replace(nodes[at], **changes)
        return whole(graph, nodes=tuple(nodes))(program)

    return corrupt


def whole(graph: int, **changes: Any) -> Corrupt:
    """Replace fields of one graph."""

    def corrupt(program: Program) -> Program:
        graphs = list(program.graphs)
        graphs[graph] = replace(graphs[graph], **changes)
        return replace(program, graphs=tuple(graphs))

    return corrupt


def net(**changes: Any) -> Corrupt:
    return lambda program: replace(program, **changes)


def operand(at: int, number: int, **changes: Any) -> Corrupt:
    """Replace fields of one operand of a join of the last graph."""

    def corrupt(program: Program) -> Program:
        join = program.net.nodes[at]
        assert isinstance(join, Join)
        operands = list(join.operands)
        operands[number] = replace(operands[number], **changes)
        return node(-1, at, operands=tuple(operands))(program)

    return corrupt


def output(graph: int, number: int, **changes: Any) -> Corrupt:
    def corrupt(program: Program) -> Program:
        outputs = list(program.graphs[graph].outputs)
        outputs[number] = replace(outputs[number], **changes)
        return whole(graph, outputs=tuple(outputs))(program)

    return corrupt


def late_input(program: Program) -> Program:
    nodes = program.net.nodes
    return whole(-1, nodes=(*nodes, nodes[0]))(program)


def drop_operand(program: Program) -> Program:
    join = program.net.nodes[2]
    assert isinstance(join, Join)
    return node(-1, 2, operands=join.operands[:-1])(program)


def spare_graph(program: Program) -> Program:
    spare = samples.closed("spare", samples.relu(0))
    graphs = (*program.graphs[:-1], spare, program.net)
    return replace(program, graphs=graphs, entry=len(graphs) - 1)


@dataclass(frozen=True)
class Unknown(Attributes):
    """An operator that the table does not have."""


REPEATS, JOIN, EACH = samples.repeats, samples.plain_join, samples.each

FAULTS: list[tuple[Callable[[], Program], Corrupt, str | None]] = [
    # references and order
    (JOIN, node(0, 1, inputs=(Ref(1),)), "node 1: reads node 1, which does not come before"),
    (JOIN, node(0, 1, inputs=(Ref(-1),)), "node 1: reads node -1"),
    (JOIN, node(0, 1, inputs=(Ref(0, 1),)), "node 1: reads port 1 of node 0, which has 1"),
    (JOIN, late_input, "an input stands after other nodes"),
    (JOIN, whole(0, outputs=()), "outputs: there are none"),
    (JOIN, output(0, 2, source=Ref(9)), "outputs: reads node 9"),
    (JOIN, node(1, 1, callee=1), "node 1: calls graph 1, which does not come before"),
    (JOIN, node(1, 1, callee=-1), "node 1: calls graph -1"),
    # shapes
    (JOIN, node(0, 0, shape=Shape("image", (2, 4))), "image[2, 4] is no shape"),
    (JOIN, node(0, 0, shape=Shape("picture", (2,))), "picture[2] is no shape"),
    (JOIN, node(0, 0, shape=image(2, 0, 4)), "image[2, 0, 4] is no shape"),
    (JOIN, node(0, 1, shape=SMALL), "`conv2d` gives image[2, 4, 4], not image[2, 2, 2]"),
    (JOIN, node(0, 1, attributes=Conv2d(3)), "`conv2d` gives image[3, 4, 4]"),
    (JOIN, node(0, 1, attributes=MaxPool(9)), "`max_pool` refuses its input: spatial size"),
    (JOIN, node(0, 1, attributes=Unknown()), "`unknown` is no operator"),
    (JOIN, node(0, 1, attributes=Sum()), "`sum` takes 1 inputs"),
    (JOIN, node(0, 1, inputs=(Ref(0), Ref(0))), "`conv2d` takes 2 inputs"),
    (JOIN, node(1, 1, inputs=()), "gives nothing to `pair`"),
    (JOIN, node(1, 0, shape=SMALL), "gives image[2, 2, 2] to `pair`, which takes image[2, 4, 4]"),
    (JOIN, node(1, 1, shapes=(samples.SHAPE,) * 4), "from `pair`, which gives"),
    (JOIN, node(1, 1, shapes=(samples.SHAPE, samples.SHAPE, SMALL)), "from `pair`, which gives"),
    (JOIN, node(1, 2, shape=SMALL), "a join of image[2, 2, 2] takes image[2, 4, 4]"),
    (JOIN, node(1, 2, operands=()), "a join of nothing"),
    (JOIN, node(1, 1, count=2), "repeats `pair`, which is open or"),
    (REPEATS, node(3, 1, count=0), "is repeated 0 times"),
    # joins
    (JOIN, output(0, 1, branch=3), "branches [0, 3, 2] do not count 0 to 2"),
    (JOIN, output(0, 2, branch=1), "branches [0, 1, 1] do not count 0 to 2"),
    (JOIN, output(0, 2, branch=None), "some operands have a branch and some have none"),
    (JOIN, whole(0, branches=2), "branches [0, 1, 2] do not count 0 to 1"),
    (JOIN, node(1, 2, branches=2), "branches [] do not count 0 to 1"),
    (JOIN, operand(2, 1, origin=None), "operand 1 hides that it comes from open call 1"),
    (JOIN, operand(2, 1, origin=Origin(1, 2)), "operand 1 comes from (1, 1), not from (1, 2)"),
    (JOIN, operand(2, 1, origin=Origin(0, 0)), "operand 1 comes from node 0, which is no open"),
    (JOIN, operand(2, 1, origin=Origin(77, 0)), "operand 1 comes from node 77"),
    (JOIN, operand(4, 1, origin=Origin(3, 5)), "operand 1 comes from port 5 of node 3"),
    (EACH, operand(5, 1, origin=Origin(1, 0)), "operand 1 does not depend on (1, 0)"),
    (EACH, operand(5, 1, origin=None), "operand 1 has neither a branch, nor an origin, nor"),
    (JOIN, output(1, 0, branch=0), "a closed graph returns operands of a join"),
    (JOIN, output(1, 0, rate=0.5), "a closed graph returns operands of a join"),
    (JOIN, whole(1, branches=1), "a closed graph returns operands of a join"),
    # rates
    (JOIN, operand(2, 0, rate=1.0), "node 2: a drop rate of 1.0"),
    (JOIN, output(0, 0, rate=-0.1), "outputs: a drop rate of -0.1"),
    (JOIN, node(0, 1, attributes=Dropout(1.0)), "`dropout` refuses its input: a dropout rate"),
    (JOIN, net(sampling=Sampling(1.0)), "sampling: a local rate of 1.0"),
    (JOIN, net(sampling=Sampling(0.1, 1.5)), "sampling: a share of global mini-batches of 1.5"),
    (JOIN, net(sampling=Sampling(columns=(0, 1))), "sampling: columns (0, 1)"),
    (JOIN, net(sampling=Sampling(columns=())), "sampling: columns ()"),
    # what nothing uses
    (JOIN, drop_operand, "node 1: nothing uses its port 2"),
    (JOIN, node(1, 3, inputs=(Ref(0),)), "node 1: nothing uses it"),
    (JOIN, spare_graph, "graph 1 `spare`: nothing calls it"),
    # state-dict keys
    (JOIN, node(0, 2, segment=Segment("a")), "segments `a` and `a` collide"),
    (JOIN, node(0, 2, segment=Segment("a", (0,))), "segments `a` and `a.0` collide"),
    (JOIN, node(0, 2, tag="a"), "segments `a` and `a` collide"),
    (JOIN, node(0, 2, segment=Segment("a.b")), "segment `a.b` is no name"),
    (JOIN, node(0, 2, tag=""), None),
    (REPEATS, node(3, 3, tag="unit"), "segments `unit` and `unit.1..2` collide"),
    (REPEATS, node(3, 3, tag=None, segment=Segment("unit", (2,))), "`unit.1..2` and `unit.2`"),
    (REPEATS, node(3, 3, tag="b"), "segments `b` and `b.3.7.0..1.5` collide"),
    (REPEATS, node(3, 2, first=3, inline=False), None),
    # the entry
    (JOIN, net(entry=0), "the entry is graph 0 of 2, not the last"),
    (JOIN, net(head_parameters=(HeadParameter("n", 1, (1,), "features"),)), "argument `n` is no"),
    (JOIN, net(head_parameters=(HeadParameter("n", 1, (99,), "features"),)), "argument `n` is no"),
]  # fmt: skip


@pytest.mark.parametrize("at", range(len(FAULTS)))
def test_each_fault_is_named(at: int) -> None:
    make, corrupt, message = FAULTS[at]
    verify(make())
    wrong = corrupt(make())
    assert wrong != make()
    if message is None:
        verify(wrong)
    else:
        with pytest.raises(InternalError, match=re.escape(message)):
            verify(wrong)


def test_an_open_net_is_refused() -> None:
    program = samples.plain_join()
    with pytest.raises(InternalError, match="the net leaves a join open"):
        verify(samples.program(program.graphs[0]))


def test_the_message_says_where() -> None:
    wrong = node(0, 1, shape=SMALL)(samples.plain_join())
    with pytest.raises(InternalError) as caught:
        verify(wrong)
    assert str(caught.value) == (
        "program `Sample`: graph 0 `pair`, node 1: "
        "`conv2d` gives image[2, 4, 4], not image[2, 2, 2]"
    )


@pytest.mark.parametrize("make", samples.ALL, ids=lambda make: make.__name__)
def test_samples_are_well_formed(make: Callable[[], Program]) -> None:
    verify(make())


@pytest.mark.parametrize("columns", range(1, 9))
def test_fractalnets_are_well_formed(columns: int) -> None:
    verify(with_sampling(fractalnet(columns)))
    verify(block_only(columns))


def test_an_operand_outside_drop_path_needs_a_rate_only() -> None:
    program = samples.each()
    verify(operand(5, 1, origin=None, rate=0.0)(program))


def test_head_parameters_name_an_attribute() -> None:
    program = fractalnet(2, (4,), classes=7, size=2)
    at = len(program.net.nodes) - 1
    verify(replace(program, head_parameters=(HeadParameter("classes", 7, (at,), "features"),)))
    with pytest.raises(InternalError, match="argument `classes`"):
        verify(replace(program, head_parameters=(HeadParameter("classes", 8, (at,), "features"),)))


def test_repeats_side_by_side_may_share_a_name() -> None:
    unit = samples.closed("unit", samples.layer(0, "a"))
    turns = (samples.call(0, 0, "u", count=10**9), samples.call(0, 1, "u", count=2, first=10**9))
    verify(samples.program(unit, samples.closed("net", *turns)))
    overlap = (turns[0], replace(turns[1], first=10**9 - 1))
    with pytest.raises(
        InternalError, match=r"`u\.0\.\.999999999` and `u\.999999999\.\.1000000000`"
    ):
        verify(samples.program(unit, samples.closed("net", *overlap)))


def test_a_repeat_keeps_the_shape() -> None:
    wider = image(3, 4, 4)
    unit = samples.closed("unit", replace(samples.layer(0, "a"), attributes=Conv2d(3), shape=wider))
    repeat = Call(0, (Ref(0),), (wider,), Segment("u"), 2)
    with pytest.raises(InternalError, match="repeats `unit`, which is open or does not give"):
        verify(samples.program(unit, samples.closed("net", repeat)))


def test_large_programs_take_no_time() -> None:
    chain = samples.closed("net", *(samples.layer(at, "a", at) for at in range(3000)))
    start = time.process_time()
    verify(samples.program(chain))
    verify(block_only(60))
    assert time.process_time() - start < 2
