"""Programs that the random search once found wrong, made small."""

from __future__ import annotations

from random import Random

import pytest

from fractal_dsl.driver import compile_source
from fractal_dsl.driver.compilation import Style
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.ir.graph import Sampling
from fractal_dsl.reference.plans import local_plan
from fractal_dsl.source import Source
from tests.validation.test_per_sample import BATCH, STYLES, compared
from tests.validation.translation import validate

FOUND = {
    "an operand handed to `each` that stands in a join itself": """
f(1) = id
f(C+1) = (f(C) >> each((relu6 (+) id)) >> f(C)) (+) id
net on image[4, 6, 6] = f(4) >> global_avg_pool >> linear(3)
""",
    "two chains of blocks that leave a join open, after an open call": """
implicit channels = 2
deep(1) = conv >> conv
deep(C+1) = (deep(C) . deep(C)) (+) conv
stage0(channels) = conv (+) conv(channels, 1)
stage1(channels) = conv (+) conv(channels, 1)
net on image[1, 6, 6] =
    conv(2, 3) >> deep(5) >> chain(stage0(w) for w in [2, 2]) >> conv(2, 3)
    >> chain(stage1(w) for w in [2, 2]) >> max_pool(2) >> global_max_pool >> linear(3)
""",
    "a loop that starts with an operand of a bundle": """
implicit channels = 4
g(1) = conv (+) conv(4, 1)
g(C+1) = joined(g(C) (+) conv) (+) (g(C) . g(C))
net on image[1, 6, 6] =
    conv(4, 3) >> ((drop(g(1) (+) conv, local = 0.3) (+) sum(joined(conv (+) relu), id))
                   >> each(g(1) ** 3))
    >> global_avg_pool >> linear(3)
""",
    "an operand of a nested join handed to `each` that stands in a join itself": """
net on image[4, 6, 6] =
    (conv(4) (+) drop(relu (+) tanh, local = 0.3)) >> each(mean(id, conv(4)))
    >> global_avg_pool >> linear(3)
""",
    "classes of one form whose callees only looked alike until theirs came apart": """
body(t, w) = (if t == 1 then id else conv(w)) >> conv(w)
unit(t, w) = body(t, w)
stage(t, w, n) = unit(t, w) >> unit(t, w) ** (n - 1)
net on image[2, 6, 6] =
    chain(stage(t, w, n) for t, w, n in [(1, 4, 1), (2, 6, 2), (2, 8, 2), (2, 4, 1)])
    >> global_avg_pool >> linear(3)
""",
    "levels that repeat a layer a different number of times, after a copy of another shape": """
c(1)   = conv
c(n+1) = c(n) (+) conv ** (n + 1)
implicit channels = 4
net on image[2, 6, 6] = c(5) >> global_avg_pool >> linear(3)
""",
    "wires computed in the arguments of a rule, in a family and outside it": """
f(xs) = sum(xs)
net on image[4, 6, 6] = wiring(x) {
    y[i] = f([x, x >> conv(4)]) for i in 1..2
    z = f([y[1], x >> conv(4) >> conv(4)])
    return sum(y[1], y[2], z) >> global_avg_pool >> linear(3)
}
""",
    "a family that is computed from its end": """
net on image[2, 8, 8] = wiring(x) {
    c[0] = x
    c[i] = c[i-1] >> conv(2) >> max_pool(2) for i in 1..2
    p[2] = c[2]
    p[i] = c[i] + (p[i+1] >> upsample(2) >> conv(2)) for i in 0..1
    return p[0] >> global_avg_pool >> linear(3)
}
""",
    "a shared network in a net with drop-path, also under stochastic depth": """
implicit channels = 4
body = conv >> conv
part = {
  s = shared(conv >> batch_norm)
  return (id + stochastic_depth(s >> body, 0.5)) >> s >> (id + stochastic_depth(s, 0.3))
}
net on image[2, 8, 8] =
    conv >> part >> (id + (conv (+) body)) >> global_avg_pool >> linear(3)
""",
    "a list of which nothing reads a part, here and in each turn": """
implicit channels = 4
two = wiring([a, b]) {
    c = a >> conv
    d = b (+) a
    return [c, d]
}
h(1) = wiring(x) { return [x, x >> conv] } >> two ** 2 >> wiring([a, b]) { return a }
h(n+1) = (h(n) >> conv) (+) h(1)
net on image[2, 6, 6] = conv >> h(3) >> wiring(x) { return [x, x >> h(2)] } >> two
    >> wiring([a, b]) { return a } >> global_avg_pool >> linear(3)
""",
    "a shared network given to a rule that joins its uses": """
implicit channels = 4
twice(g) = mean(g for _ in 1..2)
once(g) = g >> conv
f(1) = twice(shared(conv)) >> once(shared(conv))
f(C+1) = (f(C) . f(C)) (+) (id + stochastic_depth(conv, 0.2))
net on image[2, 6, 6] = conv >> f(2) >> global_avg_pool >> linear(3)
""",
    "stochastic depth in a branch that nothing comes through, and after it": """
implicit channels = 4
some = stochastic_depth(relu, rate = 0.5, per = "batch")
net on image[2, 6, 6] =
    conv >> (id + stochastic_depth((conv >> some) (+) conv, rate = 0.7, per = "batch"))
    >> (id + stochastic_depth(conv (+) id, 0.9)) >> (conv + some)
    >> global_avg_pool >> linear(3)
""",
    "a shared part used in a turn and after it, in each of several copies": """
implicit channels = 4
net on image[3, 6, 6] = conv >> (wiring(x) {
    s = shared(conv)
    return x >> s ** 2 >> s
}) ** 3 >> global_avg_pool >> linear(3)
""",
    "levels that each share a part named as their rule": """
twice(g) = mean(g for _ in 1..2)
h(0) = id
h(n+1) = h(n) >> twice(shared(layer_norm(eps = 0.1)))
net on tokens[1] = embedding(9, 2) >> (h(3) (+) linear(2)) >> linear(3)
""",
    "a formula that says its input twice, on operands of an open call": """
mix = linear(4)
h(1) = linear(4) >> layer_norm(eps = 0.1)
h(C+1) = (h(C) >> each(chain(normalize(eps = 0.1) for _ in 1..2)) >> h(C)) (+) mix
net on sequence[3, 4] = linear(4) >> h(3) >> linear(3)
""",
    "batch norm of one sample of an image that attention made": """
implicit channels = 4
look = tokens >> attention(1) >> image(6, 6)
net on image[2, 6, 6] = conv >> ((batch_norm . look) (+) conv (+) id)
    >> global_avg_pool >> linear(3)
""",
    "an open join of a shared part, repeated": """
once = shared(attention(2))
net on image[2, 6, 6] = tokens >> linear(4) >> (id (+) (once >> layer_norm >> once)) ** 3
    >> linear(3)
""",
    "one timing for sequences of two lengths": """
net on sequence[5, 4] = wiring(x) {
    s = shared(timing(step = 2))
    a = (x >> s) (+) x
    b = concat(a, a >> layer_norm, axis = 0) >> s
    return [a, b (+) concat(a, x, axis = 0)]
}
""",
}


@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("name", FOUND)
def test_found(name: str, sampled: bool) -> None:
    text = FOUND[name] + ("drop_path(local = 0.3, global = 0.5)\n" if sampled else "")
    for seed in range(6):
        outcome = validate(text, seed)
        assert not outcome.faults, outcome.faults[0]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", FOUND)
def test_found_for_each_sample(name: str, style: Style) -> None:
    sampling = 'drop_path(local = 0.3, global = 0.5, per = "sample")\n'
    compiled = compile_source(Source("found.fdl", FOUND[name] + sampling))
    flat = flatten(compiled.program)
    module = compiled.module(style)()
    for seed in range(6 if flat.joins else 0):
        random = Random(seed)
        plans = [local_plan(flat, Sampling(0.5), random) for _ in range(BATCH)]
        assert compared(module, flat, plans, training=True) <= 1e-10
