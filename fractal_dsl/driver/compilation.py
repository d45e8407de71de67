"""A compiled net, and every form it can be written in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from fractal_dsl.diagnostics import Diagnostic
from fractal_dsl.driver.limits import check_columns, check_expansion
from fractal_dsl.driver.request import RequestError
from fractal_dsl.driver.sources import digest
from fractal_dsl.driver.targets import PICTURES
from fractal_dsl.ir.columns import ColumnTable
from fractal_dsl.ir.graph import Program
from fractal_dsl.passes.column_table import column_table
from fractal_dsl.passes.columns import ColumnMap
from fractal_dsl.passes.extract import extract_column
from fractal_dsl.passes.recompute import recomputed
from fractal_dsl.passes.report import Report, analyse, listed
from fractal_dsl.passes.schedule import schedule
from fractal_dsl.source import Source
from fractal_dsl.version import VERSION

if TYPE_CHECKING:
    import networkx as nx

    from fractal_dsl.emit.diagram import Drawing

__all__ = ["Compilation", "Form", "Style"]

Style: TypeAlias = Literal["modules", "flat"]


@dataclass(frozen=True, slots=True)
class Form:
    """The bytes of one output, and what its reader must be told."""

    data: bytes
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Compilation:
    """A compiled net: its graph, what is known of it, and every form it can be written in.

    `spec` is what it came from, `imported` the files that it imports in the order in which they
    are read, `warnings` what the compiler would have a person look at.
    """

    spec: Source
    program: Program
    warnings: tuple[Diagnostic, ...] = ()
    imported: tuple[Source, ...] = ()

    def __repr__(self) -> str:
        taken, given = map(listed, (self.program.net.inputs, self.program.net.output_shapes))
        return f"<Compilation {self.name}: {taken} -> {given}, from {self.spec.name}>"

    @property
    def name(self) -> str:
        return self.program.name

    @cached_property
    def report(self) -> Report:
        """Everything `fractalc info` prints."""
        return analyse(self.program)

    @cached_property
    def source(self) -> str:
        """The generated module, a class for each rule level."""
        return self.generate("modules")

    def generate(self, style: Style = "modules", *, checkpoint: bool = False) -> str:
        """The generated module in either style; both have the same state-dict keys.

        With `checkpoint`, parts between joins are computed again in the backward pass instead
        of being kept (`passes.recompute`). Raises DiagnosticError (F0301) for a net of more
        nodes than can be built, RequestError for checkpoints in flat style.
        """
        check_expansion(self.program)
        if checkpoint and style == "flat":
            raise RequestError("--checkpoint needs --style modules: flat code has no parts")
        from fractal_dsl.emit.torch import emit_module

        return emit_module(
            self.program,
            style=style,
            columns=self._columns(),
            recomputed=recomputed(self.program) if checkpoint else (),
            order=schedule(self.program) if style == "flat" else None,
            spec_name=PurePath(self.spec.name).name,
            spec_sha256=digest([self.spec, *self.imported]),
            imported=len(self.imported),
            version=VERSION,
        )

    def _columns(self) -> ColumnTable | None:
        if self.program.sampling is None:
            return None
        columns = ColumnMap(self.program)
        check_columns(columns)
        return column_table(self.program, columns)

    def column(self, number: int) -> Compilation:
        """Column `number`, 1 = the shallowest, as a network of its own.

        Its parameters have the names that they have in the whole net. Raises RequestError for
        a column that is not there.
        """
        count = ColumnMap(self.program).count
        if not 1 <= number <= count:
            raise RequestError(f"column {number}: the columns of `{self.name}` are 1 to {count:,}")
        return replace(self, program=extract_column(self.program, number))

    def module(self, style: Style = "modules", *, checkpoint: bool = False) -> type[Any]:
        """The generated class, in memory; needs torch."""
        from fractal_dsl.runtime import load_class

        return load_class(self.generate(style, checkpoint=checkpoint), self.name)

    def networkx(self) -> nx.MultiDiGraph[int]:
        """The whole net as one flat DAG; an edge's key is the input's position."""
        from fractal_dsl.ir.flatten import flat_networkx, flatten

        check_expansion(self.program)
        return flat_networkx(flatten(self.program))

    def draw(
        self, kind: str = "svg", *, expand: bool = False, highlight: str | None = None
    ) -> Drawing:
        """A picture (svg, png, pdf or dot); `highlight` is `column=K` or `sample=SEED`."""
        from fractal_dsl.driver.highlight import parse_highlight, plan_of
        from fractal_dsl.emit.diagram import DrawOptions, draw

        plan = None
        if highlight is not None:
            check_expansion(self.program)
            plan = plan_of(self.program, parse_highlight(highlight))
        options = DrawOptions(expand=expand, highlight=highlight, plan=plan)
        return draw(self.program, kind, options)

    def form(
        self,
        kind: str,
        *,
        style: Style = "modules",
        checkpoint: bool = False,
        expand: bool = False,
        highlight: str | None = None,
    ) -> Form:
        """Any kind of output (one of `targets.KINDS`) as the bytes of a file."""
        if kind == "python":
            return Form(self.generate(style, checkpoint=checkpoint).encode())
        if kind in PICTURES:
            drawing = self.draw(kind, expand=expand, highlight=highlight)
            return Form(drawing.data, drawing.notes)
        from fractal_dsl.emit.data import to_graphml, to_json

        if kind == "graphml":
            check_expansion(self.program)
        return Form({"json": to_json, "graphml": to_graphml}[kind](self.program).encode())

    def _repr_svg_(self) -> str:
        return self.draw("svg").data.decode()
