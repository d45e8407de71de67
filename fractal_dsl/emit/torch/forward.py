"""The body of `forward`: operations in order, nothing dead computed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fractal_dsl.emit.torch.calls import Calls
from fractal_dsl.emit.torch.conditions import Conditions
from fractal_dsl.emit.torch.expressions import Expressions, nothing
from fractal_dsl.emit.torch.inlining import inlined_operations, is_direct
from fractal_dsl.emit.torch.lines import Line
from fractal_dsl.emit.torch.loopvars import variables
from fractal_dsl.emit.torch.needs import ALWAYS, OUTPUT, Atom, Need, key_of
from fractal_dsl.emit.torch.reads import Reads
from fractal_dsl.emit.torch.registers import Registers
from fractal_dsl.emit.torch.rows import Rows
from fractal_dsl.emit.torch.statements import Statement, grouped
from fractal_dsl.emit.torch.tape import (
    Body,
    Each,
    Formula,
    Hold,
    Invoke,
    Item,
    Loop,
    Meet,
    Open,
    Part,
    Unpack,
)
from fractal_dsl.emit.torch.text import Code, Safe, commas, fill
from fractal_dsl.emit.torch.uses import inputs_of, outputs_of, uses_of

__all__ = ["forward_lines"]


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
        self.statements: list[Statement[frozenset[Atom]]] = []
        self.inlined: dict[int, Code] = {}
        self.gathered: dict[int, int] = {}
        self.items: dict[int, tuple[Item, ...]] = {
            part.result: part.items for part in body.operations if isinstance(part, Meet)
        }
        if is_told:
            self.items[OUTPUT] = body.outputs
        self.inline = inlined_operations(body, self.uses, is_told, calls)
        self.names.postpone(self.inline)
        self.start_name = names.start
        self.rows = Rows(calls, body, self.conditions, self.items)
        self.reads = Reads(calls, names, self.rows, self.uses, self.add)

    def lines(self) -> list[Line]:
        for name, row in self.rows.begin():
            self.add(ALWAYS, fill("{} = {}", name, row))
        for name, call in self.rows.wants.values():
            self.ask(name, call)
        for at, part in enumerate(self.body.operations):
            self.names.move_to(at)
            self.write(at, part)
            self.let_go(at, part)
        if self.is_told and self.sampled and not is_direct(self.body.outputs):
            self.names.move_to(len(self.body.operations))
            self.flush(OUTPUT, len(self.body.outputs))
        else:
            for item in self.body.outputs:
                self.reads.fetch(item.value)
        return grouped(self.statements, self.rows.test)

    def add(self, need: Need, code: Code, note: str = "", depth: int = 0) -> None:
        self.statements.append(Statement(need if self.sampled else ALWAYS, Line(code, note, depth)))

    def write(self, at: int, part: Part) -> None:
        match part:
            case Loop():
                self.loop(part)
            case Unpack():
                self.reads.unpack(part, self.inlined[part.source])
            case Meet():
                self.meet_operands(part)
            case Hold():
                self.names.hold(part.result, self.calls.held(part))
            case _:
                # Out of order, or more than once: a formula may say its input twice.
                if len(inputs_of(part)) > 1 or isinstance(part, Formula):
                    for value in inputs_of(part):
                        self.reads.fetch(value)
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
            else self.reads.read(value, need)
            for at, value in enumerate(inputs_of(part))
        ]
        live: Safe | None = None
        if self.sampled and isinstance(part, Open | Each):
            live = self.rows.live(part.result)
        return self.calls.expression(part, inputs, live)

    def ask(self, name: Code, part: Invoke | Open) -> None:
        """Which of the inputs that it asks for a call needs; none where it is dead itself."""
        live: Safe | None = None
        if isinstance(part, Open):
            live = self.rows.live(part.result)
        need = self.conditions.need(outputs_of(part)[0])
        if need is ALWAYS:
            self.add(ALWAYS, fill("{} = {}", name, self.calls.asking(part, live, None)))
            return
        who = self.rows.who(need) if self.calls.per_sample else None
        self.add(ALWAYS, fill("{} = {}", name, nothing(part)))
        self.add(need, fill("{} = {}", name, self.calls.asking(part, live, who)))

    def asked_input(self, value: int, atom: Atom) -> Code:
        """An input that may be dead where its reader lives: then any value does."""
        known = value in self.body.inputs or atom not in (self.conditions.need(value) or ())
        if not self.sampled or (known and not self.calls.per_sample):
            return self.reads.variable(value)
        text = self.reads.read(value, frozenset({atom}))
        test = self.rows.test(frozenset({atom}))
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
        if not self.sampled or is_direct(part.items):
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
        if is_direct(items):
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
        if is_direct(self.items[join]) or not self.flush(join, uses[0].position):
            return False
        spread = self.items[join][uses[0].position].spread
        self.gather(join, uses[0].position, text, self.calls.note(part), spread)
        return True

    def flush(self, join: int, until: int) -> bool:
        """Put into a list all items before `until` that are there; whether all were."""
        while (at := self.gathered.get(join, 0)) < until:
            item = self.items[join][at]
            if not self.reads.is_there(item.value):
                return False
            need = frozenset({Atom(join, at)}) if not item.spread else ALWAYS
            self.gather(join, at, self.reads.read(item.value, need), "", item.spread)
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

    def loop(self, part: Loop) -> None:
        assert isinstance(self.calls, Calls)
        need = self.conditions.need(part.result)
        source = self.reads.read(part.source, need)
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
        if self.is_told and self.sampled and not is_direct(outputs):
            return [Line(fill("return {}", self.names.of_list(OUTPUT)))]
        if not self.is_told:
            values = [self.names.of(item.value) for item in outputs]
            return [Line(fill("return {}", commas(values)))]
        note = self.calls.outputs_note()
        if is_direct(outputs):
            return [Line(fill("return [*{}]", self.display(outputs)), note)]
        return [Line(fill("return {}", self.display(outputs)), note)]
