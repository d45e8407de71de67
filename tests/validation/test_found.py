"""Programs that the random search once found wrong, made small."""

from __future__ import annotations

import pytest

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
}


@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("name", FOUND)
def test_found(name: str, sampled: bool) -> None:
    text = FOUND[name] + ("drop_path(local = 0.3, global = 0.5)\n" if sampled else "")
    for seed in range(4):
        outcome = validate(text, seed)
        assert not outcome.faults, outcome.faults[0]
