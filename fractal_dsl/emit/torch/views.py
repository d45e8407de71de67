"""What the templates are given: lines that are ready, and booleans that are decided."""

from __future__ import annotations

from dataclasses import dataclass

from fractal_dsl.emit.torch.text import Safe

__all__ = ["ClassView", "PlanView"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassView:
    """One generated class. `methods` is False where all of them are inherited.

    `signature` and `head` are the first lines of `__init__` and `forward`; `is_net` marks
    the network itself where it draws plans.
    """

    name: Safe
    base: Safe
    doc: Safe
    attributes: list[Safe]
    methods: bool = True
    is_net: bool = False
    signature: list[Safe]
    modules: list[Safe]
    reach: list[Safe]
    head: list[Safe]
    forward: list[Safe]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """The drop-path section. `picks` says those that most joins have.

    `has_groups`: some joins keep several inputs in a column. `some_columns` are those that
    global sampling may draw, None for all.
    """

    picks: list[Safe]
    pick_type: Safe
    has_groups: bool
    some_columns: Safe | None
