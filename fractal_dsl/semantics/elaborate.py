"""From a resolved file to a program: one net, expanded into its distinct graphs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import PurePath

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help, Label
from fractal_dsl.ir.graph import Call, Graph, Join, Operand, Program, Share
from fractal_dsl.ir.prune import drop_unreached, live
from fractal_dsl.ir.shapes import NETWORK, Shape, image
from fractal_dsl.ir.shares import named_apart
from fractal_dsl.semantics import identifiers
from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.build import GraphBuilder
from fractal_dsl.semantics.call_errors import example_call
from fractal_dsl.semantics.constant_expressions import plain
from fractal_dsl.semantics.definitions import Resolved
from fractal_dsl.semantics.equations import one_line
from fractal_dsl.semantics.evaluate import evaluate
from fractal_dsl.semantics.graph_lints import graph_lints
from fractal_dsl.semantics.heads import head_parameters
from fractal_dsl.semantics.lookup import param_value
from fractal_dsl.semantics.machine import Steps, run
from fractal_dsl.semantics.sampling import sampling
from fractal_dsl.semantics.shapes import written_shape
from fractal_dsl.semantics.site import Place, Site
from fractal_dsl.semantics.strands import Flow, Form, leaves
from fractal_dsl.semantics.suggest import did_you_mean
from fractal_dsl.semantics.values import Scope, Value, describe, show
from fractal_dsl.semantics.wired import BUILDERS
from fractal_dsl.semantics.world import World
from fractal_dsl.syntax import tree
from fractal_dsl.syntax.walk import walk

__all__ = ["Elaborated", "elaborate"]


@dataclass(frozen=True, slots=True, eq=False)
class Elaborated:
    """A net as a program of graphs, with what is left to check once the passes have run."""

    program: Program
    warnings: tuple[Diagnostic, ...]
    world: World
    scope: Scope
    net: tree.NetDeclaration

    def check_assertions(
        self, facts: Mapping[str, Value], unknown: AbstractSet[str] = frozenset()
    ) -> list[Diagnostic]:
        """One diagnostic for each `assert` that does not hold; facts by name.

        An assertion of what is `unknown`, because the net holds modules of others, fails too.
        """
        found = []
        for assertion in self.world.resolved.assertions:
            failure = self._check(assertion, facts, unknown)
            if failure is not None:
                found.append(failure)
        return found

    def _check(
        self, assertion: tree.Assertion, facts: Mapping[str, Value], unknown: AbstractSet[str]
    ) -> Diagnostic | None:
        resolved = self.world.resolved
        hidden = resolved.names.keys() | resolved.params.keys() | self.scope.locals.keys()
        mentioned = {
            node.name: node
            for node in tree_names(assertion.condition)
            if node.name in facts and node.name not in hidden
        }
        for name in unknown & mentioned.keys():
            return not_known(mentioned[name])
        scope = self.scope.bind({name: facts[name] for name in mentioned})
        place = Place(self.world, scope, None)
        value = run(place.evaluate(assertion.condition))
        if value is True:
            return None
        if not isinstance(value, bool):
            message = f"`assert` takes a condition, not {describe(value)}"
            return Diagnostic("F0405", message, assertion.condition.span)
        return failed(place, assertion)


def tree_names(expression: tree.Expression) -> list[tree.Name]:
    return [node for node in walk(expression) if isinstance(node, tree.Name)]


def not_known(fact: tree.Name) -> Diagnostic:
    return Diagnostic(
        "F0702",
        f"`{fact.name}` is not known: the net holds modules that fractalc knows by name only",
        fact.span,
        "what `extern` modules hold and do is in no count",
        helps=(Help("`fractalc info` lists them, and counts the rest"),),
    )


def failed(place: Place, assertion: tree.Assertion) -> Diagnostic:
    """Both sides of a comparison that does not hold."""
    condition = assertion.condition
    labels: tuple[Label, ...] = ()
    message = "this assertion does not hold"
    if isinstance(condition, tree.Compare):
        left = run(place.evaluate(condition.left))
        right = run(place.evaluate(condition.right))
        message = f"assertion failed: {show(left)} {condition.operator} {show(right)}"
        labels = (
            Label(condition.left.span, show(left)),
            Label(condition.right.span, show(right)),
        )
    return Diagnostic("F0701", message, condition.span, "does not hold", labels=labels)


def elaborate(
    resolved: Resolved, net: str | None = None, overrides: Mapping[str, Value] | None = None
) -> Elaborated:
    """Expands one net of the file; `overrides` are values for params and net parameters.

    Raises `DiagnosticError`: F0212 for the choice of net, F0213 for an unknown override,
    and whatever the expansion meets.
    """
    chosen = choose(resolved, net)
    given = dict(overrides or {})
    world = World(resolved, evaluate)
    check_overrides(resolved, chosen, given)
    run(params(world, given))
    scope = run(net_scope(world, chosen, given))
    form = run(domain(world, chosen, scope))
    name = net_name(resolved, chosen)
    entry = run(entry_graph(world, chosen, scope, form, name))
    drawn = run(sampling(world, scope))
    if drawn is not None:
        refuse_shared_joins(world, entry)
    program = Program(
        name,
        (*world.graphs, entry),
        len(world.graphs),
        drawn,
        chosen.doc or resolved.syntax.doc,
        head_parameters(chosen, entry, scope),
    )
    program = drop_unreached(program)
    warnings = (*resolved.warnings, *graph_lints(resolved, program))
    return Elaborated(program, warnings, world, scope, chosen)


def refuse_shared_joins(world: World, entry: Graph) -> None:
    """Under drop-path a shared network holds no join: its uses would share one draw."""
    holds: list[bool] = []
    for graph in (*world.graphs, entry):
        joins = any(isinstance(node, Join) for node in graph.nodes)
        calls = (node.callee for node in graph.nodes if isinstance(node, Call | Share))
        holds.append(joins or graph.is_open or any(holds[callee] for callee in calls))
        for node in graph.nodes:
            if isinstance(node, Share) and holds[node.callee]:
                assert node.span is not None
                raise fail(
                    "F0415", "a shared network holds a join `(+)`, and the file has `drop_path`",
                    node.span, "its uses would share one draw",
                    "share what lies between joins, or leave out `drop_path`",
                )  # fmt: skip
            if isinstance(node, Call) and node.network and has_lists(world.graphs[node.callee]):
                assert node.span is not None
                raise fail(
                    "F0415", "a shared network works on lists, and the file has `drop_path`",
                    node.span, "which items live would differ from use to use",
                    "share what works on one tensor: `>> each(...)` uses it on every item",
                )  # fmt: skip


def has_lists(graph: Graph) -> bool:
    """Whether a graph takes or gives several tensors."""
    tensors = [shape for shape in graph.inputs if shape != NETWORK]
    return not graph.is_open and max(len(tensors), len(graph.outputs)) > 1


def choose(resolved: Resolved, net: str | None) -> tree.NetDeclaration:
    nets = resolved.nets
    if not nets:
        raise no_net(resolved)
    if net is None and len(nets) == 1:
        return nets[0]
    names = [one.name or "net" for one in nets]
    for one, name in zip(nets, names, strict=True):
        if name == net:
            return one
    message = "this file has several nets" if net is None else f"there is no net `{net}`"
    listed = Help("choose with --net: " + ", ".join(f"`{name}`" for name in names))
    raise DiagnosticError(Diagnostic("F0212", message, nets[-1].keyword, helps=(listed,)))


def no_net(resolved: Resolved) -> DiagnosticError:
    """With a line that would make a net of the last rule."""
    rules = resolved.names.own
    call = example_call(rules[-1]) if rules else "f(4)"
    return DiagnosticError(
        Diagnostic(
            "F0212",
            "this file has no net",
            rules[-1].equations[-1].head if rules else None,
            "a rule builds nothing by itself" if rules else "",
            helps=(Help(f"say what to build, for example `net = {call}`"),),
        )
    )


def check_overrides(
    resolved: Resolved, net: tree.NetDeclaration, given: Mapping[str, Value]
) -> None:
    known = {*resolved.params, *(parameter.name for parameter in net.parameters)}
    for name in given:
        if name not in known:
            helps = did_you_mean(name, known, "its params")
            message = f"there is no param `{name}` to set"
            raise DiagnosticError(Diagnostic("F0213", message, None, helps=helps))


def params(world: World, given: Mapping[str, Value]) -> Steps[None]:
    """Values of all params, those of imported files too; one may use another that needs it not."""
    settable = world.resolved.params
    world.params.update({settable[name]: given[name] for name in given if name in settable})
    for home in world.resolved.homes:
        for param in home.params.values():
            yield param_value(world, param)


def net_scope(world: World, net: tree.NetDeclaration, given: Mapping[str, Value]) -> Steps[Scope]:
    """The net's own parameters; callees may read them implicitly, like any rule's."""
    local: dict[str, Value] = {}
    for parameter in net.parameters:
        place = Place(world, Scope(world.resolved.names, dict(local), dict(local)), None)
        if parameter.name in given:
            local[parameter.name] = given[parameter.name]
        elif parameter.default is None:
            raise fail(
                "F0206", f"the net's parameter `{parameter.name}` has no value", parameter.span,
                "", f"give it a default, or set it with `--set {parameter.name}=...`",
            )  # fmt: skip
        else:
            value: Value = yield plain(place, parameter.default, f"`{parameter.name}`")
            local[parameter.name] = value
    return Scope(world.resolved.names, local, dict(local))


def domain(world: World, net: tree.NetDeclaration, scope: Scope) -> Steps[Form]:
    """What comes into the net: image[3, 32, 32] where the file says nothing."""
    written = net.domain
    if written is None:
        return image(3, 32, 32)
    if not isinstance(written, tree.ListDisplay):
        only: Shape = yield input_shape(world, written, scope)
        return only
    shapes: list[Form] = []
    for part in written.items:
        shape: Shape = yield input_shape(world, part, scope)
        shapes.append(shape)
    if not shapes:
        raise fail("F0405", "a net needs an input", written.span)
    return tuple(shapes)


def input_shape(world: World, written: tree.Expression, scope: Scope) -> Steps[Shape]:
    shape: Shape = yield written_shape(Place(world, scope, None), written, "an input")
    return shape


def net_name(resolved: Resolved, net: tree.NetDeclaration) -> str:
    """The net's own name, or one made from the file's: `fractal4.fdl` gives Fractal4."""
    if net.name is not None:
        reason = identifiers.refusal(net.name)
        if reason is not None:
            raise fail(
                "F0604", f"`{net.name}` cannot be the name of a network", net.name_span or net.span,
                reason, f"a free name close to it: `{identifiers.nearby(net.name)}`",
            )  # fmt: skip
        return net.name
    words = re.findall(r"[A-Za-z0-9]+", PurePath(resolved.syntax.source.name).stem)
    made = "".join(word[:1].upper() + word[1:] for word in words)
    return made if identifiers.refusal(made) is None else "Net"


def entry_graph(
    world: World, net: tree.NetDeclaration, scope: Scope, form: Form, name: str
) -> Steps[Graph]:
    builder = GraphBuilder(world, world.segments(net.body))
    world.net = builder.number
    world.building.append(builder.nodes)
    with world.frame("net", None):
        arrival = builder.arrival(form, net.body.span)
        flow: Flow = yield BUILDERS.apply(Site(builder, scope, BUILDERS, form), net.body, arrival)
        found = leaves(builder.close(flow))
    for strand in found:
        builder.batched(strand, "the net gives a parameter, whatever comes in")
    if not found:
        raise fail("F0405", "the net gives an empty list", net.body.span)
    inputs = [Operand(strand.ref) for strand in leaves(arrival)]
    parts = named_apart(builder.nodes, world.graphs)
    nodes, operands, _ = live(parts, [*inputs, *(strand.operand for strand in found)])
    return Graph(
        name, name, nodes, operands[len(inputs):], equation=one_line(net.span.text),
        doc=net.doc, span=net.span,
    )  # fmt: skip
