"""What the writer of a body asks of a style: how each operation reads in code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fractal_dsl.emit.torch.tape import Hold, Invoke, Meet, Open, Part
from fractal_dsl.emit.torch.text import Code, Safe, fill, literal

__all__ = ["Expressions", "nothing"]


class Expressions(Protocol):
    """How one style writes its operations.

    `per_sample`: values are those of some samples, and are asked for those that a reader needs.
    `nests` says whether calls may stand in the list of a join's operands, rather than each
    on a line of its own.
    """

    @property
    def is_sampled(self) -> bool: ...
    @property
    def per_sample(self) -> bool: ...
    @property
    def nests(self) -> bool: ...
    def note(self, part: Part) -> str: ...
    def expression(self, part: Part, inputs: Sequence[Safe], live: Safe | None) -> Code: ...
    def join(self, part: Meet, operands: Safe) -> Code: ...
    def row(self, part: Meet) -> Code: ...
    def asking(self, part: Invoke | Open, live: Safe | None, who: Safe | None) -> Code: ...
    def outputs_note(self) -> str: ...
    def held(self, part: Hold) -> Code: ...


def nothing(part: Invoke | Open) -> Code:
    """What a call that is dead needs of the inputs that it asks for."""
    return fill("Live([False] * {})", literal(len(part.asked.inputs)))
