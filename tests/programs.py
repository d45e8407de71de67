"""Random FDL programs, right by construction: every one compiles and runs.

The generator is typed by the number of channels: `same(c)` draws an expression that takes
and gives `c` channels and keeps height and width, or the number of tokens, so any two can be
joined, added or put in series. Recursive rules take their width from the implicit `channels`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy, composite

from tests.wired_programs import heads, inputs, wired

__all__ = ["fdl_programs"]

ACTIVATIONS = (
    "relu", "relu6", "leaky_relu(0.1)", "elu", "selu", "gelu", 'gelu(approximate = "tanh")',
    "silu", "mish", "sigmoid", "hard_sigmoid", "hard_swish", "tanh", "softplus",
)  # fmt: skip

KINDS = ("image", "image", "image", "patches", "sequence", "tokens")
HEADS = ("global_max_pool >> linear(3)", "global_avg_pool >> linear(3)", "flatten >> linear(3)")
TOKEN_HEADS = ("take(-1) >> linear(3)", "layer_norm >> linear(3)", "take(0, axis = 1)")
BILINEAR = '"bilinear"'
IMAGE_GATES = (
    "(global_avg_pool >> conv2d({w}, 1, bias = true) >> sigmoid)",
    "(global_max_pool >> linear({w}) >> sigmoid)",
    "(conv2d(1, 3) >> sigmoid)",
)
TOKEN_GATES = ("(global_avg_pool >> linear({w}) >> sigmoid)", "(linear(1) >> sigmoid)")
MIX = "mix(n = in_channels) = linear(n)"
LOOK = "look(h = in_height, w = in_width) = tokens >> attention(1) >> image(h, w)"

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
    sequence: bool = False
    learned: bool = True
    wires: bool = False
    sampled: bool = False
    count: int = 0

    def pick(self, *choices: object) -> object:
        return self.draw(st.sampled_from(choices))

    def number(self, least: int, most: int) -> int:
        return self.draw(st.integers(least, most))


def leaf(draft: Draft, width: int) -> str:
    """One layer from `width` channels to the same."""
    if draft.sequence:
        return token_layer(draft, width)
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
        f"channel_shuffle({groups})",
        f"group_norm({2 if width > 2 else 1}, eps = 0.1)",
        "layer_norm(eps = 0.1)",
        f"prelu(channelwise = {draft.pick('true', 'false')})",
        f"(id * parameter([{width}], init = 1))" if draft.learned else "id",
        "(upsample(2) >> avg_pool(2))",
        f"(upsample((2, 1), mode = {BILINEAR}) >> conv({width}, 3, stride = (2, 1)))",
        f"(conv_transpose2d({width}, 2) >> max_pool(2))",
        f"(pad(top = 1, left = 2, right = -1) >> conv2d({width}, 2, padding = 0))",
        "look",
        str(draft.pick(*ACTIVATIONS)),
    ]
    return str(draft.pick("conv", "conv", *kinds))


def token_layer(draft: Draft, width: int) -> str:
    """One layer of a sequence, from `width` channels to the same.

    Channels that are all alike would make gradients of a norm with a small `eps` explode.
    """
    groups = draft.pick(*[g for g in (1, 2, width) if width % g == 0])
    kinds: list[str] = [
        f"linear({width})",
        f"linear({width}, bias_init = 0.5)",
        f"attention({groups})",
        f"attention({groups}, causal = true, bias = false)",
        f"(wiring(x) {{ return [x, x >> linear({width})] >> cross_attention({groups}) }})",
        "layer_norm(eps = 0.1)",
        "layer_norm(eps = 0.2, bias = false)",
        "batch_norm",
        f"group_norm({2 if width > 2 else 1}, eps = 0.1)",
        f"timing(step = {draft.number(0, 3)})",
        "(transpose >> mix >> transpose)",
        f"(id + parameter([{draft.pick(1, width)}], init = 1))" if draft.learned else "id",
        "softmax",
        "normalize(eps = 0.1)",
        f"prelu(channelwise = {draft.pick('true', 'false')})",
        "dropout(0)",
        str(draft.pick(*ACTIVATIONS)),
    ]
    return str(draft.pick(f"linear({width})", *kinds))


def same(draft: Draft, width: int, depth: int) -> str:
    """An expression from `width` channels to `width`, in brackets where it needs them."""
    draft.budget -= 1
    if depth <= 0 or draft.budget <= 0:
        return leaf(draft, width)

    def one() -> str:
        return same(draft, width, depth - 1)

    calls = [f"{name}({draft.number(low, low + 3)})" for name, low in draft.names]
    drawn = draft.pick(*(TOKEN_GATES if draft.sequence else IMAGE_GATES))
    gate = str(drawn).format(w=width)
    back = f"linear({width})" if draft.sequence else f"conv2d({width}, 1)"
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
        lambda: f"(({one()} ++ {one()}) >> {back})",
        lambda: "(id + (global_avg_pool >> flatten))",
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
        lambda: f"chain({one()} for _ in 1..2)",
        lambda: f"mean({leaf(draft, width)} for _ in 1..3)",
        lambda: f"(if in_channels == {width} then {one()} else id)",
        lambda: f"({one()} @part{draft.number(0, 99)}_{draft.budget + 40})",
        lambda: f"concat({one()}, id) >> {back}",
        lambda: f"(id + stochastic_depth({one()}, {draft.pick(0.2, 0.5, 0.8)}))",
        lambda: f'({one()} + stochastic_depth({one()}, rate = 0.5, per = "batch"))',
    ]
    if not draft.sequence:
        shapes += [
            lambda: f"chain(conv(w, k) for w, k in [({width}, 1), ({width}, 3)])",
            lambda: f"mean(conv2d({width}, k) for k in [1, 3, 5])",
        ]
    if draft.wires:
        shapes += wired(draft, width, one, lambda: leaf(draft, width))
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


def image_stages(draft: Draft, width: int) -> list[str]:
    """Stages of convolutions, with pooling between."""
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
    return stages


def token_stages(draft: Draft, width: int) -> list[str]:
    """Stages of a sequence."""
    stages = []
    for _ in range(draft.number(1, 2)):
        draft.budget = 16
        longer = draft.pick("id", "id", "concat(id, layer_norm, axis = 0)")
        stages.append(f"linear({width}) >> {same(draft, width, 3)} >> {longer}")
    return stages


def rules(draft: Draft, names: str, width: int) -> None:
    draft.names.clear()
    for name in names[: draft.number(1, 2)]:
        rule(draft, name, width)


@composite
def fdl_programs(
    draw: DrawFn,
    *,
    sampling: bool | None = None,
    kinds: tuple[str, ...] = KINDS,
    learned: bool = True,
    wires: bool | None = None,
    several: bool = True,
) -> str:
    """The text of a whole file: rules, stages, a dense head.

    `kinds` are the inputs it may have; of `patches` it is an image, and tokens of it later.
    With `learned` there may be parameters, which come from no input. `wires`: whether it may
    have blocks, lists, rules on wires, shared and learned parts (None: half of them);
    `several`: whether such a net may have several inputs and outputs.
    """
    draft = Draft(draw, learned=learned)
    draft.sampled = draft.number(0, 1) == 1 if sampling is None else sampling
    draft.wires = draft.number(0, 1) == 1 if wires is None else wires
    width = int(str(draft.pick(2, 4, 4, 6)))
    kind = str(draft.pick(*kinds))
    stages: list[str] = []
    head = draft.pick(*HEADS)
    if kind in ("image", "patches"):
        draft.rules.append(LOOK)
        rules(draft, "fg", width)
        stages += image_stages(draft, width)
        source = f"image[{draft.number(1, 3)}, 6, 6]"
    if kind != "image":
        draft.sequence = True
        draft.rules.append(MIX)
        rules(draft, "hk", width)
        first = {"patches": "tokens", "tokens": f"embedding(9, {width})", "sequence": "id"}[kind]
        stages += [first, *token_stages(draft, width)]
        head = draft.pick(*HEADS, *TOKEN_HEADS)
    if kind in ("sequence", "tokens"):
        size = f", {draft.number(2, 5)}" if kind == "sequence" else ""
        source = f"{kind}[{draft.number(1, 5)}{size}]"
    if several and draft.wires and kind != "tokens" and draft.number(0, 4) == 0:
        draft.sequence = kind == "sequence"
        draft.budget, draft.names = 4, []
        stages.insert(0, inputs(draft, width, lambda: same(draft, width, 1)))
        source = f"[{source}, {source}]"
    last = str(head)
    if several and draft.wires and draft.number(0, 4) == 0:
        other = draft.pick(*HEADS)
        last = heads(draft, last, str(other))
    lines = [f"implicit channels = {width}", *draft.rules]
    lines.append(f"net on {source} = {' >> '.join(stages)} >> {last}")
    if draft.sampled:
        lines.append("drop_path(local = 0.3, global = 0.5)")
    return "\n".join(lines) + "\n"


Programs = SearchStrategy[str]
