"""A program as one Python file of standalone torch."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from fractal_dsl.emit.torch.check import check_code
from fractal_dsl.emit.torch.classes import Classes
from fractal_dsl.emit.torch.flat import flat_view
from fractal_dsl.emit.torch.instances import Tapes
from fractal_dsl.emit.torch.lines import Line, laid_out
from fractal_dsl.emit.torch.modules import class_views
from fractal_dsl.emit.torch.picks import Pick, Picks
from fractal_dsl.emit.torch.templates import render
from fractal_dsl.emit.torch.text import Code, Safe, comment, docstring, fill, joined, literal
from fractal_dsl.emit.torch.views import ClassView, PlanView
from fractal_dsl.ir.columns import ColumnTable
from fractal_dsl.ir.graph import Join, Program, Sampling

__all__ = ["emit_module"]


def emit_module(
    program: Program,
    *,
    style: str = "modules",
    columns: ColumnTable | None = None,
    recomputed: Collection[int] = (),
    order: Sequence[int] | None = None,
    spec_name: str,
    spec_sha256: str,
    version: str,
) -> str:
    """The text of a module that holds `program` as a `torch.nn.Module`.

    `style` is "modules", a class for each rule level, or "flat", one class with everything
    in a row; both have the same state-dict keys. `columns` are needed where the program is
    sampled (`passes.column_table`). Instances of the graphs `recomputed` (`modules` style only)
    keep nothing for the backward pass. `order` is that of the nodes in `flat` style
    (`passes.schedule`). What is returned has passed `check_code`.
    """
    has_joins = any(isinstance(node, Join) for graph in program.graphs for node in graph.nodes)
    sampled = program.sampling is not None and has_joins
    picks = Picks(program, columns if sampled else None)
    table_ = columns if sampled else None
    per_sample = sampled and program.sampling is not None and program.sampling.per_sample
    if style == "flat":
        views = [flat_view(program, table_, picks, order)]
    else:
        views = class_views(Classes(Tapes(program, table_), picks), recomputed)
    view = {
        "header": header(spec_name, spec_sha256, version),
        "doc": module_doc(program),
        "name": views[-1].name,
        "plan": plan_view(program, picks, views) if sampled else None,
        "has_joins": has_joins,
        "sums": True if has_joins and style == "flat" and not per_sample else None,
        "recompute": True if recomputed else None,
        "parts": parts(views),
        "classes": views,
        **imports(views, program.sampling if sampled else None, has_joins, bool(recomputed)),
    }
    text = render("module.py.j2", view)
    check_code(text)
    return text


def header(spec_name: str, spec_sha256: str, version: str) -> list[Safe]:
    lines = [f"Made by fractalc {version} from {spec_name}; do not edit.", f"sha256 {spec_sha256}"]
    return [Safe(f"# {comment(line)}") for line in lines]


def module_doc(program: Program) -> Safe:
    return docstring(program.doc if program.doc.strip() else f"{program.name}.", 0)


PARTS = ("Learned", "MaxPool2d", "biased")
PICKS_NOTE = "for columns 1, 2, ...: the input of a join that lives, where not said otherwise"


def table(picks: tuple[Pick, ...]) -> Safe:
    """A table of columns; a long one that counts up or down is a range."""
    numbers = [pick for pick in picks if isinstance(pick, int)]
    if len(numbers) == len(picks) > 8:
        first, last = numbers[0], numbers[-1]
        for step in (-1, 1):
            if numbers == list(range(first, last + step, step)):
                return fill("range({}, {}, {})", *map(literal, (first, last + step, step)))
    return literal(picks)


def plan_view(program: Program, picks: Picks, views: Sequence[ClassView]) -> PlanView:
    assert program.sampling is not None
    per_sample = program.sampling.per_sample
    made = " ".join(line for view in views for line in view.modules) if per_sample else ""
    norms: list[Safe] = [fill(kind) for kind in ("BatchNorm1d", "BatchNorm2d") if kind in made]
    some = program.sampling.columns
    groups = any(isinstance(p, tuple) for n in range(len(picks.merged)) for p in picks.table(n))
    return PlanView(
        picks=laid_out([Line(fill("COLUMNS = {}", table(picks.common)), PICKS_NOTE)]),
        pick_type=fill("int | tuple[int, ...]" if groups else "int"),
        has_groups=groups,
        some_columns=None if some is None else literal(some),
        per_sample=per_sample,
        norms=norms,
        norm_types=joined(" | ", norms),
        simultaneous=program.sampling.simultaneous,
        advance=program.sampling.dead == "advance",
    )


def imports(
    views: Sequence[ClassView], sampling: Sampling | None, has_joins: bool, again: bool
) -> dict[str, list[Safe]]:
    """The import lines that the code needs."""
    text = "\n".join(line for v in views for line in code_of(v))
    per_sample = sampling is not None and sampling.per_sample
    standard: list[Safe] = []
    if per_sample:
        standard.append(fill("from collections.abc import Callable, Iterable, Sequence"))
    elif sampling is not None:
        standard.append(fill("from collections.abc import Callable, Sequence"))
    elif again:
        standard.append(fill("from collections.abc import Callable"))
    if again:
        standard.append(fill("from contextlib import nullcontext"))
    reduces = "reduce(" in text or per_sample
    tools = [word for word, used in (("partial", again), ("reduce", reduces)) if used]
    if tools:
        standard.append(fill("from functools import {}", Code(", ".join(tools))))
    if "compress(" in text:
        standard.append(fill("from itertools import compress"))
    if per_sample:
        standard.append(fill("from operator import or_"))
    typed = [word for word in ("Any", "cast") if re.search(rf"\b{word}\b", text)]
    typed = sorted({*typed, *(["NamedTuple"] * per_sample), *(["Any"] * again)})
    if typed:
        standard.append(fill("from typing import {}", Code(", ".join(typed))))
    needs_torch = has_joins or again or "torch." in text or parts(views) & {"Learned", "MaxPool2d"}
    used: list[Safe] = [fill("import torch")] if needs_torch else []
    used.append(fill("from torch import Tensor, nn"))
    if again:
        used.append(fill("from torch.utils.checkpoint import checkpoint"))
    return {"standard": standard, "imports": used}


def parts(views: Sequence[ClassView]) -> set[str]:
    """Names of our own layers that the code uses; the template of them asks."""
    made = "\n".join(line for view in views for line in view.modules)
    return {name for name in PARTS if re.search(rf"(?<!nn\.)\b{name}\(", made)}


def code_of(view: ClassView) -> list[Safe]:
    return [*view.attributes, *view.modules, *view.reach, *view.forward]
