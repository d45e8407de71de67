"""The `flat` style: one class, every operation a line of its own, in data-flow order.

Modules hang in the same nesting as in the `modules` style, from empty containers, so both have
the same state-dict keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fractal_dsl.emit.torch.docs import class_doc
from fractal_dsl.emit.torch.flat_forward import forward_lines
from fractal_dsl.emit.torch.flat_joins import join_lines, reach_lines
from fractal_dsl.emit.torch.flat_modules import FlatModules
from fractal_dsl.emit.torch.flat_needs import FlatNeeds
from fractal_dsl.emit.torch.lines import Line, laid_out
from fractal_dsl.emit.torch.naming import Names
from fractal_dsl.emit.torch.picks import Picks
from fractal_dsl.emit.torch.registers import input_names
from fractal_dsl.emit.torch.text import Code, commas, fill, ident, literal
from fractal_dsl.emit.torch.uses import leaves_out
from fractal_dsl.emit.torch.views import ClassView
from fractal_dsl.ir.columns import ColumnTable
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.ir.graph import HeadParameter, Program

__all__ = ["flat_view"]


def flat_view(
    program: Program, columns: ColumnTable | None, picks: Picks, order: Sequence[int] | None = None
) -> ClassView:
    """The one class of a flat module; with `columns` its joins are steered by plans.

    `order` are the positions of the nodes in the order to compute them, if not their own;
    branches under stochastic depth keep theirs.
    """
    flat, net, sampling = flatten(program), program.net, program.sampling
    per_sample = columns is not None and sampling is not None and sampling.per_sample
    needs = None if columns is None else FlatNeeds(flat).found
    names = input_names([flat.nodes[at].shape for at in flat.inputs])
    heads = head_names(program)
    modules = FlatModules(program, flat, heads, per_sample or leaves_out(program))
    joins = [] if columns is None else join_lines(program, flat, columns, picks)
    return ClassView(
        name=Names().free(program.name),
        base=fill("nn.Module" if columns is None else "DropPath"),
        doc=class_doc([net], net.doc or program.doc),
        attributes=laid_out(modules.attributes(), 1),
        is_net=columns is not None,
        per_sample=per_sample,
        signature=laid_out([Line(signature(heads, columns is not None))], 1),
        modules=laid_out([*modules.lines(), *joins], 2),
        reach=[] if needs is None else laid_out(reach_lines(flat, needs), 2),
        head=laid_out([Line(head(names, len(flat.outputs), columns is not None, per_sample))], 1),
        forward=laid_out(forward_lines(flat, names, needs, order, per_sample), 2),
    )


def head_names(program: Program) -> dict[HeadParameter, Code]:
    """The arguments of `__init__` that size layers, by name."""
    names = Names(["plan_seed"])
    return {head: ident(names.free(head.name)) for head in program.head_parameters}


def signature(heads: Mapping[HeadParameter, Code], is_sampled: bool) -> Code:
    given = [fill("self")]
    for head, name in heads.items():
        given.append(fill("{}: int = {}", name, literal(head.value)))
    if is_sampled:
        given.append(fill("plan_seed: int = 0"))
    return fill("def __init__({}) -> None:", commas(given))


def head(names: Sequence[Code], outputs: int, is_sampled: bool, per_sample: bool) -> Code:
    kind = fill("Samples" if per_sample else "Tensor")
    given = [fill("self"), *(fill("{}: {}", name, kind) for name in names)]
    if is_sampled:
        given.append(fill("plan: Plan" if per_sample else "plan: Plan | None = None"))
    result = kind if outputs == 1 else fill("tuple[{}, ...]", kind)
    name = fill("compute" if per_sample else "forward")
    return fill("def {}({}) -> {}:", name, commas(given), result)
