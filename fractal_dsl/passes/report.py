"""Everything that `info` prints and `assert` asks, of one program."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import TypeAlias

from fractal_dsl.ir.graph import Program
from fractal_dsl.ir.shapes import Shape
from fractal_dsl.passes import counts
from fractal_dsl.passes.columns import ColumnMap, ColumnReport
from fractal_dsl.passes.depth import depth, weighted_depth
from fractal_dsl.passes.live import CONVS, MACS, LiveWork
from fractal_dsl.passes.path_lengths import PathLengths, path_lengths
from fractal_dsl.passes.paths import PathCount, paths
from fractal_dsl.passes.receptive_field import ReceptiveField, receptive_field

__all__ = ["Fact", "Facts", "Report", "analyse", "facts", "listed"]


@dataclass(frozen=True, slots=True)
class Report:
    """All analyses of one program; every number is for one sample and exact.

    `joins` counts joins by arity. `columns` holds one report for each of `column_count`
    columns, shallowest first, or the first and the last where there are more than 1,024.
    `activation_bytes` is float32, everything kept (`counts.activation_bytes`).
    `expected_live` and `expected_live_convs` are shares of multiply-adds and of convolutions
    under drop-path; None without it, or where they are not known (`live`). `nodes` is the
    size of the flat graph, `distinct_graphs` that of the hierarchical one. `externs` counts the
    modules of others by name: what they hold and how much they work is in no number.
    """

    name: str
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    depth: int
    weighted_depth: int
    convs: int
    parameters: int
    parameters_by_kind: Mapping[str, int]
    buffers: int
    macs: int
    operators: Mapping[str, int]
    externs: Mapping[str, int]
    paths: PathCount
    path_lengths: PathLengths | None
    joins: Mapping[int, int]
    column_count: int
    columns: tuple[ColumnReport, ...]
    activation_bytes: int
    receptive_field: ReceptiveField | None
    expected_live: float | None
    expected_live_convs: float | None
    distinct_graphs: int
    nodes: int

    @property
    def input(self) -> Shape:
        """The first of the inputs; of most networks the only one."""
        return self.inputs[0]

    @property
    def output(self) -> Shape:
        """The first of the outputs; of most networks the only one."""
        return self.outputs[0]

    @property
    def ends(self) -> tuple[str, str]:
        """What goes in and what comes out, as FDL writes it: several as a list."""
        return listed(self.inputs), listed(self.outputs)


def listed(shapes: tuple[Shape, ...]) -> str:
    return str(shapes[0]) if len(shapes) == 1 else f"[{', '.join(map(str, shapes))}]"


def analyse(program: Program) -> Report:
    """Every analysis, each folded over distinct graphs: f(60) takes less than half a second."""
    columns = ColumnMap(program)
    live = LiveWork(program, columns)
    operators = counts.operators(program)
    held = {kind: counts.parameters(program, kind) for kind in sorted(operators)}
    return Report(
        name=program.name,
        inputs=program.net.inputs,
        outputs=program.net.output_shapes,
        depth=depth(program),
        weighted_depth=weighted_depth(program),
        convs=counts.convs(program),
        parameters=counts.parameters(program),
        parameters_by_kind={kind: number for kind, number in held.items() if number},
        buffers=counts.buffers(program),
        macs=counts.macs(program),
        operators=dict(sorted(operators.items())),
        externs=dict(sorted(counts.externs(program).items())),
        paths=paths(program),
        path_lengths=path_lengths(program),
        joins=dict(sorted(counts.joins(program).items())),
        column_count=columns.count,
        columns=columns.reports(),
        activation_bytes=counts.activation_bytes(program),
        receptive_field=receptive_field(program),
        expected_live=live.expected(MACS),
        expected_live_convs=live.expected(CONVS),
        distinct_graphs=len(program.graphs),
        nodes=counts.nodes(program),
    )


Fact: TypeAlias = int | float | tuple[int, ...]


def facts(program: Program) -> Facts:
    """What `assert` may ask, by name; each computed when it is first asked for."""
    return Facts(program)


class Facts(Mapping[str, Fact]):
    """Facts of one program by name.

    Integers, except: `output` is the tuple of the first output's sizes, `receptive_field` the pair
    (height, width), empty where there is none, and `paths` beyond 4,300 digits a float (an
    infinite one, since such a number has no other).
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._known: dict[str, Fact] = {}

    @property
    def unknown(self) -> frozenset[str]:
        """Facts that modules of others leave open."""
        return OPEN if counts.externs(self._program) else frozenset()

    def __getitem__(self, name: str) -> Fact:
        if name not in self._known:
            self._known[name] = FACTS[name](self._program)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(FACTS)

    def __len__(self) -> int:
        return len(FACTS)

    def __contains__(self, name: object) -> bool:
        return name in FACTS


def _paths(program: Program) -> Fact:
    exact = paths(program).exact
    return inf if exact is None else exact


def _field(program: Program) -> Fact:
    found = receptive_field(program)
    return () if found is None else (found.height, found.width)


OPEN = frozenset({"macs", "parameters", "receptive_field"})
FACTS: dict[str, Callable[[Program], Fact]] = {
    "columns": lambda program: ColumnMap(program).count,
    "convs": counts.convs,
    "depth": depth,
    "joins": lambda program: counts.joins(program).total(),
    "macs": counts.macs,
    "output": lambda program: program.output.sizes,
    "parameters": counts.parameters,
    "paths": _paths,
    "receptive_field": _field,
    "weighted_depth": weighted_depth,
}
