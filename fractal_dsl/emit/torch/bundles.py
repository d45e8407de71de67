"""Operands of an open call that all go one way stay together, as the list they come in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from fractal_dsl.emit.torch.tape import (
    Body,
    Each,
    Invoke,
    Item,
    Layer,
    Meet,
    Open,
    Part,
    Path,
    Unpack,
)
from fractal_dsl.emit.torch.uses import Use, inputs_of, outputs_of, uses_of

__all__ = ["fold_bundles", "next_path"]

Signature = Callable[[Part], tuple[object, ...]]


def fold_bundles(body: Body, fresh: Iterator[int], signature: Signature) -> None:
    """Fold what happens to the operands of each open call of `body`.

    If they all come to one join, in order, by the same layers or by none, they become one
    item of that join; if not, they are unpacked into values of their own.
    """
    for part in list(body.operations):
        if not isinstance(part, Open) or uses_of(body)[part.result]:
            continue  # in the body of a loop, what is folded came in so
        if not _fold(body, part, fresh, signature):
            at = next(at for at, other in enumerate(body.operations) if other is part)
            body.operations.insert(at + 1, Unpack(part.result, part.ports))


def _fold(body: Body, part: Open, fresh: Iterator[int], signature: Signature) -> bool:
    uses = uses_of(body)
    ways = [_way(port, uses) for port in part.ports]
    ends = [end for _, end in ways if end is not None]
    stages = [stage for stage, _ in ways]
    if len(ends) < len(ways) or not _in_order(ends):
        return False
    if not any(stages):
        _gather(body, ends, part.result)
        return True
    if not _alike(stages, signature) or not _contiguous(body, stages):
        return False
    result = next(fresh)
    made = tuple(_merged(column) for column in zip(*stages, strict=True))
    first = next(at for at, other in enumerate(body.operations) if other is stages[0][0])
    total = sum(map(len, stages))
    body.operations[first : first + total] = [Each(made, part.result, result)]
    _gather(body, ends, result)
    return True


def _way(value: int, uses: dict[int, list[Use]]) -> tuple[list[Layer | Invoke], Use | None]:
    """The layers and calls that one operand goes through alone, and the join it comes to."""
    chain: list[Layer | Invoke] = []
    while len(uses[value]) == 1:
        (use,) = uses[value]
        part = use.part
        if part is None or isinstance(part, Meet):
            return chain, use
        if not isinstance(part, Layer | Invoke) or len(inputs_of(part)) != 1:
            break
        if len(outputs_of(part)) != 1:
            break
        chain.append(part)
        value = part.result
    return chain, None


def _in_order(ends: Sequence[Use]) -> bool:
    first = ends[0]
    return all(
        end.part is first.part and end.position == first.position + at
        for at, end in enumerate(ends)
    )


def _alike(stages: Sequence[Sequence[Layer | Invoke]], signature: Signature) -> bool:
    first = stages[0]
    return all(
        len(stage) == len(first)
        and all(
            signature(one) == signature(other) and one.path == next_path(other.path, at)
            for one, other in zip(stage, first, strict=True)
        )
        for at, stage in enumerate(stages)
    )


def _contiguous(body: Body, stages: Sequence[Sequence[Part]]) -> bool:
    """Whether operand after operand is dealt with, and nothing between."""
    wanted = [part for stage in stages for part in stage]
    first = next(at for at, part in enumerate(body.operations) if part is wanted[0])
    found = body.operations[first : first + len(wanted)]
    return all(one is other for one, other in zip(found, wanted, strict=True))


def _gather(body: Body, ends: Sequence[Use], bundle: int) -> None:
    """Put one spread item in the place of the operands of a bundle."""
    first, after = ends[0].position, ends[0].position + len(ends)
    spread = (Item(bundle, True),)
    part = ends[0].part
    if part is None:
        body.outputs = body.outputs[:first] + spread + body.outputs[after:]
    else:
        assert isinstance(part, Meet)
        part.items = part.items[:first] + spread + part.items[after:]


def _merged(column: Sequence[Layer | Invoke]) -> Layer | Invoke:
    """One stage of an `each`: the same layer for every operand."""
    return replace(column[0], members=tuple(part.members[0] for part in column))


def next_path(path: Path, turn: int) -> Path | None:
    """The path of the module `turn` places further in the same list."""
    last = path.indices[-1] if path.indices else None
    if not isinstance(last, int):
        return None
    return Path(path.name, (*path.indices[:-1], last + turn))
