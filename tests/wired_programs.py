"""Random FDL with values that have names: blocks, wires, families, lists, rules on wires.

Every function draws an expression from `width` channels to the same, as `tests.programs.same`
does; `part` draws the networks in it. Rules that it writes go to `draft.rules`, before the net.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Protocol

__all__ = ["Drafts", "Part", "heads", "inputs", "wired"]

Part = Callable[[], str]
"""Draws a network that keeps the width, in brackets where it needs them."""


class Drafts(Protocol):
    """What is asked of a program being drawn."""

    rules: list[str]
    sequence: bool
    sampled: bool
    count: int

    def pick(self, *choices: object) -> object: ...
    def number(self, least: int, most: int) -> int: ...


def fresh(draft: Drafts, name: str) -> str:
    """A name that nothing else has."""
    draft.count += 1
    return f"{name}{draft.count}"


def untagged(text: str) -> str:
    """A part of a rule or of a turn that may be written twice: names may stand once."""
    return re.sub(r" @\w+", "", text)


def back(draft: Drafts, width: int) -> str:
    return f"linear({width})" if draft.sequence else f"conv2d({width}, 1)"


def wired(draft: Drafts, width: int, part: Part, layer: Part) -> list[Part]:
    """Ways to write a network with wires in it; `layer` draws one that has no join."""
    once = layer if draft.sampled else part  # under drop-path, what is shared has no joins
    return [
        lambda: dag(draft, width, part),
        lambda: dag(draft, width, part),
        lambda: family(draft, part),
        lambda: triangle(draft, width, part),
        lambda: lists(draft, width, part),
        lambda: pieces(draft, width, part),
        lambda: called(draft, width, part),
        lambda: called(draft, width, part),
        lambda: called(draft, width, part),
        lambda: learned(draft, width),
        lambda: shared(draft, once, part),
        lambda: passed(draft, once),
        lambda: networks(draft, part),
        lambda: streams(draft, width, part),
    ]


# Blocks ------------------------------------------------------------------------------


def step(draft: Drafts, width: int, part: Part, known: Sequence[str]) -> str:
    """A wire computed from those known."""

    def wire() -> str:
        return str(draft.pick(*known))

    forms: list[Part] = [
        lambda: f"{wire()} >> {part()}",
        lambda: f"{wire()} >> {part()}",
        lambda: f"{part()} . {wire()}",
        lambda: f"{wire()} (+) {wire()}",
        lambda: f"{wire()} (+) ({wire()} >> {part()})",
        lambda: f"({wire()} >> {part()}) (+) ({wire()} >> {part()})",
        lambda: f"({wire()} (+) {wire()}) >> each({untagged(part())})",
        lambda: f"({wire()} >> {part()}) + {wire()}",
        lambda: f"{wire()} - 0.5 * {wire()}",
        lambda: f"({wire()} ++ {wire()}) >> {back(draft, width)}",
        lambda: f"mean([{wire()}, {wire()}, {wire()}])",
        lambda: f"max({wire()}, {wire()} >> {part()})",
        lambda: f"sum({wire()} >> {untagged(part())} for _ in 1..2)",
        lambda: f"drop({wire()} (+) ({wire()} >> {part()}), local = 0.4)",
        lambda: f"if {draft.number(0, 1)} == 1 then {wire()} >> {part()} else {wire()}",
        lambda: f"{{\n    t = {wire()} >> {part()}\n    return t (+) {wire()}\n}}",
    ]
    form = draft.pick(*forms)
    assert callable(form)
    return str(form())


def statements(
    draft: Drafts, width: int, part: Part, known: list[str], most: int
) -> tuple[list[str], list[str]]:
    """Bindings of a block in any order, and all names after them."""
    lines = []
    names = list(known)
    for at in range(draft.number(1, most)):
        lines.append(f"w{at} = {step(draft, width, part, names)}")
        names.append(f"w{at}")
    if draft.number(0, 3) == 0:
        lines.reverse()
    return lines, names


def written(lines: Sequence[str], result: str) -> str:
    return "{\n" + "".join(f"    {line}\n" for line in lines) + f"    return {result}\n}}"


def dag(draft: Drafts, width: int, part: Part) -> str:
    """A graph that no series and no join can write."""
    lines, names = statements(draft, width, part, ["x"], 4)
    if draft.number(0, 2) == 0:
        result = step(draft, width, part, names)
    else:
        result = f"mean([{', '.join(names[-3:])}])"
    return f"(wiring(x) {written(lines, result)})"


def family(draft: Drafts, part: Part) -> str:
    """One index, its equations in any order."""
    last = draft.number(1, 3)
    grow = str(draft.pick("y[i-1] >> {g}", "y[i-1] + ({y} >> {g})", "y[i-1] (+) (y[0] >> {g})"))
    lines = [
        f"y[0] = {draft.pick('x', 'x >> ' + part())}",
        f"y[i] = {grow.format(g=untagged(part()), y='y[0]')} for i in 1..{last}",
    ]
    if draft.number(0, 1):
        lines.reverse()
    result = draft.pick(
        f"y[{last}]", f"mean(y[i] for i in 0..{last})", f"sum([y[i] for i in 1..{last}])",
        f"y[0] (+) y[{last}]",
    )  # fmt: skip
    return f"(wiring(x) {written(lines, str(result))})"


def triangle(draft: Drafts, width: int, part: Part) -> str:
    """Two indices, as in U-Net++, without changes of size."""
    last = draft.number(1, 2)
    inner = f"[z[i, k] for k in 0..j-1] + [z[i+1, j-1] >> {untagged(part())}]"
    join = draft.pick("mean({})", "sum({})", "concat({}) >> " + back(draft, width))
    lines = [
        "z[0, 0] = x",
        f"z[i, 0] = z[i-1, 0] >> {untagged(part())} for i in 1..{last}",
        f"z[i, j] = {str(join).format(inner)} for j in 1..{last} for i in 0..{last}-j",
    ]
    draft_order = draft.number(0, 2)
    lines = lines[draft_order:] + lines[:draft_order]
    result = draft.pick(f"z[0, {last}]", f"mean(z[0, j] for j in 0..{last})")
    return f"(wiring(x) {written(lines, str(result))})"


def named(draft: Drafts, part: Part) -> str:
    """A network as an argument or with a name: what has a learned tensor in it would be a wire."""
    text = untagged(part())
    if "parameter(" not in text:
        return text
    name = fresh(draft, "net")
    draft.rules.append(f"{name} = {text}")
    return name


def networks(draft: Drafts, part: Part) -> str:
    """Networks with names: fresh at each use."""
    lines = [f"n1 = {named(draft, part)}", f"n2 = {named(draft, part)}"]
    return f"(wiring(x) {written(lines, '(x >> n1 >> n2) (+) (x >> n1)')})"


# Lists -------------------------------------------------------------------------------


def lists(draft: Drafts, width: int, part: Part) -> str:
    """Several streams out of one, worked on, and one again."""
    number = draft.number(2, 3)
    items = ", ".join(f"x >> {part()}" for _ in range(number))
    start = draft.pick(f"[{items}]", f"[x >> {untagged(part())} for _ in 1..{number}]", "more")
    if start == "more":
        start = f"[x] + [x >> {untagged(part())} for _ in 2..{number}]"
    cross = f"[mean(s[j] >> {untagged(part())} for j in 0..len(s)-1) for i in 0..len(s)-1]"
    middle = draft.pick(
        "", f" >> each({untagged(part())})", f" >> (wiring(s) {{ return {cross} }})",
        f" >> (wiring(s) {{ return s + [s[0] >> {part()}] }})",
        f" >> (wiring(s) {{ return [t >> {untagged(part())} for t in s] }}) ** 2",
    )  # fmt: skip
    end = draft.pick("mean(s)", "sum(s)", f"concat(s) >> {back(draft, width)}", "s[0] (+) s[1]")
    return f"((wiring(x) {{ return {start} }}){middle} >> (wiring(s) {{ return {end} }}))"


def pieces(draft: Drafts, width: int, part: Part) -> str:
    """Channels taken apart and put together again in another order."""
    split = f"split([1, {width - 1}])" if width % 2 or draft.number(0, 1) else "split(2)"
    order = draft.pick("q ++ p", "concat([q, p])", "concat([p, q])")
    lines = [f"[p, q] = x >> {split}", f"y = {order}"]
    return f"(wiring(x) {written(lines, f'y >> {part()}')})"


def streams(draft: Drafts, width: int, part: Part) -> str:
    """Two streams side by side, each of which hears of the other."""
    lines = [f"c = a >> {part()}", f"d = b (+) {draft.pick('a', 'c', f'(c >> {part()})')}"]
    inner = f"(wiring([a, b]) {written(lines, '[c, d]')})"
    times = draft.pick("", " ** 2", f" >> each({untagged(part())})")
    end = draft.pick("a (+) b", "a", "a + b", f"(a ++ b) >> {back(draft, width)}")
    start = f"(wiring(x) {{ return [x, x >> {part()}] }})"
    return f"({start} >> {inner}{times} >> (wiring([a, b]) {{ return {end} }}))"


# Rules -------------------------------------------------------------------------------


def called(draft: Drafts, width: int, part: Part) -> str:
    """A rule on wires, called on some."""
    lines, names = statements(draft, width, part, ["x"], 2)

    def wire() -> str:
        return str(draft.pick(*names))

    kind = draft.number(0, 4)
    rule = (two_wires, recursive, several, listed, with_network)[kind]
    call = rule(draft, width, part, wire)
    lines.append(f"r = {call}")
    if kind == 2:
        lines[-1] = f"[r, q] = {call}"
        result = draft.pick("r (+) q", "r", "q", "r + q", f"(r ++ q) >> {back(draft, width)}")
    else:
        result = draft.pick("r", "r (+) x", f"r >> {part()}", f"r (+) {wire()}")
    return f"(wiring(x) {written(lines, str(result))})"


def two_wires(draft: Drafts, width: int, part: Part, wire: Part) -> str:
    name = fresh(draft, "two")
    lines, names = statements(draft, width, part, ["x", "y"], 3)
    result = draft.pick(
        step(draft, width, part, names), f"{names[-1]} (+) y", f"(x >> {part()}) (+) y",
        "x (+) y", "x",
    )  # fmt: skip
    if draft.number(0, 2) == 0:
        body = f"(x >> {part()}) (+) (y >> {part()})"
    else:
        body = written(lines, str(result))
    draft.rules.append(untagged(f"{name}(x, y) = {body}"))
    if draft.number(0, 1):
        return f"{name}({wire()}, {wire()})"
    return f"{name}({wire()}, {name}({wire()}, {wire()}))"


def recursive(draft: Drafts, width: int, part: Part, wire: Part) -> str:
    name = fresh(draft, "tree")
    base = draft.pick("(x >> {g}) (+) y", "(x (+) y) >> {g}", "(x >> {g}) + y", "x (+) (y >> {g})")
    more = draft.pick(
        "{t}(n, {t}(n, x, y), x)", "{t}(n, x, y) (+) x", "{t}(n, x >> {g}, y) (+) (y >> {g})",
        "{{\n    a = {t}(n, x, y)\n    return {t}(n, a, x (+) a)\n}}",
        "{{\n    a = {t}(n, x, y)\n    b = {t}(n, y, a)\n    return a (+) b\n}}",
    )  # fmt: skip
    given = {"g": untagged(part()), "t": name}
    draft.rules.append(f"{name}(1, x, y) = {str(base).format(**given)}")
    draft.rules.append(f"{name}(n+1, x, y) = {str(more).format(**given)}")
    return f"{name}({draft.number(1, 3)}, {wire()}, {wire()})"


def several(draft: Drafts, width: int, part: Part, wire: Part) -> str:
    name = fresh(draft, "pair")
    lines, names = statements(draft, width, part, ["x", "y"], 3)
    first = draft.pick(names[-1], f"x >> {part()}", "x (+) y", "y")
    second = draft.pick(names[-2], f"y >> {part()}", f"x (+) (y >> {part()})", "x")
    draft.rules.append(untagged(f"{name}(x, y) = {written(lines, f'[{first}, {second}]')}"))
    return f"{name}({wire()}, {wire()})"


def listed(draft: Drafts, width: int, part: Part, wire: Part) -> str:
    name = fresh(draft, "all")
    body = draft.pick(
        f"concat([x] + more) >> {back(draft, width)}", "mean([x] + more)", "sum([x] + more)",
        f"mean([x >> {untagged(part())}] + [m >> {untagged(part())} for m in more])",
    )  # fmt: skip
    draft.rules.append(f"{name}(x, more) = {body}")
    more = draft.pick("[]", f"[{wire()}]", f"[{wire()}, {wire()}]", f"[{wire()} for _ in 1..2]")
    return f"{name}({wire()}, {more})"


def with_network(draft: Drafts, width: int, part: Part, wire: Part) -> str:
    name = fresh(draft, "use")
    body = draft.pick("(x >> g) (+) (y >> g)", "(x >> g >> g) + y", "(x (+) y) >> g")
    draft.rules.append(f"{name}(g, x, y) = {body}")
    return f"{name}({named(draft, part)}, {wire()}, {wire()})"


# Weights -----------------------------------------------------------------------------


def learned(draft: Drafts, width: int) -> str:
    """A learned tensor beside a value."""
    sign = draft.pick("+", "*", "-")
    whole = draft.sequence or sign != "*" or draft.number(0, 1) == 0
    shape = f"[{width}]" if whole else f"[{width}, 1, 1]"
    begin = draft.pick("0.5", "1", "-0.25")
    return f"(wiring(x) {{ return x {sign} parameter({shape}, init = {begin}) }})"


def shared(draft: Drafts, once: Part, part: Part) -> str:
    """One instance used twice: of the net, of a block, of a turn."""
    kind = draft.number(0, 3)
    one = untagged(once())
    if kind == 0:
        name = fresh(draft, "once")
        one = one.replace("transpose >> mix >> transpose", "id")  # whose weights go by length
        draft.rules.append(f"{name} = shared({one})")
        return f"({name} >> {untagged(part())} >> {name})"
    if kind == 1:
        return f"(wiring(x) {written([f's = shared({one})'], '(x >> s) (+) (x >> s >> s)')})"
    if kind == 2:
        name = fresh(draft, "tied")
        draft.rules.append(f"{name}(w) = {{ s = shared({one})\n    return s >> s }}")
        return f"({name}(1) >> {name}(2))"
    return f"(wiring(x) {written([f's = shared({one})'], 'x >> s ** 2 >> s')})"


def passed(draft: Drafts, once: Part) -> str:
    """A network, or one instance of it, given to a rule that uses it twice."""
    name = fresh(draft, "twice")
    body = draft.pick("g >> g", "(g . g) (+) g", "g ** 2", "mean(g for _ in 1..2)")
    draft.rules.append(f"{name}(g) = {body}")
    one = untagged(once())
    return f"{name}({draft.pick(f'shared({one})', one)})"


# Nets --------------------------------------------------------------------------------


def inputs(draft: Drafts, width: int, part: Part) -> str:
    """What makes one value of two inputs."""
    join = draft.pick("a (+) b", "a + b", f"(a ++ b) >> {back(draft, width)}", "(a (+) b) + a", "b")
    enter = f"linear({width})" if draft.sequence else f"conv({width}, 3)"
    lines = [f"a = p >> {enter}", f"b = q >> {enter} >> {part()}"]
    return f"(wiring([p, q]) {written(lines, str(join))})"


def heads(draft: Drafts, head: str, other: str) -> str:
    """Two outputs of one value, or two exits."""
    result = draft.pick(
        f"[x >> {head}, x >> {other}]", "[x, y]", "[y, x, y]", f"[x >> {head} for _ in 1..2]"
    )
    return f"(wiring(x) {written([f'y = x >> {head}'], str(result))})"
