"""A thin twin of a spec: the same rules at a fraction of the width, on a small image.

Checking generated code in float64, with all gradients, costs seconds on the twin and minutes on
the network itself; both come from the same rules.
"""

from __future__ import annotations

import re

__all__ = ["thinned"]

IMAGE = re.compile(r"(on image\[\d+), \d+, \d+\]")
WIDTH = re.compile(r"(?<![\w.])(\d+)(?![\w.])")


def thinned(text: str, size: int, by: int = 8) -> str:
    """Every multiple of 8 in `text`, from 16 on, divided by `by`; an image of `size` x `size`.

    Assertions are left out. Numbers of layers are divided like widths, wherever they are
    written, so that rules still find their cases.
    """

    def smaller(found: re.Match[str]) -> str:
        number = int(found[1])
        return str(number // by if number >= 16 and number % 8 == 0 else number)

    made = []
    for line in text.splitlines():
        head, sign, tail = line.partition(" on image[")
        if not line.startswith("assert "):
            made.append(line if sign else WIDTH.sub(smaller, head) + tail)
    return IMAGE.sub(rf"\1, {size}, {size}]", "\n".join(made) + "\n")
