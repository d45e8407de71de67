"""Open and closed joins, provenance, columns as written."""

from __future__ import annotations

import pytest

from tests.semantics.support import compiled, flat, operators

RULE = "f(1) = conv\nf(C+1) = (f(C) . f(C)) (+) conv\n"


def arities(text: str) -> list[int]:
    program = flat(text)
    return [len(program.nodes[at].operands) for at in program.joins]


@pytest.mark.parametrize(
    ("net", "expected"),
    [
        ("(conv (+) conv) (+) conv", [3]),
        ("joined(conv (+) conv) (+) conv", [2, 2]),
        ("mean(conv, conv) (+) conv", [3]),
        ("(conv >> (conv (+) conv)) (+) conv", [3]),
        ("((conv (+) conv) >> conv) (+) conv", [2, 2]),
        ("(if true then conv (+) conv else conv) (+) conv", [3]),
        ("(conv (+) conv) @name (+) conv", [3]),
        ("chain(conv, conv (+) conv) (+) conv", [3]),
        ("f(2) (+) conv", [3]),
        ("f(2) ** 3 (+) conv", [2, 2, 3]),
        ("(f(2) + id) (+) conv", [2, 2]),
        ("0.5 * f(2)", [2]),
        ("f(3) >> each(relu) >> conv", [2, 3]),
        ("mean(conv2d(64, k) for k in [1, 3, 5])", [3]),
        ("mean([conv, conv])", [2]),
        ("mean(conv)", []),
    ],
)
def test_what_is_one_join(net: str, expected: list[int]) -> None:
    assert arities(RULE + f"net on image[64, 8, 8] = {net}") == expected


def test_each_works_on_every_operand_and_keeps_the_join_open() -> None:
    program = flat(RULE + "net = f(3) >> each(max_pool(2))")
    assert operators(program)[-4:] == ["max_pool", "max_pool", "max_pool", "mean/3"] or (
        operators(program).count("max_pool") == 3 and operators(program)[-1] == "mean/3"
    )


def test_provenance_of_the_last_join_of_f4() -> None:
    program = flat(RULE + "net = f(4)")
    paths = [o.path for o in program.nodes[program.joins[-1]].operands]
    assert [[(c.level, c.branch) for c in path] for path in paths] == [
        [(4, 0), (3, 0), (2, 0)],
        [(4, 0), (3, 0), (2, 1)],
        [(4, 0), (3, 1)],
        [(4, 1)],
    ]


def test_drop_sets_the_rate_of_what_is_written_inside() -> None:
    program = flat("net = drop(conv (+) conv, local = 0.3) (+) drop(conv, local = 0.2) (+) conv")
    assert [o.rate for o in program.nodes[program.joins[0]].operands] == [0.3, 0.3, 0.2, None]


def test_identity_is_the_unit_of_series() -> None:
    plain = compiled("a = conv\nnet = a >> conv")
    assert compiled("a = conv\nnet = id >> a >> id >> conv >> id").net.nodes == plain.net.nodes


def test_residual_sums_are_one_operator() -> None:
    found = operators(flat("net = conv >> (id + conv + conv)"))
    assert found.count("sum") == 1


def test_numbers_beside_networks_are_constants() -> None:
    assert operators(flat("net = 1 - 0.5 * relu")) == ["relu", "scalar", "scalar"]
