"""What one expansion knows: distinct calls and graphs so far, the chain of calls, limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Frame, Help
from fractal_dsl.ir.graph import Graph, Node
from fractal_dsl.semantics.definitions import Param, Resolved, free_names, implicits_read
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.mismatch import OutputPlace
from fractal_dsl.semantics.naming import segments
from fractal_dsl.semantics.strands import Strands
from fractal_dsl.semantics.values import (
    Closure,
    Elements,
    Items,
    RuleCall,
    RuleValue,
    Scope,
    SharedNetwork,
    Value,
    Wire,
)
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree
from fractal_dsl.syntax.walk import walk

__all__ = ["MAX_DEPTH", "Made", "World", "value_key"]

# Distinct calls and graphs of one expansion: ResNet-1202 with a rate for each unit needs about
# 5,000. The other limits stop what would only meet this one after seconds: calls nested in
# calls, argument sets of one level of a recursion, and inputs of joins, all joins together.
MAX_CALLS = 20_000
MAX_DEPTH = 1_000
MAX_VARIANTS = 128
MAX_STRANDS = 100_000

SMALLER = "make every call's arguments smaller, and give a base case"


def value_key(value: Value) -> Hashable:
    """A key that tells values apart where Python's `==` does not: 1, 1.0 and true differ."""
    match value:
        case Items():
            return ("list", tuple(value_key(item) for item in value.values))
        case tuple():
            return ("tuple", tuple(value_key(item) for item in value))
        case Closure() | RuleCall():
            return ("network", value.key)
        case RuleValue():
            return ("rule", id(value.definition))
        case SharedNetwork():
            return ("shared", value.key)
        case Wire():
            return ("wire", value.home, tuple(strand.ref for strand in value.flow.strands))
        case Elements():
            return ("family", value.key)
        case _:
            return (type(value).__name__, value)


@dataclass(frozen=True, slots=True)
class Made:
    """A network built for one form of what comes in.

    `reads` are, of the tensors that come in, those that the graph takes, in order. `form`
    says how its outputs nest where they are a list; None for one tensor or an open join.
    `learned` says of each output whether it comes from parameters alone. `borrows` are the
    shared networks of other graphs that it takes after all else.
    """

    graph: int
    reads: tuple[int, ...]
    form: Strands | None
    learned: tuple[bool, ...]
    borrows: tuple[SharedNetwork, ...] = ()


@dataclass(eq=False, slots=True)
class World:
    """State of one expansion of a resolved file.

    `net` numbers the builder of the net's own graph; `shares` are, of each shared network, the
    graph that it first came to and where. `evaluator(place, expression)` is `semantics.evaluate`,
    for the modules that it stands on.
    """

    resolved: Resolved
    evaluator: Callable[..., Steps[Value]]
    params: dict[Param, Value | None] = field(default_factory=dict)
    graphs: list[Graph] = field(default_factory=list)
    output_places: list[tuple[OutputPlace, ...]] = field(default_factory=list)
    known_graphs: dict[Graph, int] = field(default_factory=dict)
    instances: dict[Hashable, Made | None] = field(default_factory=dict)
    calls: dict[Hashable, Value | None] = field(default_factory=dict)
    variants: Counter[Hashable] = field(default_factory=Counter)
    strands: int = 0
    builders: int = 0
    net: int = 0
    shares: dict[int, tuple[int, Span]] = field(default_factory=dict)
    building: list[list[Node]] = field(default_factory=list)
    _interned: dict[Hashable, int] = field(default_factory=dict)
    _frames: list[Frame] = field(default_factory=list)
    _segments: dict[int, dict[int, str]] = field(default_factory=dict)
    _read: dict[int, tuple[frozenset[str], frozenset[str]]] = field(default_factory=dict)

    def next_builder(self) -> int:
        self.builders += 1
        return self.builders

    def intern(self, key: Hashable) -> int:
        return self._interned.setdefault(key, len(self._interned))

    def segments(self, root: tree.Expression) -> dict[int, str]:
        """Segment names of the equation body `root`, computed once."""
        if id(root) not in self._segments:
            self._segments[id(root)] = segments(root)
        return self._segments[id(root)]

    def closure(self, expression: tree.Expression, scope: Scope) -> Closure:
        """`expression` as a network, keyed by the values that its names have in `scope`."""
        mentioned, free = self.names_in(expression)
        local = {name: scope.locals[name] for name in mentioned if name in scope.locals}
        unbound = implicits_read(free - local.keys(), scope.names, self.resolved.implicits)
        key = (
            id(expression),
            id(scope.names),
            self.names_key(local),
            self.names_key({n: scope.implicits[n] for n in unbound if n in scope.implicits}),
            scope.recursion,
        )
        return Closure(expression, scope, self.intern(key))

    def names_in(self, expression: tree.Node) -> tuple[frozenset[str], frozenset[str]]:
        """All names in an expression, and those that it does not bind itself."""
        if id(expression) not in self._read:
            every = (node.name for node in walk(expression) if isinstance(node, tree.Name))
            found = frozenset(every), frozenset(free_names([expression]))
            self._read[id(expression)] = found
        return self._read[id(expression)]

    def names_key(self, names: Mapping[str, Value]) -> Hashable:
        return tuple((name, value_key(names[name])) for name in sorted(names))

    @contextmanager
    def frame(self, call: str, span: Span | None) -> Iterator[None]:
        """While a call is expanded, errors inside it name it."""
        self._frames.append(Frame(call, span))
        try:
            yield
        except DiagnosticError as error:
            raise self.with_chain(error) from None
        finally:
            self._frames.pop()

    def with_chain(self, error: DiagnosticError) -> DiagnosticError:
        """`error` with the calls it happened in, unless an inner call has told them."""
        chain = tuple(reversed(self._frames))
        done = (d if d.chain or not chain else self._chained(d, chain) for d in error.diagnostics)
        return DiagnosticError(*done)

    def _chained(self, diagnostic: Diagnostic, chain: tuple[Frame, ...]) -> Diagnostic:
        """With `chain`; what is found inside shipped text is told at the user's innermost call."""
        span = diagnostic.span
        if span is not None and span.source.is_shipped:
            for at, frame in enumerate(chain):
                if frame.span is not None and not frame.span.source.is_shipped:
                    note = f"found inside `{frame.call}`, at {span}"
                    notes, chain = (*diagnostic.notes, note), chain[at + 1 :]
                    return replace(diagnostic, span=frame.span, notes=notes, chain=chain)
        return replace(diagnostic, chain=chain)

    def add_graph(self, graph: Graph, places: tuple[OutputPlace, ...]) -> int:
        """Position of `graph`, shared with an equal one that was built before.

        `places` are, of each output, what was written and the joins that it was written in.
        """
        if graph not in self.known_graphs:
            self.known_graphs[graph] = len(self.graphs)
            self.graphs.append(graph)
            self.output_places.append(places)
        return self.known_graphs[graph]

    def trail(self) -> str:
        """Heights and widths on the way to the graph being built: `32x32 -> 16x16 -> 8x8`."""
        sizes: list[str] = []
        for nodes in self.building:
            for node in nodes:
                size = "x".join(map(str, node.shapes[0].spatial))
                if size and sizes[-1:] != [size]:
                    sizes.append(size)
        return " -> ".join(sizes)

    def count_call(self, span: Span | None, inside: int = 0) -> None:
        """Refuses an expansion that does not end; `inside` counts frames of the call itself."""
        if len(self._frames) > MAX_DEPTH + inside:
            raise self.endless(span, f"more than {MAX_DEPTH:,} calls nested here")
        if len(self.calls) + len(self.instances) > MAX_CALLS:
            raise self.endless(span, f"reached after {len(self.calls):,} distinct calls")

    def count_variant(self, rule: Hashable, span: Span) -> None:
        """Refuses a recursion whose arguments multiply from level to level."""
        self.variants[rule] += 1
        if self.variants[rule] > MAX_VARIANTS:
            raise self.endless(span, f"more than {MAX_VARIANTS} argument sets at one level")

    def count_strands(self, count: int, span: Span) -> None:
        """Refuses joins whose inputs, all together, are too many."""
        self.strands += count
        if self.strands > MAX_STRANDS:
            raise self.endless(span, f"more than {MAX_STRANDS:,} values so far")

    def endless(self, span: Span | None, label: str, way_out: str = SMALLER) -> DiagnosticError:
        outermost = next((f"`{f.call}`" for f in self._frames if "(" in f.call), "the net")
        return DiagnosticError(
            Diagnostic(
                "F0305",
                f"the expansion of {outermost} does not end, or is too large",
                span,
                label,
                notes=(f"the limits are {MAX_CALLS:,} distinct calls, {MAX_DEPTH:,} nested",),
                helps=(Help(way_out),),
            )
        )
