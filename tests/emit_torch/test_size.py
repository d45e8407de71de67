"""Generated code grows with the rules, not with the network: a few lines for each level."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.emit_torch.nets import BLOCK, NET, compiled


@pytest.mark.parametrize("columns", range(4, 17))
def test_a_block_takes_ten_lines_a_level_at_most(columns: int) -> None:
    """f(16) has 65,535 convolutions; what does not depend on C fits in 215 lines."""
    lines = compiled(BLOCK, C=columns).source.count("\n")
    assert lines <= 10 * columns + 215


def test_levels_are_as_long_as_each_other() -> None:
    """Each level more costs the same, so nothing in the file grows faster than the levels."""
    lines = [compiled(BLOCK, C=columns).source.count("\n") for columns in range(4, 17)]
    steps = {after - before for before, after in pairwise(lines)}
    assert len(steps) == 1


def test_repeating_a_block_adds_no_class() -> None:
    """A class is for a rule level, not for an instance of it."""
    wider = NET.replace("[4, 6]", "[4, 6, 8, 10, 6]").replace("8, 8]", "32, 32]")
    assert compiled(wider).source.count("\nclass ") == compiled(NET).source.count("\nclass ")
