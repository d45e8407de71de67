"""What the templates are given: lines that are ready, and booleans that are decided."""

from __future__ import annotations

from dataclasses import dataclass, field

from fractal_dsl.emit.torch.text import Code, Safe, fill, literal
from fractal_dsl.ir.columns import ColumnTable
from fractal_dsl.ir.graph import Program

__all__ = ["ClassView", "NetView", "PlanView", "net_attributes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassView:
    """One generated class. `methods` is False where all of them are inherited.

    `signature` and `head` are the first lines of `__init__` and `forward`; `is_net` marks
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
    passed: list[Safe]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """The drop-path section. `picks` says those that most joins have.

    `has_groups`: some joins keep several inputs in a column. `some_columns` are those that
    global sampling may draw, None for all. `per_sample`: each sample has a plan of its own;
    `norms` are the kinds of batch norm that are told how many samples they see.
    `simultaneous`: a step trains a local sample and all columns; `advance`: what a plan left
    out gets gradients of zero. `asks`: some parts take or give several values, not all of them
    in every plan.
    """

    picks: list[Safe]
    pick_type: Safe
    has_groups: bool
    some_columns: Safe | None
    per_sample: bool
    norms: list[Safe]
    norm_types: Safe
    simultaneous: bool
    advance: bool
    asks: bool
    net: NetView


def net_attributes(program: Program, columns: ColumnTable | None) -> list[Code]:
    """What the network class says of its drop-path; nothing where there is none."""
    sampling = program.sampling
    if columns is None or sampling is None:
        return []
    lines = [fill("local_rate = {}", literal(sampling.local))]
    if not sampling.simultaneous:
        lines.append(fill("global_rate = {}", literal(sampling.mixture)))
    return [*lines, fill("columns = {}", literal(columns.count))]
