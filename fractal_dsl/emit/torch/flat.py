"""The `flat` style: one class, every operation a line of its own, in data-flow order.

Modules hang in the same nesting as in the `modules` style, from empty containers, so both have
the same state-dict keys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from fractal_dsl.emit.torch.calls import called, formula_on_samples, tied
from fractal_dsl.emit.torch.docs import class_doc
from fractal_dsl.emit.torch.flat_branches import Branches, Outer, spaced
from fractal_dsl.emit.torch.flat_needs import ALWAYS, NEVER, FlatNeeds, Need
from fractal_dsl.emit.torch.lines import Line, laid_out
from fractal_dsl.emit.torch.naming import Names
from fractal_dsl.emit.torch.operators import ENTRIES, call_of, facts, is_formula
from fractal_dsl.emit.torch.picks import Pick, Picks
from fractal_dsl.emit.torch.registers import input_names
from fractal_dsl.emit.torch.templates import written
from fractal_dsl.emit.torch.text import Code, Safe, commas, fill, ident, joined, literal
from fractal_dsl.emit.torch.uses import leaves_out
from fractal_dsl.emit.torch.views import ClassView
from fractal_dsl.ir.columns import ColumnTable
from fractal_dsl.ir.flat import FlatNode, FlatProgram
from fractal_dsl.ir.flatten import flatten, segment_of
from fractal_dsl.ir.graph import Apply, Call, HeadParameter, Join, Program
from fractal_dsl.ir.shapes import Shape

__all__ = ["flat_view"]


def flat_view(program: Program, columns: ColumnTable | None, picks: Picks) -> ClassView:
    """The one class of a flat module; with `columns` its joins are steered by plans."""
    return _FlatWriter(program, columns, picks).view()


class _FlatWriter:
    def __init__(self, program: Program, columns: ColumnTable | None, picks: Picks) -> None:
        self.program = program
        self.columns = columns
        sampling = program.sampling
        self.per_sample = columns is not None and sampling is not None and sampling.per_sample
        self.needs: list[Need] | None = None
        self.picks = picks
        self.flat: FlatProgram = flatten(program)
        self.nodes = self.flat.nodes
        self.readers = Counter(source for node in self.nodes for source in node.inputs)
        names = Names(["plan_seed"])
        self.heads = {head: ident(names.free(head.name)) for head in program.head_parameters}
        self.name = Names().free(program.name)
        self.lines: list[tuple[object, Line]] = []
        self.variables: dict[int, Code] = {}
        self.free: list[Code] = []
        self.begun: set[int] = set()
        self.sees_some = self.per_sample or leaves_out(program)
        self.branches = Branches(self.flat)
        self.base: tuple[int, Need] = (-1, ALWAYS)
        self.outer: list[Outer] = []
        self.functions = 0

    def view(self) -> ClassView:
        net = self.program.net
        sampled = self.columns is not None
        return ClassView(
            name=self.name,
            base=fill("DropPath" if sampled else "nn.Module"),
            doc=class_doc([net], net.doc or self.program.doc),
            attributes=laid_out(self.attributes(), 1),
            is_net=sampled,
            per_sample=self.per_sample,
            signature=laid_out([Line(self.signature())], 1),
            modules=laid_out(self.modules(), 2),
            reach=laid_out(self.reach(), 2) if sampled else [],
            head=laid_out([Line(self.head())], 1),
            forward=laid_out(self.forward(), 2),
        )

    def attributes(self) -> list[Line]:
        tops = dict.fromkeys(n.key.split(".")[0] for n in self.nodes if self.is_module(n))
        return [Line(fill("{}: Any", ident(top))) for top in tops]

    def signature(self) -> Code:
        given = [fill("self")]
        for head, name in self.heads.items():
            given.append(fill("{}: int = {}", name, literal(head.value)))
        if self.columns is not None:
            given.append(fill("plan_seed: int = 0"))
        return fill("def __init__({}) -> None:", commas(given))

    def head(self) -> Code:
        kind = fill("Samples" if self.per_sample else "Tensor")
        given = [fill("self")]
        given += [fill("{}: {}", name, kind) for name in self.input_names()]
        if self.columns is not None:
            given.append(fill("plan: Plan" if self.per_sample else "plan: Plan | None = None"))
        result = kind if len(self.flat.outputs) == 1 else fill("tuple[{}, ...]", kind)
        name = fill("compute" if self.per_sample else "forward")
        return fill("def {}({}) -> {}:", name, commas(given), result)

    def input_names(self) -> list[Code]:
        return input_names([self.nodes[at].shape for at in self.flat.inputs])

    # Modules -----------------------------------------------------------------------

    def is_module(self, node: FlatNode) -> bool:
        if node.attributes is None or node.weight:
            return False
        return not is_formula(node.attributes, self.shapes(node))

    def shapes(self, node: FlatNode) -> list[Shape]:
        return [self.nodes[source].shape for source in node.inputs]

    def modules(self) -> Iterator[Line]:
        """Containers before what they hold; joins, which hold no tensors, at the end."""
        made: set[str] = set()
        lengths: Counter[str] = Counter()
        lists = {
            key.rsplit(".", 1)[0]
            for node in self.nodes
            if self.is_module(node)
            for key in prefixes(node.key)
            if key.rsplit(".", 1)[-1].isdigit()
        }
        depths = {n.key: self.made(at, n) for at, n in enumerate(self.nodes) if n.start is not None}
        keys = [node.key for node in self.nodes if self.is_module(node)]
        places = registered(keys)
        order = sorted(
            (at for at, node in enumerate(self.nodes) if self.is_module(node)),
            key=lambda at: places[self.nodes[at].key],
        )
        for at in order:
            node = self.nodes[at]
            if node.key in made:
                continue
            for key in prefixes(node.key)[:-1]:
                if key not in made:
                    made.add(key)
                    kind = fill("nn.ModuleList()" if key in lists else "nn.Module()")
                    yield from put(key, depths.get(key, kind), lengths)
            made.add(node.key)
            yield from put(node.key, self.made(at, node), lengths)
        if self.columns is not None:
            for number, picks in enumerate(self.join_picks()):
                yield Line(self.join(number, picks))

    def made(self, at: int, node: FlatNode) -> Code:
        assert node.attributes is not None
        shapes = self.shapes(node)
        entry = ENTRIES[node.attributes.operator]
        numbers: dict[str, Safe] = {
            role: literal(value) for role, value in entry.numbers(node.attributes, shapes).items()
        }
        for head, name in self.heads.items():
            if self.is_head(head, node):
                numbers[head.attribute] = name
        decided = facts(node.attributes, shapes)
        inplace, some = self.is_inplace(node), self.sees_some
        return written(node.attributes, decided, numbers, inplace=inplace, sees_some=some)

    def is_head(self, head: HeadParameter, node: FlatNode) -> bool:
        layers = [self.program.net.nodes[at] for at in head.nodes]
        keys = [str(segment_of(layer)) for layer in layers if isinstance(layer, Apply)]
        return not node.calls and node.key in keys

    def is_inplace(self, node: FlatNode) -> bool:
        """Where nothing else reads what comes in, and its maker needs only its own input."""
        (source,) = node.inputs[:1] or (0,)
        before = self.nodes[source].attributes
        fresh = before is not None and before.operator == "batch_norm"
        return fresh and self.readers[source] == 1 and source not in self.flat.outputs

    def join(self, number: int, picks: tuple[Pick, ...] | None) -> Code:
        node = self.nodes[self.flat.joins[number]]
        given = [literal(len(node.operands))]
        if picks != self.picks.common:
            given.append(fill("picks={}", literal(picks)))
        rates = tuple(operand.rate for operand in node.operands)
        if any(rate is not None for rate in rates):
            given.append(fill("rates={}", literal(rates)))
        return fill("self.join_{} = Join({})", literal(number), commas(given))

    def join_picks(self) -> list[tuple[Pick, ...] | None]:
        """What each flat join keeps in every column, in the order of their numbers."""
        assert self.columns is not None
        found: list[tuple[Pick, ...] | None] = []
        stack = [(self.program.entry, self.columns.start, 0, 0)]
        while stack:
            graph, context, position, copy = stack.pop()
            nodes = self.program.graphs[graph].nodes
            if position == len(nodes):
                continue
            node = nodes[position]
            if isinstance(node, Call) and copy < node.count:
                stack.append((graph, context, position, copy + 1))
                inner = self.columns.enter[graph, context, position]
                stack.append((node.callee, inner, 0, 0))
                continue
            if isinstance(node, Join):
                kept = self.picks.of(graph, context, position) if node.sampled else None
                found.append(kept)
            stack.append((graph, context, position + 1, 0))
        return found

    # Plans ---------------------------------------------------------------------------

    def reach(self) -> list[Line]:
        """The joins, last first: each is drawn once all that may need it are."""
        needs = FlatNeeds(self.flat)
        joins = [needs.found[at] for at in self.flat.joins]
        asked = {join for need in joins if need is not ALWAYS for join, _ in need}
        lines = []
        for number in reversed(range(len(self.flat.joins))):
            need = needs.found[self.flat.joins[number]]
            given = [fill("self.join_{}", literal(number))]
            if need is not ALWAYS:
                given.append(self.test(need, "kept_{}"))
            drawn = fill("draw({})", commas(given))
            name = fill("kept_{} = ", literal(number)) if number in asked else fill("")
            lines.append(Line(Code(name + drawn)))
        return lines

    def test(self, need: frozenset[tuple[int, int]], row: str) -> Code:
        """`plan[3][0] or any(plan[4][1:3])`"""
        if need == NEVER:
            return fill("False")
        return joined(" or ", rows_of(need, row, fill("any")))

    def who(self, need: frozenset[tuple[int, int]]) -> Code:
        """The samples, as bits, for which a value is needed."""
        return joined(" | ", rows_of(need, "plan[{}]", fill("union")))

    # Forward -------------------------------------------------------------------------

    def forward(self) -> list[Line]:
        needs = self.needs = FlatNeeds(self.flat).found if self.columns is not None else None
        last = self.branches.last_readers()
        last.update(dict.fromkeys(self.flat.outputs, len(self.nodes)))
        self.variables.update(zip(self.flat.inputs, self.input_names(), strict=True))
        feeds: dict[int, list[tuple[int, int]]] = {}
        for join in self.flat.joins:
            if needs is not None and needs[join] == NEVER:
                continue
            for operand, source in enumerate(self.nodes[join].inputs):
                feeds.setdefault(source, []).append((join, operand))
        for at, node in enumerate(self.nodes):
            need = ALWAYS if needs is None else needs[at]
            if need == NEVER:
                continue
            for end in self.branches.ends.get(at, ()):
                self.enter(end, feeds)
            if node.start is not None:
                self.leave(at, need)
                self.release(self.branches.sources[at], at, last)
                self.variables[at] = self.new()
                text = self.called_branch(at, need)
                self.say(
                    need, fill("{} = {}", self.variables[at], text), str(list(node.shape.sizes))
                )
            elif not node.is_input:
                text = self.operation(at, node)
                for source in dict.fromkeys(node.inputs):
                    self.release(source, at, last)
                self.variables[at] = self.new()
                note = str(list(node.shape.sizes))
                self.say(need, fill("{} = {}", self.variables[at], text), note)
            if needs is not None:
                for join, operand in feeds.get(at, ()):
                    if self.branches.around(join) == self.branches.around(at):
                        self.put(at, join, operand)
        kind = fill("Samples" if self.per_sample else "Tensor")
        values = [self.variables[at] for at in self.flat.outputs]
        if len(values) > 1:
            self.say(ALWAYS, fill("return {}", commas(values)))
        else:
            self.say(ALWAYS, fill("y: {} = {}", kind, values[0]))
            self.say(ALWAYS, fill("return y"))
        return spaced(self.grouped())

    # Branches ------------------------------------------------------------------------

    def enter(self, end: int, feeds: Mapping[int, Sequence[tuple[int, int]]]) -> None:
        """A function of its own for a branch under stochastic depth: `x` is what comes in."""
        source = self.branches.sources[end]
        need = self.needs[end] if self.needs else ALWAYS
        self.outer.append(Outer(self.lines, self.variables, self.free, self.base))
        self.lines, self.variables, self.free = [], {source: fill("x")}, []
        self.base = (source, need)
        for join, operand in feeds.get(source, ()) if self.needs else ():
            if self.branches.around(join) == end:
                self.put(source, join, operand)

    def leave(self, end: int, need: Need) -> None:
        value = self.read(self.nodes[end].inputs[0], need)
        kind = fill("Samples" if self.per_sample else "Tensor")
        self.say(need, fill("y: {} = {}", kind, value))
        self.say(need, fill("return y"))
        inside = self.grouped()
        self.lines, self.variables, self.free, self.base = self.outer.pop()
        self.functions += 1
        head = "def branch_{}(x: {}, plan: Plan) -> {}:" if self.per_sample else (
            "def branch_{}(x: {}) -> {}:")  # fmt: skip
        self.note(need, Line(fill(head, literal(self.functions), kind, kind)))
        for line in inside:
            self.note(need, line._replace(depth=line.depth + 1))

    def called_branch(self, end: int, need: Need) -> Code:
        value = self.read(self.branches.sources[end], need)
        given = [value, fill("branch_{}", literal(self.functions))]
        if self.per_sample:
            given.append(fill("plan"))
        return fill("{}({})", placed_at(self.nodes[end].key), commas(given))

    def operation(self, at: int, node: FlatNode) -> Code:
        values = [self.read(source, self.needs[at] if self.needs else ALWAYS)
                  for source in node.inputs]  # fmt: skip
        if node.attributes is None:
            if self.columns is None:
                return fill("mean([{}])", commas(values))
            assert node.join is not None
            return fill("self.join_{}(ys_{})", literal(node.join), literal(node.join))
        shapes = self.shapes(node)
        if node.weight:
            return tied(placed_at(node.weight), values[0], self.per_sample)
        if not self.is_module(node):
            entry = ENTRIES[node.attributes.operator]
            numbers = {
                role: literal(value)
                for role, value in entry.numbers(node.attributes, shapes).items()
            }
            decided = facts(node.attributes, shapes)
            if self.per_sample:
                return formula_on_samples(node.attributes, decided, numbers, values)
            return written(node.attributes, decided, numbers, inputs=values)
        template = call_of(node.attributes, shapes)
        return called(template, placed_at(node.key), values, self.per_sample)

    def read(self, source: int, need: Need) -> Code:
        """A value as something with `need` reads it: where samples differ, those it needs."""
        text = self.variables[source]
        known = self.needs[source] if self.needs else ALWAYS
        if source == self.base[0]:
            known = self.base[1]
        if not self.per_sample or need is ALWAYS or need == known:
            return text
        return fill("{}.at({})", text, self.who(need))

    def put(self, at: int, join: int, operand: int) -> None:
        """An operand into its join's list, if it lives."""
        number = self.nodes[join].join
        assert number is not None
        need = frozenset({(number, operand)})
        if join not in self.begun:
            self.begun.add(join)
            start = len(self.lines)
            while start and self.lines[start - 1][0] == need:
                start -= 1
            begin = Line(fill("ys_{} = []", literal(number)))
            self.lines.insert(start, (ALWAYS, begin))
        self.say(need, fill("ys_{}.append({})", literal(number), self.read(at, need)))

    def say(self, need: object, code: Code, note: str = "") -> None:
        self.note(need, Line(code, note))

    def note(self, need: object, line: Line) -> None:
        """Inside a branch, what the branch itself is needed for goes without saying."""
        self.lines.append((ALWAYS if need == self.base[1] else need, line))

    def release(self, source: int, at: int, last: Mapping[int, int]) -> None:
        """The variable of a value that is read here last may be used again."""
        if last[source] == at and source != self.base[0]:
            self.free.append(self.variables[source])

    def new(self) -> Code:
        if self.free:
            return self.free.pop()
        return fill("x_{}", literal(len(set(self.variables.values()))))

    def grouped(self) -> list[Line]:
        made: list[Line] = []
        current: object = ALWAYS
        for need, line in self.lines:
            if need is ALWAYS:
                made.append(line)
            else:
                assert isinstance(need, frozenset)
                if need != current:
                    made.append(Line(fill("if {}:", self.test(need, "plan[{}]"))))
                made.append(line._replace(depth=line.depth + 1))
            current = need
        return made


def rows_of(need: frozenset[tuple[int, int]], row: str, several: Safe) -> Iterator[Safe]:
    """The rows of a need, those of neighbours together under the function `several`."""
    rows: dict[int, list[int]] = {}
    for join, operand in sorted(need):
        rows.setdefault(join, []).append(operand)
    for join, operands in rows.items():
        name = Code(row.format(join))
        first, last = operands[0], operands[-1] + 1
        if len(operands) == last - first > 1:
            yield fill("{}({}[{}:{}])", several, name, literal(first), literal(last))
        else:
            yield from (fill("{}[{}]", name, literal(one)) for one in operands)


def prefixes(key: str) -> list[str]:
    """`a`, `a.0`, `a.0.b` of `a.0.b`."""
    parts = key.split(".")
    return [".".join(parts[: at + 1]) for at in range(len(parts))]


def placed_at(key: str) -> Code:
    """`self.block[0].conv` for `block.0.conv`."""
    parts = (f"[{int(part)}]" if part.isdigit() else f".{ident(part)}" for part in key.split("."))
    return Code("self" + "".join(parts))


def registered(keys: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Where each key is registered: parts of a module as they are met, of a list by index."""
    ranks: dict[str, int] = {}
    met: Counter[str] = Counter()
    places: dict[str, tuple[int, ...]] = {}
    for key in keys:
        place = []
        for prefix in prefixes(key):
            around, _, part = prefix.rpartition(".")
            if part.isdigit():
                ranks[prefix] = int(part)
            elif prefix not in ranks:
                ranks[prefix] = met[around]
                met[around] += 1
            place.append(ranks[prefix])
        places[key] = tuple(place)
    return places


def put(key: str, value: Safe, lengths: Counter[str]) -> Iterator[Line]:
    """Statements that put a module in its place.

    What a column leaves out of a list is a gap; one that is computed later, as families of
    wires may be, fills its gap then.
    """
    around, _, part = key.rpartition(".")
    if not part.isdigit() or int(part) < lengths[around]:
        yield Line(fill("{} = {}", placed_at(key), value))
        return
    gaps = int(part) - lengths[around]
    lengths[around] = int(part) + 1
    for one in (*[fill("nn.Identity()")] * gaps, value):
        yield Line(fill("{}.append({})", placed_at(around), one))
