"""Random FDL programs, right by construction: every one compiles and runs.

The generator is typed by the number of channels: `same(c)` draws an expression that takes
and gives `c` channels and keeps height and width, so any two can be joined, added or put in
series. Recursive rules take their width from the implicit `channels`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy, composite

__all__ = ["fdl_programs"]

ACTIVATIONS = (
    "relu", "relu6", "leaky_relu(0.1)", "elu", "selu", "gelu", 'gelu(approximate = "tanh")',
    "silu", "mish", "sigmoid", "hard_sigmoid", "hard_swish", "tanh", "softplus",
)  # fmt: skip

RULES = (
    ("{f}(1) = {base}", "{f}(C+1) = ({f}(C) . {f}(C)) (+) {other}"),
    ("{f}(1) = {base}", "{f}(n+1) = {f}(n) (+) ({other} >> {f}(n))"),
    ("{f}(0) = id", "{f}(n+1) = {f}(n) >> (id + {base})"),
    ("{f}(1) = {base}", "{f}(2) = {other}", "{f}(n+2) = ({f}(n+1) . {f}(n)) (+) {base}"),
    ("{f}(1) = {base}", "{f}(n+1) = {base} (+) {other} (+) ({f}(n) >> {other})"),
    ("{f}(n) if n <= 1 = {base}", "{f}(n) = ({f}(n // 2) >> {other}) (+) {f}(n - n // 2)"),
    ("{f}(1) = {base}", "{f}(C+1) = joined({f}(C) (+) {other}) (+) ({f}(C) . {f}(C))"),
    ("{f}(1) = {base}", "{f}(C+1) = ({f}(C) >> each({other}) >> {f}(C)) (+) {base}"),
)

DEEPEN = ("deepen(1) = conv", "deepen(C+1) = (deepen(C) . deepen(C)) (+) conv")

OPEN_BODIES = ("conv (+) conv(channels, 1)", "(conv . conv) (+) conv", "deepen(2)", "deepen(3)")

OPEN_TAILS = (
    "",
    " >> each(max_pool(3, stride = 1, padding = 1))",
    " >> each(conv(channels, 1))",
    " >> each(relu) >> each(batch_norm)",
)


@dataclass
class Draft:
    """A program being drawn: its rules so far, and what may still be spent."""

    draw: DrawFn
    rules: list[str] = field(default_factory=list)
    names: list[tuple[str, int]] = field(default_factory=list)
    budget: int = 30

    def pick(self, *choices: object) -> object:
        return self.draw(st.sampled_from(choices))

    def number(self, least: int, most: int) -> int:
        return self.draw(st.integers(least, most))


def leaf(draft: Draft, width: int) -> str:
    """One layer from `width` channels to the same."""
    groups = draft.pick(*[g for g in (1, 2, width) if width % g == 0])
    kinds: list[str] = [
        "conv",
        f"conv({width}, 1)",
        f"conv({width}, (1, 3))",
        f"conv({width}, 3, dilation = 2, padding = 2)",
        f"conv2d({width}, 3, groups = {groups}, bias = true)",
        f"conv2d({width}, 1, bias = {draft.pick('true', 'false')})",
        "batch_norm",
        "batch_norm(eps = 0.001, momentum = 0.2)",
        "max_pool(3, stride = 1, padding = 1)",
        "avg_pool(3, stride = 1, padding = 1)",
        "avg_pool((3, 1), stride = 1, padding = (1, 0), count_padding = false)",
        "dropout(0)",
        f"project({width})",
        str(draft.pick(*ACTIVATIONS)),
    ]
    return str(draft.pick("conv", "conv", *kinds))


def same(draft: Draft, width: int, depth: int) -> str:
    """An expression from `width` channels to `width`, in brackets where it needs them."""
    draft.budget -= 1
    if depth <= 0 or draft.budget <= 0:
        return leaf(draft, width)

    def one() -> str:
        return same(draft, width, depth - 1)

    calls = [f"{name}({draft.number(low, low + 3)})" for name, low in draft.names]
    gate = f"(global_avg_pool >> conv2d({width}, 1, bias = true) >> sigmoid)"
    shapes: list[Callable[[], str]] = [
        lambda: leaf(draft, width),
        lambda: f"({one()} >> {one()})",
        lambda: f"({one()} . {one()})",
        lambda: f"({one()} (+) {one()})",
        lambda: f"({one()} (+) {one()} (+) {one()})",
        lambda: f"mean({one()}, {one()})",
        lambda: f"(id + {one()})",
        lambda: f"({one()} - {one()})",
        lambda: f"sum({one()}, {one()}, id)",
        lambda: f"(({one()} ++ {one()}) >> conv({width}, 1))",
        lambda: f"max({one()}, {one()})",
        lambda: f"min({one()}, id)",
        lambda: f"(0.5 * {one()})",
        lambda: f"(1 - {one()})",
        lambda: f"({one()} / 2 + 1)",
        lambda: f"(id * {gate})",
        lambda: f"{one()} ** {draft.number(0, 3)}",
        lambda: f"joined({one()} (+) {one()})",
        lambda: f"(({one()} (+) {one()}) >> each({one()}))",
        lambda: f"drop({one()} (+) {one()}, local = 0.3)",
        lambda: f"chain(conv(w, k) for w, k in [({width}, 1), ({width}, 3)])",
        lambda: f"mean(conv2d({width}, k) for k in [1, 3, 5])",
        lambda: f"(if in_channels == {width} then {one()} else id)",
        lambda: f"({one()} @part{draft.number(0, 99)}_{draft.budget + 40})",
        lambda: f"concat({one()}, id) >> conv2d({width}, 1)",
        lambda: f"(id + stochastic_depth({one()}, {draft.pick(0.2, 0.5, 0.8)}))",
        lambda: f'({one()} + stochastic_depth({one()}, rate = 0.5, per = "batch"))',
    ]
    named = [lambda call=call: call for call in calls]
    shape: Callable[[], str] = draft.draw(st.sampled_from(shapes + named * 4))
    text = shape()
    return f"({text})" if ">>" in text and not text.startswith("(") else text


def rule(draft: Draft, name: str, width: int) -> None:
    """One recursive rule whose base and extra branch keep the width."""
    template = draft.draw(st.sampled_from(RULES))
    # A name may stand once in an equation; a template may use a part twice.
    base, other = (re.sub(r" @\w+", "", same(draft, width, 1)) for _ in range(2))
    draft.rules.extend(line.format(f=name, base=base, other=other) for line in template)
    draft.names.append((name, 1))


def open_blocks(draft: Draft, width: int) -> str:
    """A chain of blocks of growing widths, each of which leaves its join open for the next."""
    if DEEPEN[0] not in draft.rules:
        draft.rules += DEEPEN
    name = f"stage{sum(rule.startswith('stage') for rule in draft.rules)}"
    body, tail = draft.pick(*OPEN_BODIES), draft.pick(*OPEN_TAILS)
    draft.rules.append(f"{name}(channels) = {body}{tail}")
    widths = [draft.pick(2, 3, 4, 5, 8) for _ in range(draft.number(1, 3))]
    return f"chain({name}(w) for w in {[*widths, width]})"


@composite
def fdl_programs(draw: DrawFn, *, sampling: bool | None = None) -> str:
    """The text of a whole file: rules, stages with pooling between, a dense head."""
    draft = Draft(draw)
    width = int(str(draft.pick(2, 4, 4, 6)))
    for name in ["f", "g"][: draft.number(1, 2)]:
        rule(draft, name, width)
    stages = []
    if draft.number(1, 4) == 1:
        base, other = leaf(draft, width), leaf(draft, width)
        draft.rules += [r.format(f="deep", base=f"conv >> {base}", other=other) for r in RULES[0]]
        stages.append(f"conv({width}, 3) >> deep(5)")
    if draft.number(1, 4) == 1:
        stages.append(open_blocks(draft, width))
    for _ in range(draft.number(1, 2)):
        draft.budget = 16
        body = same(draft, width, 3)
        pool = draft.pick("max_pool(2)", "avg_pool(2)", f"conv({width}, 3, stride = 2)", "id")
        if draft.number(1, 6) == 1:
            body = open_blocks(draft, width)
        stages.append(f"conv({width}, 3) >> {body} >> {pool}")
    head = draft.pick("linear(3)", "global_avg_pool >> linear(3)", "flatten >> linear(3)")
    if head == "linear(3)":
        head = "global_max_pool >> linear(3)"
    lines = [f"implicit channels = {width}", *draft.rules]
    lines.append(f"net on image[{draft.number(1, 3)}, 6, 6] = {' >> '.join(stages)} >> {head}")
    if sampling or (sampling is None and draft.pick(True, False)):
        lines.append("drop_path(local = 0.3, global = 0.5)")
    return "\n".join(lines) + "\n"


Programs = SearchStrategy[str]
