"""Numbers of a class: which are literals, which arguments of its constructor."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

__all__ = ["SIZES", "Argument", "Derived", "Key", "Number", "Sizes", "Slot", "Vector", "divide"]

Number: TypeAlias = "int | float | str | tuple[object, ...] | None"
Vector: TypeAlias = "tuple[Number, ...]"

# Roles that measure the same thing, so that equal ones may be one argument.
SIZES = frozenset({"c_in", "c_out", "channels", "features", "groups", "width"})
ABSENT: Final = "absent"
FIRST = ("c_in", "c_out", "channels", "features")


class Key(NamedTuple):
    """A number in a class: the operation it belongs to, which of its modules, and its role."""

    operation: int
    member: int
    role: str


class Slot(NamedTuple):
    """A number of one instance. `kind` tells what it measures."""

    key: Key
    kind: str
    value: Number


class Argument(NamedTuple):
    """An argument of a constructor, or an attribute of a class and its values by class."""

    name: str
    kind: str
    key: Key


class Derived(NamedTuple):
    """How a number is written: by a name, times or (below 0) divided by a factor."""

    name: str
    factor: int = 1


@dataclass(frozen=True, slots=True)
class Sizes:
    """How the numbers of a family of classes are written.

    `written` gives the argument or class attribute that a number follows from; what it leaves
    out is the same in all instances. `attributes` are the same in all instances of one class.
    """

    arguments: tuple[Argument, ...]
    attributes: tuple[Argument, ...]
    written: Mapping[Key, Derived]


def divide(
    slots: Sequence[Sequence[Slot]],
    members: Sequence[int],
    bounds: Mapping[str, Vector],
) -> Sizes:
    """Sort the numbers of a family by how they vary.

    `slots` are the numbers of each instance; `members` tells the class of each instance;
    `bounds` are widths that have names (`c_in`, `c_out`). While arguments are being found, a
    number may be absent from some instances.
    """
    written: dict[Key, Derived] = {}
    known: dict[str, Vector] = {}
    made: list[tuple[bool, Argument]] = []
    groups = varying(slots)
    for kind, vector in sorted(groups, key=lambda group: not is_bound(group[0], group[1], bounds)):
        keys = groups[kind, vector]
        derived = derivation(vector, known) if kind == "size" else None
        if derived is None or is_bound(kind, vector, bounds):
            name = free(wanted_name(kind, vector, keys, bounds), known.keys())
            derived = Derived(name)
            known[name] = vector if kind == "size" else ()
            made.append((is_by_class(vector, members), Argument(name, kind, keys[0])))
        written.update((key, derived) for key in keys)
    ordered = sorted(made, key=lambda one: rank(one[1].name))
    return Sizes(
        tuple(argument for by_class, argument in ordered if not by_class),
        tuple(argument for by_class, argument in ordered if by_class),
        written,
    )


def varying(slots: Sequence[Sequence[Slot]]) -> dict[tuple[str, Vector], list[Key]]:
    """Numbers that are not the same everywhere; those that vary alike together."""
    rows = [{slot.key: slot.value for slot in row} for row in slots]
    kinds = {slot.key: slot.kind for row in slots for slot in row}
    groups: dict[tuple[str, Vector], list[Key]] = {}
    for key, kind in kinds.items():
        vector = tuple(row.get(key, ABSENT) for row in rows)
        if len(set(vector) - {ABSENT}) > 1:
            groups.setdefault((kind, vector), []).append(key)
    return groups


def is_bound(kind: str, vector: Vector, bounds: Mapping[str, Vector]) -> bool:
    return kind == "size" and vector in bounds.values()


def derivation(vector: Vector, known: Mapping[str, Vector]) -> Derived | None:
    """A width that is a multiple or a part of another one in all instances."""
    for name, base in sorted(known.items(), key=lambda one: one[0] != "c_out"):
        pairs = list(zip(vector, base, strict=False))
        if len(base) != len(vector) or not all(isinstance(n, int) for pair in pairs for n in pair):
            continue
        one, other = int(str(pairs[0][0])), int(str(pairs[0][1]))
        factor = one // other if one >= other else -(other // one)
        if all(b * factor == a if factor > 0 else a * -factor == b for a, b in pairs):  # type: ignore[operator]
            return Derived(name, factor)
    return None


def wanted_name(
    kind: str, vector: Vector, keys: Sequence[Key], bounds: Mapping[str, Vector]
) -> str:
    if kind != "size":
        return kind
    for name, bound in bounds.items():
        if vector == bound:
            return name
    roles = [key.role for key in keys]
    wanted = (role for role in roles if role in ("channels", "features"))
    return next(wanted, "groups" if set(roles) == {"groups"} else "channels")


def free(name: str, used: Collection[str]) -> str:
    return name if name not in used else next(one for one in numbered(name) if one not in used)


def numbered(name: str) -> Iterator[str]:
    number = 2
    while True:
        yield f"{name}_{number}"
        number += 1


def is_by_class(vector: Vector, members: Sequence[int]) -> bool:
    """Whether a number varies between classes only."""
    if len(set(members)) == 1:
        return False
    by_class: dict[int, Number] = {}
    return all(
        by_class.setdefault(member, value) == value
        for member, value in zip(members, vector, strict=True)
    )


def rank(name: str) -> int:
    """Widths come first, in the order of data flow; all else as it appears."""
    return FIRST.index(name) if name in FIRST else len(FIRST)
