"""What the templates are given: lines that are ready, and booleans that are decided."""

from __future__ import annotations

from dataclasses import dataclass, field

from fractal_dsl.emit.torch.text import Safe

__all__ = ["ClassView", "NetView", "PlanView"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassView:
    """One generated class. `methods` is False where all of them are inherited.

    `signature` and `head` are the first lines of `__init__` and `forward`; `given` is what the
    constructor of the base class takes; `told` are the kinds of modules that the network tells
    how large the mini-batch is; `is_net` marks
    the network itself where it draws plans. `recompute` are the last lines of `__init__`.
    `answers`: `reach` says which inputs are needed; `is_told`: it gives several values.
    """

    name: Safe
    base: Safe
    doc: Safe
    attributes: list[Safe]
    methods: bool = True
    is_net: bool = False
    per_sample: bool = False
    signature: list[Safe]
    given: Safe = field(default_factory=Safe)
    told: Safe = field(default_factory=Safe)
    modules: list[Safe]
    reach: list[Safe]
    head: list[Safe]
    forward: list[Safe]
    recompute: list[Safe] = field(default_factory=list)
    answers: bool = False
    is_told: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NetView:
    """What takes the network's inputs and gives its outputs, in the drop-path section.

    `first` is its first input; `several`: it has several outputs. The rest are lines.
    """

    first: Safe
    several: bool
    sampled_head: list[Safe]
    computed: list[Safe]
    compute_head: list[Safe]
    backward_head: list[Safe]
    tried: list[Safe]
    anytime_head: list[Safe]
    answered: list[Safe]
    passed: list[Safe]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """The drop-path section. `picks` says those that most joins have.

    `join_head` are the first lines of a join's `__init__`; `own_picks`, `own_rates`: some
    joins have others than most. `has_groups`: some joins keep several inputs in a column.
    `local`, `mixture` and `columns` are what the network begins with.
    `some_columns` are those that global sampling may draw, None for all. `per_sample`: each
    sample has a plan of its own; `told` as of a class. `simultaneous`: a step trains a local
    sample and all columns; `advance`: what a plan left out gets gradients of zero;
    `asks`: some parts take or give several values, not all of them in every plan.
    """

    picks: list[Safe]
    join_head: list[Safe]
    own_picks: bool
    own_rates: bool
    has_groups: bool
    local: Safe
    mixture: Safe
    columns: Safe
    some_columns: Safe | None
    per_sample: bool
    told: Safe
    simultaneous: bool
    advance: bool
    asks: bool
    net: NetView
