"""The body of `forward`: operations in order, nothing dead computed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from fractal_dsl.emit.torch.calls import Calls
from fractal_dsl.emit.torch.conditions import Conditions
from fractal_dsl.emit.torch.instances import kept_members
from fractal_dsl.emit.torch.lines import Line
from fractal_dsl.emit.torch.loopvars import variables
from fractal_dsl.emit.torch.needs import ALWAYS, OUTPUT, Atom, Need, key_of
from fractal_dsl.emit.torch.registers import Registers
from fractal_dsl.emit.torch.tape import (
    Body,
    Each,
    Formula,
    Hold,
    Invoke,
    Item,
    Layer,
    Loop,
    Meet,
    Open,
    Part,
    Unpack,
)
from fractal_dsl.emit.torch.text import Code, Safe, commas, fill, ident, literal
from fractal_dsl.emit.torch.uses import inputs_of, outputs_of, uses_of

__all__ = ["Expressions", "forward_lines", "nothing"]


class Statement(NamedTuple):
    need: Need
    line: Line


class Expressions(Protocol):
    """How one style writes its operations.

    `per_sample`: values are those of some samples, and are asked for those that a reader needs.
    `nests` says whether calls may stand in the list of a join's operands, rather than each
    on a line of its own.
    """

    @property
    def is_sampled(self) -> bool: ...
    @property
    def per_sample(self) -> bool: ...
    @property
    def nests(self) -> bool: ...
    def note(self, part: Part) -> str: ...
    def expression(self, part: Part, inputs: Sequence[Safe], live: Safe | None) -> Code: ...
    def join(self, part: Meet, operands: Safe) -> Code: ...
    def row(self, part: Meet) -> Code: ...
    def asking(self, part: Invoke | Open, live: Safe | None, who: Safe | None) -> Code: ...
    def outputs_note(self) -> str: ...
    def held(self, part: Hold) -> Code: ...


def forward_lines(
    calls: Expressions,
    body: Body,
    names: Registers,
    is_told: bool = False,
    is_entry: bool = False,
) -> list[Line]:
    """Statements of `forward`, from its arguments to what is returned."""
    writer = _Writer(calls, body, names, is_told)
    if is_entry:
        writer.conditions.have_inputs()
    return [*writer.lines(), *writer.returned()]


def nothing(part: Invoke | Open) -> Code:
    """What a call that is dead needs of the inputs that it asks for."""
    return fill("Live([False] * {})", literal(len(part.asked.inputs)))


class _Writer:
    """Writes one body: the class's own, or that of a loop in it."""

    def __init__(self, calls: Expressions, body: Body, names: Registers, is_told: bool) -> None:
        self.calls = calls
        self.body = body
        self.names = names
        self.is_told = is_told
        self.sampled = calls.is_sampled
        self.conditions = Conditions(body, is_told)
        self.uses = uses_of(body)
        self.statements: list[Statement] = []
        self.inlined: dict[int, Code] = {}
        self.gathered: dict[int, int] = {}
        self.waiting: dict[int, Code] = {}
        self.meets = {part.result: part for part in body.operations if isinstance(part, Meet)}
        self.items: dict[int, tuple[Item, ...]] = {
            result: part.items for result, part in self.meets.items()
        }
        if is_told:
            self.items[OUTPUT] = body.outputs
        self.inline = self.inlined_operations()
        self.names.postpone(self.inline)
        self.start_name = names.start
        self.row_names = self.rows()
        self.wants = self.asking_calls()

    # What is written inside what -------------------------------------------------

    def inlined_operations(self) -> dict[int, int]:
        """Operations, by position, that stand inside the join they feed, at its position."""
        found = {
            at - 1: at for at, part in enumerate(self.body.operations) if isinstance(part, Unpack)
        }
        ends = [(at, part.items) for at, part in enumerate(self.body.operations)
                if isinstance(part, Meet)]  # fmt: skip
        if self.is_told:
            ends.append((len(self.body.operations), self.body.outputs))
        for end, items in ends:
            if not self.calls.nests or (self.sampled and not self.is_direct(items)):
                continue
            wanted, at = len(items) - 1, end - 1
            while at >= 0 and wanted >= 0 and isinstance(
                part := self.body.operations[at], Layer | Invoke | Open
            ):  # fmt: skip
                values = outputs_of(part)
                if len(values) != 1 or len(self.uses[values[0]]) != 1:
                    break
                wanted = next((n for n in range(wanted, -1, -1) if items[n].value == values[0]), -1)
                if wanted < 0:
                    break
                found[at] = end
                wanted, at = wanted - 1, at - 1
        return found

    def rows(self) -> dict[int, Code]:
        """Variables for what lives of each join, where that is asked for more than once."""
        if not self.sampled or not self.calls.nests:
            return {}
        twice = {outputs_of(part)[0] for part in self.body.operations if self.asks_twice(part)}
        gathered = [
            join
            for join, items in self.items.items()
            if not self.is_direct(items) or items[0].value in twice
        ]
        asked = self.conditions.joins_asked(gathered)
        meets = [part for part in self.body.operations if isinstance(part, Meet)]
        return {
            part.result: ident(part.path.name.replace("join", "kept"))
            for part in meets
            if part.result in asked
        }

    def asking_calls(self) -> dict[int, tuple[Code, Invoke | Open]]:
        """Calls that say first which inputs they need, last first, and what holds the answer."""
        if not self.sampled:
            return {}
        read = {atom.join for need in self.conditions.found.values() for atom in need or ()}
        calls = [part for part in self.body.operations if isinstance(part, Invoke | Open)]
        asking = [
            part
            for part in calls
            if part.asked.inputs and (part.result in read or self.calls.per_sample)
        ]
        names = (ident(f"wants_{at}" if at else "wants") for at in range(len(asking)))
        pairs = [*zip(names, asking, strict=False)]
        return {part.result: (name, part) for name, part in reversed(pairs)}

    def is_direct(self, items: Sequence[Item]) -> bool:
        """Whether a join takes one bundle just as it comes from its maker."""
        return len(items) == 1 and items[0].spread

    def asks_twice(self, part: Part) -> bool:
        """Whether the row of a bundle's join is read again, to pass over modules."""
        return isinstance(part, Each) and any(len(kept_members(s)) > 1 for s in part.stages)

    def row(self, join: int) -> Safe:
        if join == OUTPUT:
            return fill("live")
        if join in self.row_names:
            return self.row_names[join]
        if join in self.wants:
            return self.wants[join][0]
        return self.calls.row(self.meet(join))

    def meet(self, join: int) -> Meet:
        return self.meets[join]

    # Statements ------------------------------------------------------------------

    def lines(self) -> list[Line]:
        for join, name in self.row_names.items():
            self.add(ALWAYS, fill("{} = {}", name, self.calls.row(self.meet(join))))
        for name, call in self.wants.values():
            self.ask(name, call)
        for at, part in enumerate(self.body.operations):
            self.names.move_to(at)
            self.write(at, part)
            self.let_go(at, part)
        if self.is_told and self.sampled and not self.is_direct(self.body.outputs):
            self.names.move_to(len(self.body.operations))
            self.flush(OUTPUT, len(self.body.outputs))
        else:
            for item in self.body.outputs:
                self.fetch(item.value)
        return self.grouped()

    def grouped(self) -> list[Line]:
        """Statements that are needed at the same time stand under one `if`."""
        made: list[Line] = []
        open_need: Need = ALWAYS
        for need, line in self.statements:
            if need is ALWAYS:
                made.append(line)
            else:
                if need != open_need:
                    test = self.conditions.test(need, self.row)
                    made.append(Line(fill("if {}:", test)))
                made.append(line._replace(depth=line.depth + 1))
            open_need = need
        return made

    def add(self, need: Need, code: Code, note: str = "", depth: int = 0) -> None:
        self.statements.append(Statement(need if self.sampled else ALWAYS, Line(code, note, depth)))

    def write(self, at: int, part: Part) -> None:
        match part:
            case Loop():
                self.loop(part)
            case Unpack():
                self.unpack(part)
            case Meet():
                self.meet_operands(part)
            case Hold():
                self.names.hold(part.result, self.calls.held(part))
            case _:
                # Out of order, or more than once: a formula may say its input twice.
                if len(inputs_of(part)) > 1 or isinstance(part, Formula):
                    for value in inputs_of(part):
                        self.fetch(value)
                text = self.expression(part)
                if at in self.inline:
                    self.inlined[outputs_of(part)[0]] = text
                elif not self.append(part, text):
                    self.assign(part, text)

    def let_go(self, at: int, part: Part) -> None:
        """Forget what is read last here: else it is held while more is computed."""
        if isinstance(part, Meet | Loop) or at in self.inline or self.is_last(at):
            return
        given = {self.names.of(value) for value in outputs_of(part) if self.names.is_known(value)}
        asked = part.asked.inputs if isinstance(part, Invoke | Open) else ()
        sure = [value for number, value in enumerate(inputs_of(part)) if number not in asked]
        last = [one for one in self.names.read_last(sure) if not self.names.is_network(one)]
        for name in {self.names.of(value): None for value in last}:
            if name not in given:
                self.add(self.conditions.need(outputs_of(part)[0]), fill("del {}", name))

    def is_last(self, at: int) -> bool:
        """Whether nothing is computed after position `at`."""
        rest = self.body.operations[at + 1 :]
        return all(isinstance(part, Meet | Unpack) for part in rest)

    def expression(self, part: Part) -> Code:
        need = self.conditions.need(outputs_of(part)[0])
        asked = part.asked.inputs if isinstance(part, Invoke | Open) else ()
        inputs = [
            self.asked_input(value, Atom(key_of(part), asked.index(at)))
            if at in asked
            else self.read(value, need)
            for at, value in enumerate(inputs_of(part))
        ]
        live: Safe | None = None
        if self.sampled and isinstance(part, Open | Each):
            live = self.conditions.live(part.result, self.row, self.calls.per_sample)
        return self.calls.expression(part, inputs, live)

    def ask(self, name: Code, part: Invoke | Open) -> None:
        """Which of the inputs that it asks for a call needs; none where it is dead itself."""
        live: Safe | None = None
        if isinstance(part, Open):
            live = self.conditions.live(part.result, self.row, self.calls.per_sample)
        need = self.conditions.need(outputs_of(part)[0])
        if need is ALWAYS:
            self.add(ALWAYS, fill("{} = {}", name, self.calls.asking(part, live, None)))
            return
        who = self.conditions.who(need, self.row) if self.calls.per_sample else None
        self.add(ALWAYS, fill("{} = {}", name, nothing(part)))
        self.add(need, fill("{} = {}", name, self.calls.asking(part, live, who)))

    def asked_input(self, value: int, atom: Atom) -> Code:
        """An input that may be dead where its reader lives: then any value does."""
        known = value in self.body.inputs or atom not in (self.conditions.need(value) or ())
        if not self.sampled or (known and not self.calls.per_sample):
            return self.variable(value)
        text = self.read(value, frozenset({atom}))
        test = self.conditions.test(frozenset({atom}), self.row)
        return fill("{} if {} else {}", text, test, self.start_name)

    def assign(self, part: Part, text: Code) -> None:
        values = outputs_of(part)
        need = self.conditions.need(values[0])
        names = [self.names.give(value, is_list=isinstance(part, Open | Each)) for value in values]
        each = " each" if isinstance(part, Open | Each) else ""
        note = self.calls.note(part)
        self.add(need, fill("{} = {}", commas(names), text), note and note + each)

    # Joins -----------------------------------------------------------------------

    def meet_operands(self, part: Meet) -> None:
        if not self.sampled or self.is_direct(part.items):
            text = self.calls.join(part, self.display(part.items))
            if not self.append(part, text):
                self.assign(part, text)
            return
        self.flush(part.result, len(part.items))
        operands = self.names.of_list(part.result)
        self.names.drop_list(part.result)
        self.assign(part, self.calls.join(part, operands))
        if not self.calls.nests:
            self.add(self.conditions.need(part.result), fill("{}.clear()", operands))

    def display(self, items: Sequence[Item]) -> Code:
        """The operands as one list."""
        texts = [self.inlined.get(value) or self.names.of(value) for value, _ in items]
        if self.is_direct(items):
            return Code(texts[0])
        parts = [
            fill("*{}" if item.spread else "{}", text)
            for item, text in zip(items, texts, strict=True)
        ]
        return fill("[{}]", commas(parts))

    def append(self, part: Part, text: Code) -> bool:
        """Put a value straight into the one list it goes to, if it is its turn."""
        values = outputs_of(part)
        uses = self.uses[values[0]]
        if not self.sampled or len(values) != 1 or len(uses) != 1:
            return False
        join = OUTPUT if uses[0].part is None else outputs_of(uses[0].part)[0]
        if join not in self.items or (join == OUTPUT and not self.is_told):
            return False
        if self.is_direct(self.items[join]) or not self.flush(join, uses[0].position):
            return False
        spread = self.items[join][uses[0].position].spread
        self.gather(join, uses[0].position, text, self.calls.note(part), spread)
        return True

    def flush(self, join: int, until: int) -> bool:
        """Put into a list all items before `until` that are there; whether all were."""
        while (at := self.gathered.get(join, 0)) < until:
            item = self.items[join][at]
            if not self.names.is_known(item.value) and item.value not in self.waiting:
                return False
            need = frozenset({Atom(join, at)}) if not item.spread else ALWAYS
            self.gather(join, at, self.read(item.value, need), "", item.spread)
        return True

    def gather(self, join: int, at: int, text: Safe, note: str, spread: bool) -> None:
        if at == 0:
            self.start(join)
        name = self.names.of_list(join)
        put = fill("{} += {}" if spread else "{}.append({})", name, text)
        self.add(frozenset({Atom(join, at)}), put, note)
        self.gathered[join] = at + 1

    def start(self, join: int) -> None:
        """Begin a join's list above the statements that its first operand shares an `if` with.

        Its name is none that those statements read.
        """
        at = len(self.statements)
        while at and self.statements[at - 1].need == frozenset({Atom(join, 0)}):
            at -= 1
        crossed = re.findall(r"\w+", " ".join(s.line.code for s in self.statements[at:]))
        name = self.names.start_list(join, frozenset(crossed))
        line = Line(fill("{} = []", name))
        if self.names.is_new(name):
            kind = fill("Samples" if self.calls.per_sample else "Tensor")
            line = Line(fill("{}: list[{}] = []", name, kind))
        self.statements.insert(at, Statement(self.conditions.found[join], line))

    # Others ----------------------------------------------------------------------

    def unpack(self, part: Unpack) -> None:
        source = self.inlined[part.source]
        if not self.sampled:
            names = [self.names.give(value) for value in part.results]
            self.add(ALWAYS, fill("{} = {}", commas(names), source))
            return
        rest = self.names.give(part.source, is_list=True)
        self.add(self.conditions.need(part.source), fill("{} = iter({})", rest, source))
        self.names.keep(part.source, part.results)
        live = (value for value in part.results if self.conditions.need(value) != frozenset())
        self.waiting.update((value, rest) for value in live)

    def read(self, value: int, need: Need) -> Code:
        """A value as something with `need` reads it: where samples differ, those that it needs."""
        text = self.variable(value)
        if not self.calls.per_sample or need is ALWAYS or self.names.is_network(value):
            return text
        if need == self.conditions.need(value):
            return text
        return fill("{}.at({})", text, self.conditions.who(need, self.row))

    def variable(self, value: int) -> Code:
        """The variable of a value; an operand of a bundle that is read once needs none."""
        rest = self.waiting.get(value)
        if rest is not None and len(self.uses[value]) == 1 and self.is_next(value):
            del self.waiting[value]
            return fill("next({})", rest)
        self.fetch(value)
        return self.names.of(value)

    def is_next(self, value: int) -> bool:
        return value == next(v for v, name in self.waiting.items() if name == self.waiting[value])

    def fetch(self, value: int) -> None:
        """Take an operand of a bundle, and those before it, just before it is read."""
        while value in self.waiting:
            first, rest = next(
                (v, name) for v, name in self.waiting.items() if name == self.waiting[value]
            )
            del self.waiting[first]
            taken = fill("{} = next({})", self.names.give(first, beside=True), rest)
            self.add(self.conditions.need(first), taken)

    def loop(self, part: Loop) -> None:
        assert isinstance(self.calls, Calls)
        need = self.conditions.need(part.result)
        source = self.read(part.source, need)
        name = self.names.give(part.result)
        if name != source:
            self.add(need, fill("{} = {}", name, source))
        found = variables(self.calls.modules, part)
        self.add(need, self.calls.loop_header(part, found), self.calls.loop_note(part))
        inside = self.names.inside(part.body, name)
        writer = _Writer(self.calls, part.body, inside, False)
        for line in writer.lines():
            self.add(need, line.code, line.note, line.depth + 1)

    def returned(self) -> list[Line]:
        outputs = self.body.outputs
        if not self.is_told and len(outputs) == 1:
            return [Line(fill("return {}", self.names.of(outputs[0].value)))]
        if self.is_told and self.sampled and not self.is_direct(outputs):
            return [Line(fill("return {}", self.names.of_list(OUTPUT)))]
        if not self.is_told:
            values = [self.names.of(item.value) for item in outputs]
            return [Line(fill("return {}", commas(values)))]
        note = self.calls.outputs_note()
        if self.is_direct(outputs):
            return [Line(fill("return [*{}]", self.display(outputs)), note)]
        return [Line(fill("return {}", self.display(outputs)), note)]
