"""Series and parallel reduction: what is made of columns, and what is not."""

from __future__ import annotations

from fractal_dsl.emit.diagram.series import Box, Branch, Fork, Measure, Piece, Wire, reduce
from fractal_dsl.emit.diagram.sheet import Item, Kind, Link, Sheet


def reduced(count: int, *ends: tuple[int, int]) -> Branch | None:
    sheet = Sheet((Item(Kind.CONV),) * count, tuple(Link(*pair) for pair in ends))
    measure = Measure(1.0, 1.0, 1)
    return reduce(
        sheet, range(count), range(len(ends)), lambda _: measure, lambda _: Measure(1.0, 0.0)
    )


def shown(pieces: tuple[Piece, ...]) -> list[object]:
    """Items as numbers, forks as sets of branches; of no great depth here."""
    found: list[object] = []
    for piece in pieces:
        if isinstance(piece, Box):
            found.append(piece.item)
        elif isinstance(piece, Fork):
            found.append([shown(branch.pieces) for branch in piece.branches])
    return found


def test_a_row_is_a_series() -> None:
    branch = reduced(3, (0, 1), (1, 2))
    assert branch is not None
    assert shown(branch.pieces) == [0, 1, 2]
    assert [type(piece) for piece in branch.pieces] == [Box, Wire, Box, Wire, Box]


def test_the_shallowest_branch_comes_first() -> None:
    branch = reduced(5, (0, 1), (1, 2), (2, 4), (0, 3), (3, 4), (0, 4))
    assert branch is not None
    assert shown(branch.pieces) == [0, [[], [3], [1, 2]], 4]


def test_branches_of_one_depth_keep_the_order_of_operands() -> None:
    branch = reduced(5, (0, 1), (0, 2), (0, 3), (3, 4), (1, 4), (2, 4))
    assert branch is not None
    assert shown(branch.pieces) == [0, [[3], [1], [2]], 4]


def test_joins_nest() -> None:
    branch = reduced(7, (0, 1), (1, 3), (0, 2), (2, 3), (3, 4), (4, 6), (0, 5), (5, 6))
    assert branch is not None
    assert shown(branch.pieces) == [0, [[5], [[[1], [2]], 3, 4]], 6]
    assert branch.measure.width == 3.0
    assert branch.measure.depth == 3


def test_two_equal_inputs_are_two_lines() -> None:
    branch = reduced(2, (0, 1), (0, 1))
    assert branch is not None
    assert shown(branch.pieces) == [0, [[], []], 1]


def test_a_bridge_is_no_columns() -> None:
    assert reduced(4, (0, 1), (0, 2), (1, 2), (1, 3), (2, 3)) is None


def test_two_ends_are_no_columns() -> None:
    assert reduced(3, (0, 1), (0, 2)) is None


def test_long_rows_and_deep_nests_need_no_recursion() -> None:
    count = 3_000
    row = reduced(count, *((at, at + 1) for at in range(count - 1)))
    assert row is not None
    assert row.measure.height == count
    nest = [(at, at + 1) for at in range(count - 1)] + [(0, at) for at in range(2, count)]
    branch = reduced(count, *nest)
    assert branch is not None
    assert branch.measure.width == count - 1
