"""Modules that a class holds: their attributes, and the lists they stand in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from fractal_dsl.emit.torch.context import Context
from fractal_dsl.emit.torch.instances import holds_tensors, kept_members, walk
from fractal_dsl.emit.torch.lines import Line
from fractal_dsl.emit.torch.sizes import Key
from fractal_dsl.emit.torch.tape import (
    Each,
    Hold,
    Index,
    Invoke,
    Layer,
    Loop,
    Meet,
    Open,
    Part,
    Path,
    Turn,
)
from fractal_dsl.emit.torch.text import Code, Safe, commas, fill, ident, literal

__all__ = ["Modules"]


class Site(NamedTuple):
    """One place for modules: its indices, and the expressions of what is made there.

    There are several expressions where a turn of a loop over a list makes each its own.
    """

    indices: tuple[Index, ...]
    made: tuple[Code, ...]
    is_plain: bool


@dataclass(slots=True)
class Modules:
    """The modules of one class by attribute, in the order they are registered in.

    `single` attributes hold one module although the spec writes several: layers without
    weights that are all the same.
    """

    context: Context
    sites: dict[str, list[Site]] = field(default_factory=dict)
    single: set[str] = field(default_factory=set)
    counts: dict[int, Safe] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for at, part in enumerate(walk(self.context.body)):
            if isinstance(part, Loop):
                key = Key(at, 0, "repeats")
                known = key in self.context.values
                number = self.context.number(key) if known else literal(part.turns.count)
                self.counts[part.turns.loop] = number
        for part in walk(self.context.body):
            self.add(part)
        for name, sites in self.sites.items():
            made = {text for site in sites for text in site.made}
            if all(site.is_plain for site in sites) and len(made) == 1:
                self.single.add(name)

    def add(self, part: Part) -> None:
        match part:
            case Invoke() | Open() if part.shared:
                pass
            case Hold() | Layer() | Invoke() | Open():
                self.put(part.path, part, len(part.members), is_plain(part))
            case Meet() if self.context.is_sampled:
                self.put(part.path, part, len(part.members), False)
            case Each():
                for row, stage in enumerate(part.stages):
                    self.add_stage(part, row, stage)
            case _:
                pass

    def put(self, path: Path, part: Part, members: int, plain: bool) -> None:
        made = tuple(self.context.made(part, number) for number in range(members))
        self.sites.setdefault(path.name, []).append(Site(path.indices, made, plain))

    def add_stage(self, part: Each, row: int, stage: Layer | Invoke) -> None:
        sites = self.sites.setdefault(stage.path.name, [])
        *before, base = stage.path.indices
        assert isinstance(base, int)
        for number in range(len(kept_members(stage))):
            made = self.context.made(part, number, row)
            indices = (*before, base + number)
            sites.append(Site(indices, (made,), is_plain(stage)))

    # Reading them ----------------------------------------------------------------

    def length(self, name: str, indices: Sequence[Index]) -> int:
        """How many modules the list at `indices` of an attribute holds."""
        depth = len(indices)
        ends = [
            index.first + index.count if isinstance(index, Turn) else index + 1
            for site in self.sites[name]
            if len(site.indices) > depth and same_place(site.indices[:depth], indices)
            for index in [site.indices[depth]]
        ]
        return max(ends)

    # Making them -----------------------------------------------------------------

    def lines(self) -> list[Line]:
        """The statements of `__init__` that make them."""
        return [
            Line(fill("self.{} = {}", ident(name), self.expression(name, sites)))
            for name, sites in self.sites.items()
        ]

    def expression(self, name: str, sites: Sequence[Site]) -> Code:
        if name in self.single:
            return sites[0].made[0]
        return self.level(sites, 0)

    def level(self, sites: Sequence[Site], depth: int) -> Code:
        """What stands at one level of nested lists."""
        if len(sites[0].indices) == depth:
            return sites[0].made[0]
        groups: dict[tuple[int, int], list[Site]] = {}
        for site in sites:
            for start, count, one in opened(site, depth):
                groups.setdefault((start, count), []).append(one)
        entries: list[Safe] = []
        spread: list[Safe] = []
        end = 0
        for (start, count), inside in sorted(groups.items()):
            gap = fill("nn.Identity()")
            entries += [gap] * (start - end)
            made = self.level(inside, depth + 1)
            index = inside[0].indices[depth]
            if isinstance(index, Turn):
                number = self.counts[index.loop]
                spread.append(fill("{} for _ in range({})", made, number))
                entries.append(fill("*({})", spread[-1]))
            else:
                entries.append(made)
            end = start + count
        if len(entries) == 1 and spread:
            return fill("nn.ModuleList([{}])", spread[0])
        if len(entries) > 2 and len(set(entries)) == 1:
            count_of = literal(len(entries))
            return fill("nn.ModuleList([{} for _ in range({})])", entries[0], count_of)
        return fill("nn.ModuleList([{}])", commas(entries))


def is_plain(part: Part) -> bool:
    """A layer without weights or buffers."""
    return isinstance(part, Layer) and not holds_tensors(part.members[0])


def opened(site: Site, depth: int) -> list[tuple[int, int, Site]]:
    """A site by the indices it covers: a turn with modules of its own each is opened."""
    index = site.indices[depth]
    if isinstance(index, int):
        return [(index, 1, site)]
    if not index.listed:
        return [(index.first, index.count, site)]
    before, after = site.indices[:depth], site.indices[depth + 1 :]
    return [
        (index.first + turn, 1, Site((*before, index.first + turn, *after), (made,), site.is_plain))
        for turn, made in enumerate(site.made)
    ]


def same_place(one: Sequence[Index], other: Sequence[Index]) -> bool:
    return all(
        (a.loop if isinstance(a, Turn) else a) == (b.loop if isinstance(b, Turn) else b)
        for a, b in zip(one, other, strict=True)
    )
