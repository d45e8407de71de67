"""What each file sees: its own definitions, those it imports, and the prelude's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import PurePosixPath
from typing import Protocol, TypeAlias, TypeVar

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError
from fractal_dsl.semantics.definitions import (
    Definition,
    ExternRule,
    Imported,
    Names,
    Param,
    recursion_groups,
)
from fractal_dsl.semantics.import_errors import (
    circular_import,
    no_param,
    not_in_file,
    set_without_name,
    too_many_imports,
    twice,
)
from fractal_dsl.semantics.shipped import LIBRARY, library, prelude
from fractal_dsl.source import Source, Span
from fractal_dsl.syntax import parse, tree

__all__ = ["Loader", "NoFiles", "link", "of_kind"]

# A file imported with settings is a copy; copies multiply where they import each other so.
MAX_IMPORTS = 256

Statement = TypeVar("Statement", bound=tree.Node)
Item: TypeAlias = Definition | Param | ExternRule


class Loader(Protocol):
    """Where the text of imported files comes from: this room opens none."""

    def load(self, importer: Source, path: str, span: Span) -> Source:
        """The file at `path` as `importer` writes it: the same object for the same file.

        Raises DiagnosticError, told at `span`, for a path that is refused or cannot be read.
        """


class NoFiles:
    """Of text that came from no file: only the library can be imported."""

    def load(self, importer: Source, path: str, span: Span) -> Source:
        message = f"`{path}` cannot be imported: there are no files here"
        raise DiagnosticError(Diagnostic("F0214", message, span))


def link(program: tree.Program, loader: Loader) -> tuple[Names, ...]:
    """The names of a file and of all that it imports, each after those that it imports.

    Raises DiagnosticError with all that is wrong with the imports.
    """
    linker = Linker(loader)
    linker.prelude = linker.names_of(prelude(), "")
    linker.names_of(program, "")
    if linker.faults:
        raise DiagnosticError(*linker.faults)
    return tuple(linker.homes)


@dataclass
class Linker:
    """`ring` holds the files being read, with the place in the one before that imports each."""

    loader: Loader
    prelude: Mapping[str, Definition] = field(default_factory=dict)
    homes: list[Names] = field(default_factory=list)
    faults: list[Diagnostic] = field(default_factory=list)
    programs: dict[Source, tree.Program | None] = field(default_factory=dict)
    unset: dict[Source, Names] = field(default_factory=dict)
    labels: set[str] = field(default_factory=set)
    ring: list[tuple[Source, Span | None]] = field(default_factory=list)

    def names_of(self, program: tree.Program, label: str, at: Span | None = None) -> Names:
        """What the text of a file sees; `label` tells it from others, `at` imports it."""
        names = Names(program, label)
        names.update(self.prelude)
        own: dict[str, Item] = {**definitions(names), **params(names), **externs(names)}
        self.ring.append((program.source, at))
        seen = {name: span_of(one) for name, one in own.items()}
        for statement in program.statements:
            if isinstance(statement, tree.Import | tree.FromImport):
                self.bring(names, statement, seen)
        self.ring.pop()
        for name, item in own.items():
            add(names, name, item)
        names.defaults = {one.name: one for one in of_kind(program, tree.ImplicitDeclaration)}
        groups = recursion_groups(names)
        names.update({one.name: recurring(one, groups) for one in names.own})
        self.homes.append(names)
        return names

    def bring(
        self, names: Names, statement: tree.Import | tree.FromImport, seen: dict[str, Span]
    ) -> None:
        """Adds what one statement imports to what the file sees."""
        try:
            found = self.imported(names, statement.origin)
        except DiagnosticError as error:
            self.faults.extend(error.diagnostics)
            return
        if found is None:
            return
        names.files.append(found)
        if isinstance(statement, tree.Import):
            self.qualify(names, statement, found, seen)
        else:
            self.pick(names, statement, found, seen)

    def qualify(
        self, names: Names, statement: tree.Import, found: Names, seen: dict[str, Span]
    ) -> None:
        """`import ... as b`: everything of the file, under `b::`."""
        prefix = f"{statement.alias}::"
        if prefix in seen:
            self.faults.append(twice(statement.alias, statement.alias_span, seen[prefix]))
        seen.setdefault(prefix, statement.alias_span)
        for name, item in self.exported(found).items():
            add(names, prefix + name, item)
        names.imported.append(Imported(prefix, statement.alias_span))

    def pick(
        self, names: Names, statement: tree.FromImport, found: Names, seen: dict[str, Span]
    ) -> None:
        """`from ... import a, b`: these of the file, as if they were defined here."""
        known = self.exported(found)
        for name, span in zip(statement.names, statement.name_spans, strict=True):
            if name in seen:
                self.faults.append(twice(name, span, seen[name]))
            seen.setdefault(name, span)
            if name in known:
                add(names, name, known[name])
            else:
                self.faults.append(not_in_file(found.source, name, span, known))
            names.imported.append(Imported(name, span))

    def exported(self, names: Names) -> dict[str, Item]:
        """What a file gives to those who import it: what it defines, and imports by name."""
        rules = {n: one for n, one in names.items() if one.home.source is not prelude().source}
        everything: dict[str, Item] = {**rules, **names.params, **names.externs}
        return {n: one for n, one in everything.items() if "::" not in n}

    def imported(self, names: Names, origin: tree.Origin) -> Names | None:
        """The names of an imported file; None where its mistakes have been told before."""
        program = self.program(names.source, origin)
        if program is None:
            return None
        if not origin.settings and program.source in self.unset:
            return self.unset[program.source]
        if len(self.homes) > MAX_IMPORTS:
            raise too_many_imports(MAX_IMPORTS, origin.span)
        told = len(self.faults)
        found = self.names_of(program, self.label(origin.path), origin.span)
        if len(self.faults) > told:
            self.programs[program.source] = None
            return None
        if not origin.settings:
            self.unset[program.source] = found
        self.faults.extend(set_params(found, origin, names))
        return found

    def program(self, importer: Source, origin: tree.Origin) -> tree.Program | None:
        if origin.path == LIBRARY:
            return library()
        source = self.loader.load(importer, origin.path, origin.span)
        ring = [one for one, _ in self.ring]
        if source in ring:
            raise circular_import(self.ring[ring.index(source) :], origin.span)
        if source not in self.programs:
            self.programs[source] = None
            self.programs[source] = parse(source)
        return self.programs[source]

    def label(self, path: str) -> str:
        """`blocks::` for `nets/blocks.fdl`, numbered where there is another."""
        stem = PurePosixPath(path).stem
        labels = (f"{stem}::" if n == 1 else f"{stem}_{n}::" for n in count(1))
        label = next(one for one in labels if one not in self.labels)
        self.labels.add(label)
        return label


def of_kind(program: tree.Program, kind: type[Statement]) -> tuple[Statement, ...]:
    return tuple(s for s in program.statements if isinstance(s, kind))


def add(names: Names, name: str, item: Item) -> None:
    """Puts an item where a file looks names up; an extern hides the prelude's rule."""
    match item:
        case Definition():
            names[name] = item
        case Param():
            names.params[name] = item
        case ExternRule():
            names.externs[name] = item
            names.pop(name, None)


def span_of(item: Item) -> Span:
    return item.equations[0].head if isinstance(item, Definition) else item.declaration.name_span


def params(home: Names) -> dict[str, Param]:
    return {one.name: Param(one, home) for one in of_kind(home.syntax, tree.ParamDeclaration)}


def externs(home: Names) -> dict[str, ExternRule]:
    found = of_kind(home.syntax, tree.ExternDeclaration)
    return {one.name: ExternRule(one, home) for one in found}


def set_params(found: Names, origin: tree.Origin, giver: Names) -> Iterator[Diagnostic]:
    """Gives the params of a file the values that it is imported with."""
    own = {name: one for name, one in found.params.items() if one.home is found}
    given: dict[str, Span] = {}
    for setting in origin.settings:
        name = setting.keyword
        if name is None:
            yield set_without_name(setting, own)
        elif name not in own:
            yield no_param(found.source, setting, own)
        elif name in given:
            yield twice(name, setting.span, given[name])
        else:
            given[name] = setting.span
            found.params[name] = replace(own[name], given=setting.value, giver=giver)


def definitions(home: Names) -> dict[str, Definition]:
    """Equations collected by name, in the order of each name's first equation."""
    equations: dict[str, list[tree.Equation]] = {}
    for equation in of_kind(home.syntax, tree.Equation):
        equations.setdefault(equation.name, []).append(equation)
    return {
        name: Definition(name, tuple(cases), pattern_positions(cases), home)
        for name, cases in equations.items()
    }


def pattern_positions(equations: Iterable[tree.Equation]) -> frozenset[int]:
    """Places where some equation has an integer or a successor: recursion indices."""
    return frozenset(
        at
        for equation in equations
        for at, pattern in enumerate(equation.patterns or ())
        if not isinstance(pattern, tree.Parameter)
    )


def recurring(definition: Definition, groups: Mapping[str, str]) -> Definition:
    """`definition` with its recursion group and the place of its level."""
    if definition.name not in groups:
        return definition
    places = sorted(definition.pattern_positions)
    level = places[0] if places else 0 if definition.equations[0].patterns else None
    return replace(definition, group=groups[definition.name], level_position=level)
