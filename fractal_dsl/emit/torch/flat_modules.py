"""Modules of a flat class: empty containers, and what hangs in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from fractal_dsl.emit.torch.lines import Line
from fractal_dsl.emit.torch.operators import ENTRIES, facts, is_formula
from fractal_dsl.emit.torch.templates import written
from fractal_dsl.emit.torch.text import Code, Safe, fill, ident, literal
from fractal_dsl.ir.flat import FlatNode, FlatProgram
from fractal_dsl.ir.flatten import segment_of
from fractal_dsl.ir.graph import Apply, HeadParameter, Program
from fractal_dsl.ir.shapes import Shape

__all__ = ["FlatModules", "incoming", "is_module", "placed_at"]


class FlatModules:
    """Modules in the nesting that their keys tell, each in the place that the key names.

    `heads` are the arguments of `__init__` that size layers; `sees_some`: a batch norm may meet
    only some samples of a batch.
    """

    def __init__(
        self,
        program: Program,
        flat: FlatProgram,
        heads: Mapping[HeadParameter, Code],
        sees_some: bool,
    ) -> None:
        self.program = program
        self.flat = flat
        self.nodes = flat.nodes
        self.heads = heads
        self.sees_some = sees_some
        self.readers = Counter(source for node in self.nodes for source in node.inputs)

    def attributes(self) -> list[Line]:
        tops = dict.fromkeys(n.key.split(".")[0] for n in self.nodes if is_module(self.flat, n))
        return [Line(fill("{}: Any", ident(top))) for top in tops]

    def lines(self) -> Iterator[Line]:
        """Containers before what they hold."""
        made: set[str] = set()
        lengths: Counter[str] = Counter()
        lists = {
            key.rsplit(".", 1)[0]
            for node in self.nodes
            if is_module(self.flat, node)
            for key in prefixes(node.key)
            if key.rsplit(".", 1)[-1].isdigit()
        }
        depths = {n.key: self.made(at, n) for at, n in enumerate(self.nodes) if n.start is not None}
        keys = [node.key for node in self.nodes if is_module(self.flat, node)]
        places = registered(keys)
        order = sorted(
            (at for at, node in enumerate(self.nodes) if is_module(self.flat, node)),
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

    def made(self, at: int, node: FlatNode) -> Code:
        assert node.attributes is not None
        shapes = incoming(self.flat, node)
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
        before = self.nodes[source]
        if before.attributes is None or self.readers[source] != 1 or source in self.flat.outputs:
            return False
        kind = before.attributes.operator
        return kind == "batch_norm" or (kind == "dropout2d" and self.is_inplace(before))


def is_module(flat: FlatProgram, node: FlatNode) -> bool:
    """Whether a node is a module of its own, not a formula or another's weight at work."""
    if node.attributes is None or node.weight:
        return False
    return not is_formula(node.attributes, incoming(flat, node))


def incoming(flat: FlatProgram, node: FlatNode) -> list[Shape]:
    """The shapes that come into a node."""
    return [flat.nodes[source].shape for source in node.inputs]


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
