"""Names in generated code: made by the compiler, close to the spec's own words."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable

from fractal_dsl.emit.torch.text import Code, ident

__all__ = ["Names", "capitals", "local_name"]

WORD = re.compile(r"[^A-Za-z0-9]+")

# Whatever a generated module may define, import or use as a local name.
TAKEN = frozenset(
    """
    Any Attention BatchNorm1d BatchNorm2d Callable CrossAttention DropPath Draw F Generator Iterable
    Iterator Join Learned Live MaxPool2d NamedTuple Part Plan Samples Sequence Shared Still
    StochasticDepth Sum T Tensor Timing TorchFunctionMode annotations biased cache cast compress
    deepcopy mean nn on or_
    nullcontext partial places proxy recompute reduce contexts checkpoint torch twice union
    alive cls draw net g generator h kept live p plan q self super t u v w x y z
    """.split()
)


def is_free(name: str) -> bool:
    word = keyword.iskeyword(name) or keyword.issoftkeyword(name)
    return not (word or hasattr(builtins, name) or name in TAKEN)


def capitals(rule: str, level: int | None = None) -> str:
    """A class name: `F3` for level 3 of `f`, `BasicBlock` for `basic_block`."""
    words = [word for word in WORD.split(rule) if word]
    name = "".join(word[:1].upper() + word[1:] for word in words)[:50] or "Part"
    if not name[0].isalpha():
        name = f"Part{name}"
    return name if level is None else f"{name}{level}" if level >= 0 else f"{name}_{-level}"


def local_name(segment: str) -> str:
    """A variable for a module called `segment`."""
    name = segment[:50]
    return name if is_free(name) else f"{name}_"


class Names:
    """Hands out names, each once: those asked for first get them as they are."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.used = set(taken)

    def free(self, name: str) -> Code:
        number, one = 1, name
        while one in self.used or not is_free(one):
            number += 1
            one = f"{name}_{number}"
        self.used.add(one)
        return ident(one)
