"""Two hundred small files that would expand to enormous networks, lists or numbers."""

from __future__ import annotations

__all__ = ["bombs"]

RULE = "f(1) = conv\nf(C+1) = (f(C) . f(C)) (+) conv\n"


def calling(width: int, levels: int, sign: str) -> str:
    """Rules that each call the one before `width` times."""
    rules = ["a0 = conv"]
    rules += [f"a{at + 1} = " + f" {sign} ".join([f"a{at}"] * width) for at in range(levels)]
    return "\n".join([*rules, f"net = a{levels}"])


def bombs() -> list[str]:
    """The files; each is to be refused with a code of a limit, F03xx."""
    found = [RULE + f"net = f({columns})" for columns in range(18, 48)]
    found += [RULE + f"net = f({10**power})" for power in range(4, 14)]
    found += [RULE.replace("(+)", "+") + f"net = f({columns})" for columns in range(18, 38)]
    found += [calling(10, levels, ">>") for levels in range(6, 36)]
    found += [calling(3, levels, "(+)") for levels in range(12, 22)]
    found += [f"net = conv ** 10**{power}" for power in range(6, 16)]
    found += [f"net = (conv >> relu) ** 10**{power}" for power in range(6, 16)]
    found += [f"net = ((conv ** {n}) >> relu) ** {n}" for n in range(500, 1500, 100)]
    found += [f"net = chain(conv for i in 1..10**{power})" for power in range(5, 15)]
    found += [f"net = mean(conv for i in 1..10**{power})" for power in range(5, 10)]
    found += [f"net = conv({n}**{n}**{n})" for n in range(6, 16)]
    found += [f"net = conv(10**{power})" for power in range(5_000, 10_000, 1_000)]
    found += [
        "d(0) = [1]\nd(n+1) = d(n) + d(n)\n" + f"net = conv(len(d({n})))" for n in (20, 40, 60)
    ]
    found += ["g(0, m) = conv(m)\ng(n+1, m) = g(n, 2*m) >> g(n, 2*m+1)\n" + f"net = g({n}, 1)"
              for n in range(12, 22)]  # fmt: skip
    found += ["g(0, m) = m\ng(n+1, m) = g(n, 2*m) + g(n, 2*m+1)\n" + f"net = conv(g({n}, 1))"
              for n in range(12, 22)]  # fmt: skip
    found += [f"t(n) if n != 0 = t(n + {step}) >> conv\nnet = t(1)" for step in range(1, 6)]
    found += [f"net = chain(chain(conv for i in 1..{n}) for j in 1..{n})" for n in (100, 500, 900)]
    found += [f"net = (id ++ conv) ** {n}" for n in (1_000, 10_000, 100_000)]
    found += [f"net = conv(len([i for i in 1..{n} for j in 1..{n}]))" for n in (400, 1_000, 9_000)]
    found += [RULE + f"net = f(9) ** 10**{power}" for power in range(4, 7)]
    return found
