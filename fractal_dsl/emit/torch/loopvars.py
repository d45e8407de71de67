"""Modules as they are called inside loops: `self.block`, or the variable of a turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from fractal_dsl.emit.torch.instances import walk
from fractal_dsl.emit.torch.modules_of import Modules
from fractal_dsl.emit.torch.naming import local_name
from fractal_dsl.emit.torch.tape import (
    Each,
    Index,
    Invoke,
    Layer,
    Loop,
    Meet,
    Open,
    Part,
    Path,
    Turn,
)
from fractal_dsl.emit.torch.text import Code, Safe, fill, ident, literal

__all__ = ["LoopVariable", "module", "variables"]


LIST: Final = 'cast("nn.ModuleList", {})'


class LoopVariable(NamedTuple):
    """A variable of a loop, the list it runs through, and the operations that use it."""

    name: Code
    source: Code
    users: tuple[Part, ...]
    holds_lists: bool = False


def module(modules: Modules, path: Path) -> Code:
    """How the module at `path` is written where it is used."""
    if path.name in modules.single:
        return fill("self.{}", ident(path.name))
    return element(path.name, path.indices)


def element(name: str, indices: Sequence[Index], *, is_list: bool = False) -> Code:
    """A module or a list of modules: what follows the last turn counts from its variable.

    Lists in lists are told to be lists, which torch does not say.
    """
    turns = [at for at, index in enumerate(indices) if isinstance(index, Turn)]
    if turns:
        text = variable(name, indices[: turns[-1] + 1])
        rest = indices[turns[-1] + 1 :]
    else:
        text, rest = fill("self.{}", ident(name)), indices
    for at, index in enumerate(rest):
        assert isinstance(index, int)
        text = fill(LIST if at else "{}", text)
        text = fill("{}[{}]", text, literal(index))
    return fill(LIST, text) if is_list and rest else text


def variable(name: str, indices: Sequence[Index]) -> Code:
    """The variable for one turn of a list; inner lists of the same name are numbered."""
    depth = sum(isinstance(index, Turn) for index in indices)
    shown = local_name(name)
    return ident(shown if depth == 1 else f"{shown}_{depth}")


def variables(modules: Modules, loop: Loop) -> list[LoopVariable]:
    """What a loop runs through, in the order its body uses it."""
    found: dict[tuple[str, tuple[Index, ...]], list[Part]] = {}
    for part in walk(loop.body):
        for path in paths_of(modules, part):
            for at, index in enumerate(path.indices):
                if isinstance(index, Turn) and index.loop == loop.turns.loop:
                    found.setdefault((path.name, path.indices[: at + 1]), []).append(part)
    made = []
    for (name, indices), users in found.items():
        turn = indices[-1]
        assert isinstance(turn, Turn)
        source = element(name, indices[:-1], is_list=True)
        if bounds := slice_of(turn, modules.length(name, indices[:-1])):
            source = fill("{}[{}]", source, bounds)
        lists = any(len(path.indices) > len(indices) for part in users
                    for path in paths_of(modules, part) if path.name == name)  # fmt: skip
        made.append(LoopVariable(variable(name, indices), source, tuple(users), lists))
    return made


def slice_of(turn: Turn, length: int) -> Safe:
    """What a turn takes of a list; nothing where it takes all.

    A repeat is always the end of its list, and its count may be another in each class, so it
    is not written.
    """
    end = turn.first + turn.count
    start = literal(turn.first) if turn.first else fill("")
    if end == length:
        return fill("{}:", start) if turn.first else start
    return fill("{}:{}", start, literal(end))


def paths_of(modules: Modules, part: Part) -> list[Path]:
    """Paths of the modules that an operation uses, if they stand in lists."""
    paths: list[Path] = []
    match part:
        case Layer() | Invoke() | Open():
            paths = [part.path]
        case Meet() if modules.context.is_sampled:
            paths = [part.path]
        case Each():
            paths = [Path(s.path.name, s.path.indices[:-1]) for s in part.stages]
        case _:
            pass
    return [path for path in paths if path.name not in modules.single]
