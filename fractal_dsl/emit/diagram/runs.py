"""The same thing many times in a row is drawn once, as `block(64) × 3`."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from fractal_dsl.emit.diagram.labels import times
from fractal_dsl.emit.diagram.sheet import Item, Kind, Sheet

__all__ = ["shortened"]

LONG = 8


def shortened(sheet: Sheet) -> Sheet:
    """`sheet` with runs made one item each.

    Two or more calls of one graph make a run; so do three or more equal operators, except
    beside a join, where each has its place in time; so do more than eight calls that differ
    only in sizes.
    """
    beside = any(item.kind.is_bar for item in sheet.items)
    runs: list[list[int]] = []
    for row in _rows(sheet):
        runs.extend(_runs(sheet.items, row, beside=beside))
    return _merged(sheet, [run for run in runs if len(run) > 1])


def _rows(sheet: Sheet) -> Iterable[list[int]]:
    """Items in a row: each feeds the next alone, and the next takes nothing else."""
    leaving, entering = sheet.leaving(), sheet.entering()
    following: dict[int, int] = {}
    for item, links in enumerate(leaving):
        if len(links) == 1:
            target = sheet.links[links[0]].target
            if len(entering[target]) == 1:
                following[item] = target
    inner = set(following.values())
    for start in range(len(sheet.items)):
        if start not in inner:
            row = [start]
            while row[-1] in following:
                row.append(following[row[-1]])
            yield row


def _runs(items: Sequence[Item], row: list[int], *, beside: bool) -> Iterable[list[int]]:
    for family, members in groupby(row, key=lambda at: _family(items[at])):
        run = list(members)
        if family is None:
            continue
        if len(run) > LONG and not (beside and items[run[0]].kind is not Kind.CALL):
            yield run
            continue
        for _, equals in groupby(run, key=lambda at: items[at].key):
            same = list(equals)
            is_call = items[same[0]].kind is Kind.CALL
            if len(same) >= (2 if is_call else 3) and (is_call or not beside):
                yield same


def _family(item: Item) -> Hashable:
    """What calls that differ only in sizes have in common."""
    return None if item.key is None else (item.group, item.key[:2])


def _merged(sheet: Sheet, runs: Sequence[Sequence[int]]) -> Sheet:
    inside = {item: run[0] for run in runs for item in run}
    lasts = {run[-1] for run in runs}
    texts = {run[0]: _text([sheet.items[at].text for at in run]) for run in runs}
    kept = [at for at in range(len(sheet.items)) if inside.get(at, at) == at]
    position = {at: number for number, at in enumerate(kept)}
    items = tuple(replace(sheet.items[at], text=texts.get(at, sheet.items[at].text)) for at in kept)
    links = tuple(
        replace(
            link,
            source=position[inside.get(link.source, link.source)],
            target=position[link.target],
        )
        for link in sheet.links
        if link.source not in inside or link.source in lasts
    )
    return Sheet(items, links, sheet.groups)


def _text(texts: Sequence[str]) -> str:
    first, last = texts[0], texts[-1]
    name = first if first == last else f"{first} … {last}"
    return f"{name} {times(len(texts))}"
