"""The one door to Jinja: templates that print nothing but safe text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any, cast

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from fractal_dsl.emit.torch.operators import ENTRIES, Fact
from fractal_dsl.emit.torch.text import Code, Safe, finalize, literal
from fractal_dsl.ir.operators import Attributes
from fractal_dsl.resources import resource_dir

__all__ = ["render", "written"]

SIGNS = {sign: Code(sign) for sign in "+-*/"}
MANY = 8


@cache
def environment() -> Environment:
    """Templates come from the package alone; there is no way to give others."""
    made = Environment(
        loader=FileSystemLoader(resource_dir("codegen_templates")),
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    made.filters["made"] = Code
    return made


def render(template: str, view: Mapping[str, object]) -> str:
    return environment().get_template(template).render(view)


@cache
def fragments() -> Any:
    return environment().get_template("operators.py.j2").module


def written(
    attributes: Attributes,
    facts: Mapping[str, Fact],
    numbers: Mapping[str, Safe],
    *,
    inplace: bool = False,
    inputs: Sequence[Safe] = (),
) -> Code:
    """The fragment of one operator; `numbers` are how its numbers are written here."""
    entry = ENTRIES[attributes.operator]
    view: dict[str, object] = {
        role: None if number == plain(entry.defaults.get(role)) else number
        for role, number in numbers.items()
    }
    view |= facts
    view["inplace"] = inplace
    view["many"] = len(inputs) > MANY
    if "ceil" in facts and view["stride"] == view["kernel_size"]:
        view["stride"] = None
    if "half" in facts:
        view["half"] = half(numbers["kernel_size"]) if facts["half"] else None
        view.setdefault("padding", None)
    if "axis" in facts:
        view["axis"] = literal(facts["axis"])
    if "sign" in facts:
        view["sign"] = SIGNS[cast(str, facts["sign"])]
    macro = getattr(fragments(), attributes.operator)
    values = SimpleNamespace(**view)
    return Code(macro(values, list(inputs)) if entry.formula else macro(values))


def plain(value: object) -> Safe | None:
    return None if value is None else literal(value)


def half(kernel: Safe) -> Safe | None:
    """Half the kernel, as the padding that keeps sizes; None where that is nothing."""
    if kernel.isdigit():
        return literal(int(kernel) // 2) if int(kernel) > 1 else None
    return Code(f"{kernel} // 2")
