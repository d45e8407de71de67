"""The body of `reach`: which joins a plan comes to, consumers before producers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fractal_dsl.emit.torch.asks import NOTHING
from fractal_dsl.emit.torch.calls import Calls
from fractal_dsl.emit.torch.conditions import Conditions
from fractal_dsl.emit.torch.expressions import nothing
from fractal_dsl.emit.torch.instances import kept_members, walk
from fractal_dsl.emit.torch.lines import Line, nest
from fractal_dsl.emit.torch.loopvars import LoopVariable, module, variables
from fractal_dsl.emit.torch.needs import ALWAYS, OUTPUT, Need, asking, key_of
from fractal_dsl.emit.torch.tape import Body, Each, Invoke, Loop, Meet, Open, Part, Turn
from fractal_dsl.emit.torch.text import Code, Safe, commas, fill, ident
from fractal_dsl.emit.torch.uses import outputs_of

__all__ = ["reach_lines"]


def reach_lines(calls: Calls) -> list[Line]:
    """Statements of `reach`: what `forward` does, backwards, drawing where it joins."""
    context = calls.context
    is_told = context.tapes.is_told(context.first.graph)
    asked = context.tapes.asked.get(context.first.graph, NOTHING)
    return _Reach(calls, context.body, is_told, asked.inputs).lines()


@dataclass(slots=True)
class _Step:
    """A statement, when it is needed, and the joins whose rows it reads.

    `part` is None for the answer: which inputs are needed of those that are asked for.
    """

    need: Need
    part: Part | None
    reads: frozenset[int]

    @property
    def makes(self) -> int | None:
        """The join that it draws, or the call that it asks."""
        if isinstance(self.part, Meet) or (self.part is not None and asking(self.part)):
            return key_of(self.part)
        return None


class _Reach:
    def __init__(self, calls: Calls, body: Body, is_told: bool, asked: Sequence[int] = ()) -> None:
        self.calls = calls
        self.body = body
        self.conditions = Conditions(body, is_told)
        self.answers = [self.conditions.need(body.inputs[at]) for at in asked]
        self.steps = [step for part in reversed(body.operations) if (step := self.step(part))]
        if asked:
            reads = frozenset().union(*map(self.joins, self.answers))
            self.steps.append(_Step(ALWAYS, None, reads))
        self.wants = self.named()
        self.free: set[int] = set()
        self.once = self.drawn_in_place()

    def named(self) -> dict[int, Safe]:
        """What holds the answers of calls that are asked, those that are read."""
        read = frozenset().union(*(step.reads for step in self.steps))
        found: dict[int, Safe] = {}
        for part in self.body.operations:
            if asking(part) and key_of(part) in read:
                found[key_of(part)] = ident(f"wants_{len(found)}" if found else "wants")
        return found

    def step(self, part: Part) -> _Step | None:
        match part:
            case Meet():
                need = self.conditions.need(part.result)
                return _Step(need, part, self.joins(need))
            case Loop() if any(self.takes_part(inner) for inner in walk(part.body)):
                need = self.conditions.need(part.result)
                return _Step(need, part, self.joins(need))
            case Invoke() | Open() | Each() if self.takes_part(part):
                need = self.conditions.need(part.result)
                reads = self.joins(need)
                if isinstance(part, Open | Each):
                    reads |= self.live_joins(part.result)
                return _Step(need, part, reads)
            case _:
                return None

    def takes_part(self, part: Part) -> bool:
        match part:
            case Meet():
                return True
            case Invoke() | Open():
                own = part.network is None  # what is shared holds no joins
                return own and self.calls.context.is_steered(part.members[0])
            case Each():
                return any(self.calls.context.is_steered(s.members[0]) for s in part.stages)
            case _:
                return False

    def joins(self, need: Need) -> frozenset[int]:
        return frozenset(atom.join for atom in need or ())

    def live_joins(self, bundle: int) -> frozenset[int]:
        if bundle in self.conditions.unpacked:
            values = self.conditions.unpacked[bundle]
            return frozenset().union(*(self.joins(self.conditions.need(v)) for v in values))
        return self.joins_of_live(bundle)

    def joins_of_live(self, bundle: int) -> frozenset[int]:
        goes = self.conditions.destination[bundle]
        while isinstance(goes, int):
            goes = self.conditions.destination[goes]
        return frozenset({goes[0]})

    # Rows ------------------------------------------------------------------------

    def drawn_in_place(self) -> dict[int, int]:
        """Joins drawn as an argument of the one statement that reads them, which follows."""
        found: dict[int, int] = {}
        for at, step in enumerate(self.steps[:-1]):
            after = self.steps[at + 1]
            if not isinstance(step.part, Meet) or not isinstance(after.part, Open):
                continue
            join = step.part.result
            readers = [other for other in self.steps if join in other.reads]
            if after.part.result in self.wants:
                continue
            whole = len(step.part.items) == 1 and step.part.items[0].spread
            alone = readers == [after] and after.need == step.need
            if after.part.result in self.conditions.unpacked:
                ports = self.conditions.unpacked[after.part.result]
                whole = self.conditions.run_of(ports) == (join, 0, len(step.part.items))
            if alone and whole:
                found[join] = at
        return found

    def row(self, join: int) -> Safe:
        if join == OUTPUT:
            return fill("live")
        if join in self.wants:
            return self.wants[join]
        part = next(
            s.part for s in self.steps if isinstance(s.part, Meet) and s.part.result == join
        )
        assert isinstance(part, Meet)
        if join in self.once:
            return fill("draw({})", module(self.calls.modules, part.path))
        return ident(part.path.name.replace("join", "kept"))

    # Statements ------------------------------------------------------------------

    def lines(self) -> list[Line]:
        groups = self.groups()
        while outside := self.read_outside(groups):
            self.free |= outside
            groups = self.groups()
        made: list[Line] = []
        for need, steps in groups:
            inside = [line for step in steps for line in self.written(step, need)]
            if need is ALWAYS:
                made += inside
            elif inside:
                made.append(Line(fill("if {}:", self.conditions.test(need, self.row))))
                made += nest(inside)
        return made

    def groups(self) -> list[tuple[Need, list[_Step]]]:
        """Neighbours needed at once; what only joins drawn among them ask for stands there, too."""
        made: list[tuple[Need, list[_Step]]] = []
        inside: set[int] = set()  # drawn by the group, under no condition but its own
        for step in self.steps:
            need = step.need
            own = set() if step.makes is None else {step.makes}
            if own & self.free:
                made.append((ALWAYS, [step]))
                inside = set()
            elif made and need == made[-1][0]:
                made[-1][1].append(step)
                inside |= set() if need is ALWAYS else own
            elif inside and need is not ALWAYS and self.joins(need) <= inside:
                made[-1][1].append(step)
            else:
                made.append((need, [step]))
                inside = set() if need is ALWAYS else own
        return made

    def read_outside(self, groups: Sequence[tuple[Need, list[_Step]]]) -> set[int]:
        """Joins drawn under a condition whose rows are read beyond it."""
        found: set[int] = set()
        for need, steps in groups:
            if need is ALWAYS:
                continue
            outside = [s for _, others in groups if others is not steps for s in others]
            for step in steps:
                readers = outside if step.need == need else [*outside, *steps]
                if step.makes is not None and any(step.makes in one.reads for one in readers):
                    found.add(step.makes)
        found -= self.free
        return found

    def written(self, step: _Step, outer: Need) -> list[Line]:
        lines = self.statement(step)
        if step.need in (ALWAYS, outer) or not lines:
            return lines
        if step.makes is not None and step.makes in self.free:
            return lines
        return [Line(fill("if {}:", self.conditions.test(step.need, self.row))), *nest(lines)]

    def statement(self, step: _Step) -> list[Line]:
        part = step.part
        match part:
            case None:
                return self.answer()
            case Meet():
                return self.draw(part)
            case Invoke():
                return self.asked(part, fill("{}.reach(draw)", self.part(part)))
            case Open():
                live = self.conditions.live(part.result, self.row, self.calls.per_sample)
                reached = fill("{}.reach(draw, {})", self.part(part), live)
                return self.asked(part, reached)
            case Each():
                return self.each(part)
            case Loop():
                return self.loop(part)
            case _:
                raise AssertionError(part)

    def asked(self, part: Invoke | Open, reached: Code) -> list[Line]:
        """A call of `reach`, and where it answers, the answer kept; none where it is dead."""
        if part.result not in self.wants:
            return [Line(reached)]
        name = self.wants[part.result]
        kept = Line(fill("{} = {}", name, reached))
        need = self.conditions.need(outputs_of(part)[0])
        if part.result not in self.free or need is ALWAYS:
            return [kept]
        test = Line(fill("if {}:", self.conditions.test(need, self.row)))
        return [Line(fill("{} = {}", name, nothing(part))), test, *nest([kept])]

    def answer(self) -> list[Line]:
        """Which of the inputs that are asked for are needed."""
        needed = [
            self.conditions.who(need, self.row)
            if self.calls.per_sample and need
            else self.conditions.test(need, self.row)
            for need in self.answers
        ]
        return [Line(fill("return ({},)" if len(needed) == 1 else "return {}", commas(needed)))]

    def part(self, part: Invoke | Open) -> Code:
        """A module that has joins; out of a list, torch has forgotten that it does."""
        own = module(self.calls.modules, part.path)
        is_element = part.path.indices and not isinstance(part.path.indices[-1], Turn)
        return fill('cast("Part", {})', own) if is_element else own

    def draw(self, part: Meet) -> list[Line]:
        if part.result in self.once:
            return []
        join = module(self.calls.modules, part.path)
        read = any(part.result in step.reads for step in self.steps)
        need = self.conditions.need(part.result)
        if part.result in self.free and need is not ALWAYS:
            drawn = fill("draw({}, {})", join, self.conditions.test(need, self.row))
        else:
            drawn = fill("draw({})", join)
        return [Line(fill("{} = {}", self.row(part.result), drawn) if read else drawn)]

    def each(self, part: Each) -> list[Line]:
        """Last operand first, and of each the last stage first."""
        live = self.conditions.live(part.result, self.row)
        names: list[Safe] = [ident("alive")]
        lists: list[Safe] = [fill("reversed({})", live)]
        calls: list[Line] = []
        for number, stage in enumerate(reversed(part.stages)):
            if not self.calls.context.is_steered(stage.members[0]):
                continue
            if len(kept_members(stage)) > 1:
                name = ident(f"part_{number + 1}" if number else "part")
                names.append(name)
                run = self.calls.run_of(stage)
                lists.append(fill('reversed(cast("list[Part]", {}))', run))
            else:
                name = module(self.calls.modules, stage.path)
            calls.append(Line(fill("{}.reach(draw)", name), depth=2))
        head = Line(fill("for {} in zip({}):", commas(names), commas(lists)))
        return [head, Line(fill("if alive:"), depth=1), *calls]

    def loop(self, part: Loop) -> list[Line]:
        inside = _Reach(self.calls, part.body, False).lines()
        found = [one for one in variables(self.calls.modules, part) if self.is_read(one)]
        if not found:
            count = self.calls.modules.counts[part.turns.loop]
            return [Line(fill("for _ in range({}):", count)), *nest(inside)]
        sources = [self.source(one) for one in found]
        names = commas(one.name for one in found)
        if len(found) == 1:
            head = fill("for {} in reversed({}):", names, sources[0])
        else:
            head = fill(
                "for {} in zip({}):", names, commas(fill("reversed({})", s) for s in sources)
            )
        return [Line(head), *nest(inside)]

    def is_read(self, variable: LoopVariable) -> bool:
        return any(self.takes_part(part) for part in variable.users)

    def source(self, variable: LoopVariable) -> Code:
        """A list with the type of its members, which torch forgets."""
        if variable.holds_lists:
            return fill('cast("list[nn.ModuleList]", {})', variable.source)
        if any(isinstance(part, Meet) for part in variable.users):
            return fill('cast("list[Join]", {})', variable.source)
        return fill('cast("list[Part]", {})', variable.source)
