"""20,000 drawn plans against the law they should follow, computed by enumeration."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from math import prod
from operator import itemgetter
from typing import Any

import pytest
from scipy.stats import chisquare

from fractal_dsl.driver import compile_source
from fractal_dsl.ir.flat import FlatProgram
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.reference.plans import Plan, column_plan, live_nodes, resolve
from fractal_dsl.source import Source

GLOBAL = 0.5
DRAWS = 20_000
SEEDS = (11, 222, 3333)  # fixed before looking
RATES = (0.15, 0.5)  # the paper's; and one at which revival counts
ENOUGH = 5  # expected draws of a cell; rarer plans share one

SPEC = """
f(1)   = conv
f(C+1) = (f(C) . f(C)) (+) conv
net on image[2, 4, 4] = chain(f(3) for i in 1..2)
drop_path(local = 0.15, global = 0.5)
"""


@pytest.fixture(scope="module", name="flat")
def flat_net() -> FlatProgram:
    return flatten(compile_source(Source("net.fdl", SPEC)).program)


@pytest.fixture(scope="module", name="net")
def network() -> Any:
    return compile_source(Source("net.fdl", SPEC)).module()()


def rows(arity: int, rate: float) -> dict[tuple[bool, ...], float]:
    """What lives of a join under local sampling: dropped one by one, if all then one revived."""
    found: dict[tuple[bool, ...], float] = {}
    for mask in product((True, False), repeat=arity):
        chance = prod(1 - rate if one else rate for one in mask)
        lone = [tuple(n == at for n in range(arity)) for at in range(arity)]
        for row in [mask] if any(mask) else lone:
            share = chance if any(mask) else chance / arity
            found[row] = found.get(row, 0.0) + share
    return found


@dataclass
class Script:
    """Chooses rows as written, then notes how many inputs the next join has."""

    flat: FlatProgram
    rate: float
    rows: tuple[tuple[bool, ...], ...]
    chances: list[float] = field(default_factory=list)
    undecided: int = 0

    def __call__(self, number: int) -> tuple[bool, ...]:
        arity = len(self.flat.nodes[self.flat.joins[number]].operands)
        if len(self.chances) == len(self.rows):
            self.undecided = self.undecided or arity
            return (True,) * arity
        row = self.rows[len(self.chances)]
        self.chances.append(rows(arity, self.rate)[row])
        return row


def local_plans(flat: FlatProgram, rate: float) -> Iterator[tuple[Plan, float]]:
    """Every plan of local sampling and its probability: joins are drawn as they are reached."""
    waiting: list[tuple[tuple[bool, ...], ...]] = [()]
    while waiting:
        script = Script(flat, rate, waiting.pop())
        plan = resolve(flat, script)
        if script.undecided:
            waiting.extend((*script.rows, row) for row in rows(script.undecided, rate))
        else:
            yield plan, prod(script.chances)


def law(flat: FlatProgram, rate: float) -> dict[Plan, float]:
    found = {plan: (1 - GLOBAL) * chance for plan, chance in local_plans(flat, rate)}
    for k in (1, 2, 3):
        plan = column_plan(flat, k)
        found[plan] = found.get(plan, 0.0) + GLOBAL / 3
    assert abs(sum(found.values()) - 1) < 1e-12
    return found


def drawn(expected: dict[Plan, float], draw: Callable[[], Any]) -> Counter[Plan]:
    """So many plans, none of which is dead or impossible."""
    seen = Counter(tuple(map(tuple, draw())) for _ in range(DRAWS))
    assert seen.keys() <= expected.keys(), "a plan that no draw can give"
    return seen


def p_value(expected: dict[Plan, float], draw: Callable[[], Any]) -> float:
    """Of Pearson's test: the whole joint distribution, rare plans in one cell."""
    return fit(expected, drawn(expected, draw))


def fit(expected: Mapping[Any, float], seen: Counter[Any]) -> float:
    common = [plan for plan, chance in expected.items() if chance * DRAWS >= ENOUGH]
    wanted = [expected[plan] * DRAWS for plan in common]
    found = [seen[plan] for plan in common]
    if len(common) < len(expected):
        wanted.append(DRAWS - sum(wanted))
        found.append(DRAWS - sum(found))
    return float(chisquare(found, wanted).pvalue)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("seed", SEEDS)
def test_plans_follow_their_law(flat: FlatProgram, net: Any, seed: int, rate: float) -> None:
    """One column in all blocks, joins independent, revival uniform, mixture and rates as said."""
    net.generator.manual_seed(seed)
    net.local_rate = rate
    assert p_value(law(flat, rate), net.sample_plan) > 1e-4


@pytest.mark.parametrize("seed", SEEDS)
def test_each_law_by_itself(flat: FlatProgram, net: Any, seed: int) -> None:
    """Rates, by the row of each join; mixture and columns, by which column it is, if any; one
    column in both blocks, by their last joins. Margins of the joint law are sharper than it."""
    net.generator.manual_seed(seed)
    net.local_rate = RATES[0]
    joint = law(flat, RATES[0])
    seen = drawn(joint, net.sample_plan)
    columns = [column_plan(flat, k) for k in (1, 2, 3)]
    margins: dict[str, Callable[[Plan], Any]] = {
        **{f"rates {n}": itemgetter(n) for n in range(len(flat.joins))},
        "mixture": lambda plan: plan in columns,
        "columns": lambda plan: columns.index(plan) if plan in columns else None,
        "jointly": lambda plan: (plan[1], plan[3]),
    }
    for name, margin in margins.items():
        wanted: dict[Any, float] = {}
        found: Counter[Any] = Counter()
        for plan, chance in joint.items():
            wanted[margin(plan)] = wanted.get(margin(plan), 0.0) + chance
            found[margin(plan)] += seen[plan]
        assert fit(wanted, found) > 1e-4, name


def test_no_network_is_dead(flat: FlatProgram, net: Any) -> None:
    net.generator.manual_seed(4)
    for _ in range(2_000):
        plan = tuple(map(tuple, net.sample_plan()))
        live = live_nodes(flat, plan)
        assert 0 in live
        for number, at in enumerate(flat.joins):
            assert any(plan[number]) == (at in live)


class Faulty:
    """Samplers with the mistakes that others made; each as near to the right one as can be."""

    def __init__(self, net: Any, seed: int, rate: float) -> None:
        self.net = net
        self.rate = rate
        self.random = random.Random(seed)

    def live(self, arity: int, retry: bool) -> tuple[bool, ...]:
        while True:
            mask = tuple(self.random.random() >= self.rate for _ in range(arity))
            if any(mask):
                return mask
            if not retry:
                at = self.random.randrange(arity)
                return tuple(n == at for n in range(arity))

    def plan(self, mistake: str) -> Any:
        coin, column = self.random.random() < GLOBAL, self.random.randrange(3) + 1
        of_block = [self.random.randrange(3) + 1 for _ in range(2)]

        def choose(join: Any) -> tuple[bool, ...]:
            is_global = self.random.random() < GLOBAL if mistake == "coin" else coin
            k = of_block[join.number // 2] if mistake == "column" else column
            if is_global:
                row: tuple[bool, ...] = join.column(k)
                return row if any(row) else self.live(join.arity, False)
            return self.live(join.arity, mistake == "retry")

        return self.net.make_plan(choose)


@pytest.mark.parametrize("mistake", ["column", "retry", "coin"])
def test_seeded_mistakes_are_caught(flat: FlatProgram, net: Any, mistake: str) -> None:
    """A column for each block, drawing again instead of reviving, a coin for each join."""
    faulty = Faulty(net, 5, RATES[1])
    expected = law(flat, RATES[1])
    seen = [tuple(map(tuple, faulty.plan(mistake))) for _ in range(2_000)]
    impossible = any(plan not in expected for plan in seen)
    assert impossible or p_value(expected, lambda: faulty.plan(mistake)) < 1e-4


def test_the_faultless_one_passes(flat: FlatProgram, net: Any) -> None:
    for rate in RATES:
        faulty = Faulty(net, 6, rate)
        assert p_value(law(flat, rate), partial(faulty.plan, "none")) > 1e-4
