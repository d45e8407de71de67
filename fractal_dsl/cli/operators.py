"""`fractalc operators`: the table of operators, from the table itself."""

from __future__ import annotations

import argparse
import textwrap

from fractal_dsl.cli.console import Console
from fractal_dsl.cli.status import OK
from fractal_dsl.ir.operators import OPERATORS, OperatorSpec
from fractal_dsl.ir.operators.describe import signature

__all__ = ["run"]

INDENT = "    "


def run(arguments: argparse.Namespace, console: Console) -> int:
    named = [spec for spec in OPERATORS.values() if spec.callable_by_name]
    console.result("\n".join(entry(spec) for spec in sorted(named, key=lambda spec: spec.name)))
    return OK


def entry(spec: OperatorSpec) -> str:
    """The call with its settings and defaults, and what it does beneath."""
    summary = textwrap.fill(spec.summary, 92, initial_indent=INDENT, subsequent_indent=INDENT)
    return "\n".join([*textwrap.wrap(signature(spec), 96, subsequent_indent=INDENT * 2), summary])
