"""`fractalc check SPEC...`: every net of every file, and nothing written."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fractal_dsl.cli.console import Console
from fractal_dsl.cli.reading import settings_of
from fractal_dsl.cli.status import status_of
from fractal_dsl.cli.waiting import waiting
from fractal_dsl.diagnostics import Diagnostic, DiagnosticError
from fractal_dsl.diagnostics.render import to_json
from fractal_dsl.driver.compile import compile_source
from fractal_dsl.driver.limits import check_expansion
from fractal_dsl.driver.sources import read_source
from fractal_dsl.driver.survey import Survey, survey
from fractal_dsl.semantics.values import Value

__all__ = ["run"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a file holds: its nets as far as they compile, and all that is to say of it.

    `implicits` are, rule by rule, the names that the rule takes from the calls outside.
    """

    file: str
    nets: tuple[str, ...]
    implicits: tuple[tuple[str, tuple[str, ...]], ...]
    diagnostics: tuple[Diagnostic, ...]


def run(arguments: argparse.Namespace, console: Console) -> int:
    values = settings_of(arguments)
    verdicts = []
    for spec in arguments.specs:
        with waiting(f"checking {spec}"):
            verdicts.append(checked(spec, arguments.net, values))
        if not arguments.json:
            console.diagnostics(verdicts[-1].diagnostics)
    if arguments.json:
        console.result(json.dumps([as_data(verdict) for verdict in verdicts], indent=2))
    else:
        for verdict in verdicts:
            console.result("\n".join(lines(verdict)))
    return status_of([one for verdict in verdicts for one in verdict.diagnostics])


def checked(spec: str, net: str | None, values: Mapping[str, Value]) -> Verdict:
    names: list[str] = []
    said: list[Diagnostic] = []
    found = Survey((), ())
    try:
        source = read_source(spec)
        found = survey(source)
        for name in found.nets if net is None else (net,):
            try:
                compilation = compile_source(source, net=name, params=values)
                check_expansion(compilation.program)
            except DiagnosticError as error:
                said.extend(error.diagnostics)
            else:
                names.append(compilation.name)
                said.extend(compilation.warnings)
    except DiagnosticError as error:
        said.extend(error.diagnostics)
    return Verdict(spec, tuple(names), found.implicits, tuple(dict.fromkeys(said)))


def lines(verdict: Verdict) -> Iterator[str]:
    if status_of(verdict.diagnostics):
        yield f"{verdict.file}: wrong"
        return
    be = "is" if len(verdict.nets) == 1 else "are"
    yield f"{verdict.file}: {', '.join(verdict.nets)} {be} right"
    for rule, implicit in verdict.implicits:
        if implicit:
            yield f"  {rule} takes from its callers: {', '.join(implicit)}"


def as_data(verdict: Verdict) -> dict[str, object]:
    return {
        "file": verdict.file,
        "ok": not status_of(verdict.diagnostics),
        "nets": list(verdict.nets),
        "implicit": {rule: list(names) for rule, names in verdict.implicits},
        "diagnostics": [to_json(one) for one in verdict.diagnostics],
    }
