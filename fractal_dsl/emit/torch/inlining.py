"""Operations that are written inside the join which they feed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fractal_dsl.emit.torch.expressions import Expressions
from fractal_dsl.emit.torch.tape import Body, Invoke, Item, Layer, Meet, Open, Unpack
from fractal_dsl.emit.torch.uses import Use, outputs_of

__all__ = ["inlined_operations", "is_direct"]


def inlined_operations(
    body: Body, uses: Mapping[int, Sequence[Use]], is_told: bool, calls: Expressions
) -> dict[int, int]:
    """Operations, by position, that stand inside the join they feed, at its position."""
    found = {at - 1: at for at, part in enumerate(body.operations) if isinstance(part, Unpack)}
    ends = [(at, part.items) for at, part in enumerate(body.operations)
            if isinstance(part, Meet)]  # fmt: skip
    if is_told:
        ends.append((len(body.operations), body.outputs))
    for end, items in ends:
        if not calls.nests or (calls.is_sampled and not is_direct(items)):
            continue
        wanted, at = len(items) - 1, end - 1
        while at >= 0 and wanted >= 0 and isinstance(
            part := body.operations[at], Layer | Invoke | Open
        ):  # fmt: skip
            values = outputs_of(part)
            if len(values) != 1 or len(uses[values[0]]) != 1:
                break
            wanted = next((n for n in range(wanted, -1, -1) if items[n].value == values[0]), -1)
            if wanted < 0:
                break
            found[at] = end
            wanted, at = wanted - 1, at - 1
    return found


def is_direct(items: Sequence[Item]) -> bool:
    """Whether a join takes one bundle just as it comes from its maker."""
    return len(items) == 1 and items[0].spread
