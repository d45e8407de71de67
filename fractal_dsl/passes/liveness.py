"""When a node is live under local sampling: events over the joins behind it.

A node is needed by its consumers, each of them either needed for sure whenever the node's
graph is, or only through inputs of joins. Its event is a set of atoms, of which one must hold:

    (J, T)        join J of the same graph is live and keeps an input of the set T,
    (OUTSIDE, T)  the join behind the graph keeps one of its outputs T.

Atoms of one join melt together; a node that feeds all inputs of J is live exactly if J is; and
an atom that implies another is dropped. In whatever series, joins, sums and concatenations
make, this leaves one atom for each node, and P(live) is a product. Where one value is used in
several places (wires), several atoms can remain; their probability is expanded over products
of the independent events "J drops all of T", which are closed under multiplication:
dropping T and dropping U is dropping T | U. Sets are bit masks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from fractal_dsl.ir.graph import Call, Graph, Input, Join
from fractal_dsl.passes.fold import bits

__all__ = ["MOST_TERMS", "OUTSIDE", "Chances", "Entangled", "JoinLaw", "Liveness", "Work"]

OUTSIDE = -1
# Terms of one expansion; a node on more interwoven ways than that is refused.
MOST_TERMS = 1 << 13

Event: TypeAlias = dict[int, int]
"""Join (or OUTSIDE) -> bit mask of its inputs: live if one of them is kept in a live join."""

Chances: TypeAlias = dict[int, float]
"""A probability as a linear function of the join behind the graph: the sum of
coefficient * N(T) over sets T of outputs, N(T) the probability that all of T is dropped."""

Product: TypeAlias = tuple[tuple[int, int], ...]
"""Independent events "join drops all of the mask" that all happen, by join."""


_Sum: TypeAlias = dict[Product, float]


class Entangled(Exception):
    """A node hangs on too many interwoven ways to be summed up exactly."""


class JoinLaw:
    """What local sampling does at one join, given the drop rate of each input."""

    def __init__(self, rates: tuple[float, ...]) -> None:
        self.rates = rates
        self.all = (1 << len(rates)) - 1
        self.uniform = rates[0] if len(set(rates)) == 1 else None
        self.lost = self._product(self.all)

    def dropped(self, mask: int) -> float:
        """N(T): the probability that all inputs in `mask` are dropped."""
        if mask == self.all:
            return 0.0
        return self._product(mask) - self.lost * mask.bit_count() / len(self.rates)

    def _product(self, mask: int) -> float:
        if self.uniform is not None:
            return float(self.uniform ** mask.bit_count())
        product = 1.0
        for index in bits(mask):
            product *= self.rates[index]
        return product


class Work:
    """Expected work of a graph: the sum of coefficients * N(T) over sets T of its outputs."""

    def __init__(self) -> None:
        self.terms: Chances = {}

    def add(self, chances: Chances, factor: float) -> None:
        terms = self.terms
        for mask, coefficient in chances.items():
            terms[mask] = terms.get(mask, 0.0) + factor * coefficient

    def surely(self) -> float:
        """Its value where all outputs are needed for sure: N(T) = 0 but for no T at all."""
        return self.terms.get(0, 0.0)


class Liveness:
    """Events of all values of one graph. `callees` are those of the graphs before it."""

    def __init__(
        self, graph: Graph, laws: Mapping[int, JoinLaw], callees: Sequence[Liveness]
    ) -> None:
        self.graph = graph
        self.laws = laws
        self.events: dict[tuple[int, int], Event] = {}
        self.known: dict[tuple[tuple[int, int], ...], Chances] = {}
        self.dead: dict[int, _Sum] = {}
        self._read_backwards(callees)
        self.inputs = tuple(
            self.events.get((at, 0), {})
            for at, node in enumerate(graph.nodes)
            if isinstance(node, Input)
        )

    def _read_backwards(self, callees: Sequence[Liveness]) -> None:
        for port, operand in enumerate(self.graph.outputs):
            self._needed(operand.source, {OUTSIDE: 1 << port})
        for at in range(len(self.graph.nodes) - 1, -1, -1):
            node = self.graph.nodes[at]
            if isinstance(node, Call):
                for ref, outputs in zip(node.inputs, callees[node.callee].reads(), strict=True):
                    for port in bits(outputs):
                        self._needed(ref, self.events.get((at, port), {}))
            elif (at, 0) in self.events:
                self.events[at, 0] = self._simplified(self.events[at, 0])
                for index, ref in enumerate(node.inputs):
                    through = {at: 1 << index} if isinstance(node, Join) else self.events[at, 0]
                    self._needed(ref, through)

    def _needed(self, ref: tuple[int, int], event: Event) -> None:
        mine = self.events.setdefault((ref[0], ref[1]), {})
        for join, mask in event.items():
            mine[join] = mine.get(join, 0) | mask

    def _simplified(self, event: Event) -> Event:
        """The same event with as few atoms as the rules of this module leave."""
        if len(event) == 1 and OUTSIDE in event:
            return event
        made = dict(event)
        while (whole := self._whole(made)) is not None:
            del made[whole]
            for join, mask in self.events[whole, 0].items():
                made[join] = made.get(join, 0) | mask
        for join in [one for one in made if one != OUTSIDE] if len(made) > 1 else ():
            rest = {other: mask for other, mask in made.items() if other != join}
            if self._implies(self.events[join, 0], rest):
                made = rest
        return made

    def _whole(self, event: Event) -> int | None:
        """A join all of whose inputs are in the event."""
        found = (j for j, mask in event.items() if j != OUTSIDE and mask == self.laws[j].all)
        return next(found, None)

    def _implies(self, event: Event, other: Event) -> bool:
        """Whether each atom of `event`, or the joins it goes through, is in `other`."""
        todo = list(event.items())
        seen: set[int] = set()
        while todo:
            join, mask = todo.pop()
            if other.get(join, 0) & mask == mask or join in seen:
                continue
            if join == OUTSIDE:
                return False
            seen.add(join)
            todo.extend(self.events[join, 0].items())
        return True

    def reads(self) -> tuple[int, ...]:
        """For each input, the outputs (bit mask) any of which needs it for sure.

        Raises Entangled where an input is needed or not by a join inside, which a graph of
        one input that all its operators read cannot have.
        """
        if any(join != OUTSIDE for event in self.inputs for join in event):
            raise Entangled
        return tuple(event.get(OUTSIDE, 0) for event in self.inputs)

    def chances(self, at: int) -> Chances:
        """The probability that node `at` is live."""
        return self._live(self.events.get((at, 0), {}))

    def behind_call(self, at: int, ports: int, work: Work) -> Chances:
        """Expected work of the callee at `at`, whose outputs are needed here as events say."""
        events = [self._simplified(self.events.get((at, port), {})) for port in range(ports)]
        joins = {join for event in events for join in event}
        if len(joins) == 1 and all(events):
            return self._behind_join(joins.pop(), events, work)
        made = Work()
        for mask, coefficient in work.terms.items():
            made.add(self._dead([events[port] for port in bits(mask)]), coefficient)
        return made.terms

    def _behind_join(self, join: int, events: list[Event], work: Work) -> Chances:
        """The usual case: all outputs of the call go to one join, or out of the graph."""
        images = [event[join] for event in events]
        in_order = all(image == images[0] << port for port, image in enumerate(images))
        made = Work()
        sure = 0.0
        for mask, coefficient in work.terms.items():
            image = mask * images[0] if in_order else _union(images, mask)
            if join == OUTSIDE:
                made.add({image: 1.0}, coefficient)
            else:
                sure += coefficient * self.laws[join].dropped(image)
        if join != OUTSIDE:
            made.add(self._live(self.events[join, 0]), sure)
        return made.terms

    def _live(self, event: Event) -> Chances:
        """P(event): a product along the joins behind it if it has one atom."""
        key = tuple(sorted(event.items()))
        if key in self.known:
            return self.known[key]
        factor = 1.0
        while len(event) == 1 and OUTSIDE not in event:
            ((join, mask),) = event.items()
            factor *= 1 - self.laws[join].dropped(mask)
            event = self.events[join, 0]
        made = Work()
        made.add({0: 1.0}, factor)
        made.add(self._dead([event]), -factor)
        self.known[key] = made.terms
        return made.terms

    def _dead(self, events: list[Event]) -> Chances:
        """The probability that none of `events` happens."""
        found: _Sum = {(): 1.0}
        for event in events:
            found = self._times(found, self._none_of(event))
        chances: Chances = {}
        for product, coefficient in found.items():
            outside = 0
            for join, mask in product:
                if join == OUTSIDE:
                    outside = mask
                else:
                    coefficient *= self.laws[join].dropped(mask)
            chances[outside] = chances.get(outside, 0.0) + coefficient
        return chances

    def _none_of(self, event: Event) -> _Sum:
        """The indicator that no atom of `event` holds, as a sum of products.

        "J is dead or drops T" is D + (1 - D) d = d + D - D d, where D says that J is dead.
        """
        self._settle_joins(event)
        found: _Sum = {(): 1.0}
        for join, mask in event.items():
            drops: _Sum = {((join, mask),): 1.0}
            if join != OUTSIDE:
                dead = self.dead[join]
                both = self._times(dead, drops)
                for sign, terms in ((1.0, dead), (-1.0, both)):
                    for product, coefficient in terms.items():
                        drops[product] = drops.get(product, 0.0) + sign * coefficient
            found = self._times(found, drops)
        return found

    def _settle_joins(self, event: Event) -> None:
        """Works out when the joins of an event are dead, the farthest behind first."""
        needed: set[int] = set()
        todo = list(event)
        while todo:
            join = todo.pop()
            if join != OUTSIDE and join not in self.dead and join not in needed:
                needed.add(join)
                todo.extend(self.events[join, 0])
        for join in sorted(needed, reverse=True):
            self.dead[join] = self._none_of(self.events[join, 0])

    def _times(self, one: _Sum, other: _Sum) -> _Sum:
        if len(one) * len(other) > MOST_TERMS:
            raise Entangled
        found: _Sum = {}
        for a, x in one.items():
            for b, y in other.items():
                product = self._merged(a, b)
                if product is not None:
                    found[product] = found.get(product, 0.0) + x * y
        return {product: value for product, value in found.items() if value}

    def _merged(self, a: Product, b: Product) -> Product | None:
        """Both products at once; None if a join would drop all its inputs."""
        masks = dict(a)
        for join, mask in b:
            masks[join] = masks.get(join, 0) | mask
        for join, mask in masks.items():
            if join != OUTSIDE and mask == self.laws[join].all:
                return None
        return tuple(sorted(masks.items()))


def _union(images: list[int], mask: int) -> int:
    union = 0
    for port in bits(mask):
        union |= images[port]
    return union
