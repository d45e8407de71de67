"""What goes on the page: repeats drawn once, a panel for each distinct part; or everything."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from fractal_dsl.emit.diagram.census import ENDLESS, Census
from fractal_dsl.emit.diagram.labels import call_text, clean, times
from fractal_dsl.emit.diagram.options import DrawOptions
from fractal_dsl.emit.diagram.runs import shortened
from fractal_dsl.emit.diagram.sheet import Item, Kind, Link, Sheet
from fractal_dsl.emit.diagram.spread import Scheme, spread
from fractal_dsl.ir.graph import Call, Program

__all__ = ["Leaf", "collapsed", "expanded", "parts_expanded", "summary"]

WORTH, LADDER, MOST_PANELS, MOST_EQUATIONS, MOST_NAMES, LONGEST = 8, 48, 16, 3, 6, 64
MOST_COMPARED = 64


@dataclass(frozen=True, slots=True)
class Leaf:
    """One panel to be: its title, the lines beneath it and what it shows."""

    title: str
    lines: tuple[str, ...]
    sheet: Sheet


def parts_expanded(program: Program) -> int:
    """How many parts the expanded drawing has, as far as 10^9."""
    census = Census(program)
    return census.extents(census.closed, unrolled=True)[program.entry]


def expanded(program: Program, options: DrawOptions) -> Leaf:
    """Every instance of `program` in one panel; what `options.plan` leaves dead is marked."""
    census = Census(program)
    scheme = Scheme(
        census.leaves, census.closed, census.groups, ends=("input", "output"), unrolled=True
    )
    sheet = spread(program, program.entry, scheme, options.plan)
    title = clean(program.name)
    if options.highlight:
        title = f"{title}: {clean(options.highlight.replace('=', ' '))}"
    return Leaf(title, (), sheet)


def collapsed(program: Program, options: DrawOptions) -> tuple[list[Leaf], tuple[str, ...]]:
    """A panel for the net and one for each distinct part that it calls; notes on what is left out.

    Recursive parts stand in place of their calls, while that fits.
    """
    drawer = _Drawer(program, options)
    alike = drawer.alike()
    panels = [drawer.panel(members) for members in alike[:MOST_PANELS]]
    left = len(alike) - len(panels)
    what = "1 further part of the net is" if left == 1 else f"{left} further parts of the net are"
    notes = (f"{what} not drawn",) if left else ()
    return panels, drawer.unfolded() + notes + tuple(drawer.notes)


class _Drawer:
    def __init__(self, program: Program, options: DrawOptions) -> None:
        self.program = program
        self.census = Census(program)
        self.extents = self.census.extents(self.census.unfolding, unrolled=False)
        self.options = options
        self.notes: list[str] = []

    def opened(self, at: int) -> frozenset[int]:
        """What is drawn in place in the panel of graph `at`: all that unfolds, or nothing."""
        known = self.aliases(at)
        inner = known[-1] if known else at
        is_rung = self.program.graphs[inner].recursion is not None
        limit = min(LADDER, self.options.layered) if is_rung else self.options.layered
        if self.extents[inner] > limit:
            return self.census.empty.union(known)
        return self.census.unfolding.difference(self.repeats(inner)).union(known)

    def repeats(self, at: int) -> set[int]:
        """Callees that unfold to much of the same more than once: those get a panel."""
        graph = self.program.graphs[at]
        group = graph.recursion.group if graph.recursion else None
        calls: dict[int, list[int]] = {}
        for node in graph.nodes:
            if isinstance(node, Call) and self.extents[node.callee] >= WORTH:
                recursion = self.program.graphs[node.callee].recursion
                if recursion is None or recursion.group != group:
                    ats = calls.setdefault(self.census.families[node.callee], [])
                    ats += [node.callee] * min(node.count, 2)
        return {callee for ats in calls.values() if len(ats) > 1 for callee in ats}

    def aliases(self, at: int) -> list[int]:
        """Graphs that `at` is but another name for, one calling the next."""
        found: list[int] = []
        inner = self.census.alias(at)
        while inner is not None and len(found) < MOST_NAMES:
            found.append(inner)
            inner = self.census.alias(inner)
        return found

    def unfolded(self) -> tuple[str, ...]:
        """What to say where a recursion is too large to stand in place of its call."""
        extent, limit = self.extents[self.program.entry], self.options.layered
        if extent <= limit or self.census.unfolding == self.census.empty:
            return ()
        count = f"{extent:,}" if extent < ENDLESS else "over 10^9"
        text = f"unfolded, the net has {count} parts, above the limit of {limit:,}"
        return (f"{text}: the picture shows its recursion level by level",)

    def alike(self) -> list[list[int]]:
        """Graphs that need a panel, those with the same drawing together, as first met."""
        found: dict[Hashable, list[int]] = {}
        waiting, seen = [self.program.entry], {self.program.entry}
        for at in waiting:
            opened = self.opened(at)
            pattern = (at == self.program.entry, self.census.pattern(at, opened))
            found.setdefault(pattern, []).append(at)
            for callee in self.apart(at, opened):
                if callee not in seen:
                    seen.add(callee)
                    waiting.append(callee)
        return list(found.values())

    def apart(self, at: int, opened: frozenset[int]) -> Iterable[int]:
        """Callees that the panel of `at` refers to, in order."""
        for inner in self.inside(at, opened):
            for node in self.program.graphs[inner].nodes:
                if isinstance(node, Call) and node.callee not in opened | self.census.leaves:
                    yield node.callee

    def inside(self, at: int, opened: frozenset[int]) -> list[int]:
        """Graph `at` and all that is drawn in place in its panel."""
        found = [at]
        seen = {at}
        for inner in found:
            for node in self.program.graphs[inner].nodes:
                if isinstance(node, Call) and node.callee in opened - seen:
                    seen.add(node.callee)
                    found.append(node.callee)
        return found

    def panel(self, members: Sequence[int]) -> Leaf:
        first = members[0]
        opened = self.opened(first)
        is_net = first == self.program.entry
        scheme = Scheme(
            self.census.leaves,
            opened,
            families=self.census.families,
            ends=("input", "output") if is_net else ("in", "out"),
        )
        sheet = spread(self.program, first, scheme)
        if len({self.program.graphs[at].recursion for at in members}) == 1:
            others = [
                spread(self.program, at, replace(scheme, opened=self.opened(at)))
                for at in members[1:MOST_COMPARED]
            ]
            sheet = told_alike(sheet, others)
        sheet = self.limited(shortened(sheet))
        if not self.equal_shapes(members):
            sheet = replace(sheet, links=tuple(replace(link, shape="") for link in sheet.links))
        lines = (*self.names(members), *self.equations(first, opened))
        return Leaf(self.title(members), lines, sheet)

    def limited(self, sheet: Sheet) -> Sheet:
        """A graph too large to draw even with its repeats drawn once becomes one box."""
        if len(sheet.items) <= self.options.nodes:
            return sheet
        self.notes.append(
            f"a part with {len(sheet.items):,} nodes, above the limit of "
            f"{self.options.nodes:,}, is drawn as one box"
        )
        return summary(sheet)

    def equal_shapes(self, members: Sequence[int]) -> bool:
        graphs = [self.program.graphs[at] for at in members]
        return len({(graph.inputs, graph.output_shapes[0]) for graph in graphs}) == 1

    def title(self, members: Sequence[int]) -> str:
        first = self.program.graphs[members[0]]
        if members[0] == self.program.entry:
            return clean(self.program.name)
        levels = {self.program.graphs[at].recursion for at in members}
        many = sum(self.census.instances[at] for at in members)
        labels = {self.program.graphs[at].label for at in members}
        name = call_text(first.label if len(labels) == 1 or len(levels) > 1 else first.rule)
        return f"{name} {times(many)}" if many > 1 and len(levels) == 1 else name

    def names(self, members: Sequence[int]) -> Iterable[str]:
        """Which graphs a panel stands for."""
        counts: dict[str, int] = {}
        for at in members:
            label = call_text(self.program.graphs[at].label, 24)
            counts[label] = counts.get(label, 0) + self.census.instances[at]
        levels = {self.program.graphs[at].recursion for at in members}
        if len(levels) > 1:
            labels = list(counts)
            yield f"the same for {_listed(labels[1:])}"
        elif len(counts) > 1:
            shown = [f"{name} {times(many)}" if many > 1 else name for name, many in counts.items()]
            yield _listed(shown)
        elif len(members) > 1:
            yield f"in {len(members)} sizes"

    def equations(self, first: int, opened: frozenset[int]) -> list[str]:
        """The equations that a panel draws: its own, then each rule's highest and lowest level."""
        own, *others = self.inside(first, opened)
        rules: dict[str, list[int]] = {}
        for at in others:
            rules.setdefault(self.program.graphs[at].rule, []).append(at)
        chosen = [own]
        for ats in rules.values():
            ats.sort(key=self.level)
            chosen += [ats[-1], ats[0]]
        texts = [self.program.graphs[at].equation for at in chosen]
        shown = [clean(text, LONGEST + 1) for text in texts if text.strip()]
        short = [text for text in shown if len(text) <= LONGEST]
        return list(dict.fromkeys(short))[:MOST_EQUATIONS]

    def level(self, at: int) -> int:
        recursion = self.program.graphs[at].recursion
        return recursion.level if recursion else 0


def told_alike(sheet: Sheet, others: Sequence[Sheet]) -> Sheet:
    """`sheet` in the place of `others` of the same form: what they say otherwise is left out."""
    if any(len(other.items) != len(sheet.items) for other in others):
        return sheet
    rows = zip(sheet.items, *(other.items for other in others), strict=True)
    items = (replace(row[0], text=_common([item.text for item in row])) for row in rows)
    return replace(sheet, items=tuple(items))


def _common(texts: Sequence[str]) -> str:
    """`dropout(…)` for `dropout(0)` and `dropout(0.1)`; the first where even names differ."""
    heads = {text.partition("(")[0] for text in texts}
    return texts[0] if len(set(texts)) == 1 or len(heads) > 1 else f"{heads.pop()}(…)"


def summary(sheet: Sheet) -> Sheet:
    """`sheet` as one box between what comes in and what goes out."""
    into = {link.source: link.shape for link in sheet.links}
    out = {link.target: link.shape for link in sheet.links}
    start, first = _together(sheet, Kind.INPUT, into)
    end, last = _together(sheet, Kind.OUTPUT, out)
    inner = sum(item.kind not in (Kind.INPUT, Kind.OUTPUT) for item in sheet.items)
    items = (start, Item(Kind.OTHER, f"{inner:,} parts"), end)
    return Sheet(items, (Link(0, 1, first), Link(1, 2, last)))


def _together(sheet: Sheet, kind: Kind, shapes: Mapping[int, str]) -> tuple[Item, str]:
    """The only item of a kind and its shape, or one that stands for several."""
    ats = [at for at, item in enumerate(sheet.items) if item.kind is kind]
    if len(ats) == 1:
        return sheet.items[ats[0]], shapes.get(ats[0], "")
    return Item(kind, f"{len(ats)} {kind.value}s"), ""


def _listed(names: Sequence[str]) -> str:
    if len(names) <= MOST_NAMES:
        return ", ".join(names)
    return ", ".join([*names[: MOST_NAMES - 2], "…", names[-1]])
