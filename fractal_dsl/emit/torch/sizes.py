"""Numbers of a class: which are literals, which arguments of its constructor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

__all__ = ["SIZES", "Argument", "Key", "Number", "Sizes", "Slot", "Vector", "divide"]

Number: TypeAlias = "int | float | str | tuple[object, ...] | None"
Vector: TypeAlias = "tuple[Number, ...]"

# Roles that measure the same thing, so that equal ones may be one argument.
SIZES = frozenset({"c_in", "c_out", "channels", "features", "groups"})
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


@dataclass(frozen=True, slots=True)
class Sizes:
    """How the numbers of a family of classes are written.

    `names` gives the argument or class attribute that holds a number; what it leaves out is
    the same in all instances. `attributes` are the same in all instances of one class.
    """

    arguments: tuple[Argument, ...]
    attributes: tuple[Argument, ...]
    names: Mapping[Key, str]


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
    rows = [{slot.key: slot.value for slot in row} for row in slots]
    kinds = {slot.key: slot.kind for row in slots for slot in row}
    groups: dict[tuple[str, Vector], list[Key]] = {}
    for key, kind in kinds.items():
        vector = tuple(row.get(key, ABSENT) for row in rows)
        if len(set(vector) - {ABSENT}) > 1:
            groups.setdefault((kind, vector), []).append(key)
    names: dict[Key, str] = {}
    made: list[tuple[bool, Argument]] = []
    used: set[str] = set()
    for (kind, vector), keys in groups.items():
        name = free(wanted_name(kind, vector, keys, bounds), used)
        used.add(name)
        names.update((key, name) for key in keys)
        made.append((is_by_class(vector, members), Argument(name, kind, keys[0])))
    ordered = sorted(made, key=lambda one: rank(one[1].name))
    return Sizes(
        tuple(argument for by_class, argument in ordered if not by_class),
        tuple(argument for by_class, argument in ordered if by_class),
        names,
    )


def wanted_name(
    kind: str, vector: Vector, keys: Sequence[Key], bounds: Mapping[str, Vector]
) -> str:
    if kind != "size":
        return kind
    for name, bound in bounds.items():
        if vector == bound:
            return name
    roles = [key.role for key in keys]
    return next((role for role in roles if role in ("channels", "features")), "channels")


def free(name: str, used: set[str]) -> str:
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
