"""`fractalc operators`: the table of operators, from the table itself."""

from __future__ import annotations

import argparse
import textwrap
from dataclasses import MISSING, Field, fields
from typing import Any

from fractal_dsl.cli.console import Console
from fractal_dsl.cli.status import OK
from fractal_dsl.ir.operators import OPERATORS, OperatorSpec

__all__ = ["run"]

INDENT = "    "
# Defaults that the table holds as None, because they depend on another setting.
COMPUTED = {"padding": "kernel_size // 2", "stride": "kernel_size"}


def run(arguments: argparse.Namespace, console: Console) -> int:
    named = [spec for spec in OPERATORS.values() if spec.callable_by_name]
    console.result("\n".join(entry(spec) for spec in sorted(named, key=lambda spec: spec.name)))
    return OK


def entry(spec: OperatorSpec) -> str:
    """The call with its settings and defaults, and what it does beneath."""
    settings = ", ".join(map(setting, fields(spec.attributes)))
    call = f"{spec.name}({settings})" if settings else spec.name
    summary = textwrap.fill(spec.summary, 92, initial_indent=INDENT, subsequent_indent=INDENT)
    return "\n".join([*textwrap.wrap(call, 96, subsequent_indent=INDENT * 2), summary])


def setting(field: Field[Any]) -> str:
    if field.default is MISSING:
        return field.name
    default = COMPUTED[field.name] if field.default is None else shown(field.default)
    return f"{field.name} = {default}"


def shown(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value}"'
        case _:
            return str(value)
