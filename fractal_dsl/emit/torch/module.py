"""A program as one Python file of standalone torch."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from fractal_dsl.emit.torch.check import check_code
from fractal_dsl.emit.torch.classes import Classes
from fractal_dsl.emit.torch.externs import (
    check_names,
    extern_paths,
    head_lines,
    import_lines,
)
from fractal_dsl.emit.torch.flat import flat_view
from fractal_dsl.emit.torch.instances import Tapes
from fractal_dsl.emit.torch.lines import Line, laid_out
from fractal_dsl.emit.torch.modules import class_views
from fractal_dsl.emit.torch.nets import net_view
from fractal_dsl.emit.torch.picks import Pick, Picks
from fractal_dsl.emit.torch.templates import render
from fractal_dsl.emit.torch.text import (
    Code,
    Safe,
    commas,
    comment,
    docstring,
    fill,
    joined,
    literal,
)
from fractal_dsl.emit.torch.uses import leaves_out
from fractal_dsl.emit.torch.views import ClassView, PlanView
from fractal_dsl.ir.columns import ColumnTable
from fractal_dsl.ir.graph import Join, Program

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
    imported: int = 0,
    version: str,
) -> str:
    """The text of a module that holds `program` as a `torch.nn.Module`.

    `style` is "modules", a class for each rule level, or "flat", one class with everything
    in a row; both have the same state-dict keys. `columns` are needed where the program is
    sampled (`passes.column_table`). Instances of the graphs `recomputed` (`modules` style only)
    keep nothing for the backward pass. `order` is that of the nodes in `flat` style
    (`passes.schedule`). What is returned has passed `check_code`.
    """
    externs = extern_paths(program)
    has_joins = any(isinstance(node, Join) for graph in program.graphs for node in graph.nodes)
    sampled = program.sampling is not None and has_joins
    picks = Picks(program, columns if sampled else None)
    table_ = columns if sampled else None
    per_sample = sampled and program.sampling is not None and program.sampling.per_sample
    if style == "flat":
        views = [flat_view(program, table_, picks, order)]
    else:
        views = class_views(Classes(Tapes(program, table_), picks), recomputed)
    thins = leaves_out(program)
    norms = partial_norms(views)
    told = joined(" | ", norms)
    plan = plan_view(program, table_, picks, views, told) if table_ else None
    if plan is None or not plan.per_sample:
        views = [*views[:-1], replace(views[-1], told=told)]
    view = {
        "header": header(spec_name, spec_sha256, imported, version, externs),
        "doc": module_doc(program),
        "name": views[-1].name,
        "plan": plan,
        "has_joins": has_joins,
        "sums": True if has_joins and style == "flat" and not per_sample else None,
        "recompute": True if recomputed else None,
        "norms": norms,
        "thins": thins,
        "style": style,
        "parts": parts(views),
        "classes": views,
        **imports(views, plan, has_joins, bool(recomputed), thins, externs),
    }
    text = render("module.py.j2", view)
    check_code(text, externs)
    check_names(program, text, externs)
    return text


def header(
    spec_name: str, spec_sha256: str, imported: int, version: str, externs: Sequence[str]
) -> list[Safe]:
    files = f" and {imported} file{'s' * (imported > 1)} that it imports" if imported else ""
    lines = [
        f"Made by fractalc {version} from {spec_name}{files}; do not edit.",
        f"sha256 {spec_sha256}",
        *head_lines(externs),
    ]
    return [Safe(f"# {comment(line)}") for line in lines]


def module_doc(program: Program) -> Safe:
    return docstring(program.doc if program.doc.strip() else f"{program.name}.", 0)


PARTS = ("Attention", "CrossAttention", "Learned", "MaxPool2d", "Timing", "biased")
PICKS_NOTE = "for each column, the input of a join that lives"


def table(picks: tuple[Pick, ...]) -> Safe:
    """A table of columns; a long one that counts up or down is a range."""
    numbers = [pick for pick in picks if isinstance(pick, int)]
    if len(numbers) == len(picks) > 8:
        first, last = numbers[0], numbers[-1]
        for step in (-1, 1):
            if numbers == list(range(first, last + step, step)):
                return fill("range({}, {}, {})", *map(literal, (first, last + step, step)))
    return literal(picks)


def plan_view(
    program: Program,
    columns: ColumnTable,
    picks: Picks,
    views: Sequence[ClassView],
    told: Safe,
) -> PlanView:
    sampling = program.sampling
    assert sampling is not None
    made = " ".join(line for view in views for line in (*view.attributes, *view.modules))
    groups = any(isinstance(p, tuple) for n in range(len(picks.merged)) for p in picks.table(n))
    own_picks, own_rates = "picks" in made or groups, "rates" in made
    own_shared = "shared" in made
    note = f"{PICKS_NOTE}, where not said otherwise" if own_picks else PICKS_NOTE
    return PlanView(
        picks=laid_out([Line(fill("COLUMNS = {}", table(picks.common)), note)]),
        join_head=join_head(own_picks, own_rates, own_shared, groups),
        own_picks=own_picks,
        own_rates=own_rates,
        own_shared=own_shared,
        has_groups=groups,
        local=literal(sampling.local),
        mixture=literal(sampling.mixture),
        columns=literal(columns.count),
        some_columns=None if sampling.columns is None else literal(sampling.columns),
        per_sample=sampling.per_sample,
        told=told,
        simultaneous=sampling.simultaneous,
        advance=sampling.dead == "advance",
        asks=any(view.answers or view.is_told for view in views),
        net=net_view(program),
    )


def join_head(own_picks: bool, own_rates: bool, own_shared: bool, groups: bool) -> list[Safe]:
    given = [fill("self"), fill("arity: int")]
    if own_picks:
        kind = fill("int | tuple[int, ...]" if groups else "int")
        given.append(fill("picks: Sequence[{}] | None = COLUMNS", kind))
    if own_rates:
        given.append(fill("rates: Sequence[float | None] | None = None"))
    if own_shared:
        given.append(fill("shared: bool = False"))
    return laid_out([Line(fill("def __init__({}) -> None:", commas(given)))], 1)


def imports(
    views: Sequence[ClassView],
    plan: PlanView | None,
    has_joins: bool,
    again: bool,
    thins: bool,
    externs: Sequence[str],
) -> dict[str, list[Safe]]:
    """The import lines that the code needs."""
    text = "\n".join(line for v in views for line in code_of(v))
    draws, per_sample = plan is not None, plan is not None and plan.per_sample
    varies = plan is not None and (plan.own_picks or plan.own_rates)
    names = {
        "collections.abc": {
            "Callable": draws or again, "Iterable": per_sample, "Iterator": draws,
            "Sequence": per_sample or varies,
        },
        "contextlib": {"nullcontext": again},
        "copy": {"deepcopy": draws},
        "functools": {"cache": draws, "partial": again, "reduce": per_sample or "reduce(" in text},
        "itertools": {"compress": "compress(" in text},
        "operator": {"or_": per_sample},
        "typing": {
            "Any": draws or again or thins or "Any" in words(text), "NamedTuple": per_sample,
            "cast": draws or "cast" in words(text),
        },
        "weakref": {"proxy": draws},
    }  # fmt: skip
    own = r"\btorch\.|(?<!nn\.)\b(Learned|MaxPool2d|Timing)\("
    asks = has_joins or again or thins or re.search(own, text)
    used: list[Safe] = [fill("import torch")] if asks else []
    used = [*used, *import_lines(externs), fill("from torch import Tensor, nn")]
    if draws:
        used.append(fill("from torch.overrides import TorchFunctionMode"))
    if again:
        used.append(fill("from torch.utils.checkpoint import checkpoint"))
    return {"standard": from_imports(names), "imports": used}


def from_imports(names: Mapping[str, Mapping[str, bool]]) -> list[Safe]:
    found = {module: [name for name, used in of.items() if used] for module, of in names.items()}
    return [
        Code(f"from {module} import {', '.join(kept)}") for module, kept in found.items() if kept
    ]


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def parts(views: Sequence[ClassView]) -> set[str]:
    """Names of our own layers that the code uses; the template of them asks."""
    made = "\n".join(line for view in views for line in view.modules)
    return {name for name in PARTS if re.search(rf"(?<!nn\.)\b{name}\(", made)}


def partial_norms(views: Sequence[ClassView]) -> list[Safe]:
    """Batch norms that need not see all samples of a mini-batch."""
    made = "\n".join(line for view in views for line in view.modules)
    kinds: list[Safe] = [fill("BatchNorm1d"), fill("BatchNorm2d")]
    return [kind for kind in kinds if re.search(rf"(?<!nn\.){kind}\(", made)]


def code_of(view: ClassView) -> list[Safe]:
    return [*view.attributes, *view.modules, *view.reach, *view.forward]
