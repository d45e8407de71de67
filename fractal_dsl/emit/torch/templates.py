"""The one door to Jinja: templates that print nothing but safe text."""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from types import SimpleNamespace
from typing import Any, cast

import jinja2
from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket

from fractal_dsl.emit.torch.operators import ENTRIES, Fact
from fractal_dsl.emit.torch.text import (
    Code,
    Safe,
    commas,
    dotted,
    fill,
    finalize,
    ident,
    literal,
)
from fractal_dsl.ir.operators import Attributes
from fractal_dsl.ir.operators.extern import Extern
from fractal_dsl.resources import keep, kept, resource_dir

__all__ = ["render", "written"]

SIGNS = {sign: Code(sign) for sign in "+-*/"}
MANY = 8


class Kept(BytecodeCache):
    """Compiled templates of earlier runs: compiling them takes longer than all the rest.

    Jinja itself tells apart versions of Python and of the template's text.
    """

    def load_bytecode(self, bucket: Bucket) -> None:
        data = kept(name_of(bucket))
        if data is not None:
            bucket.bytecode_from_string(data)

    def dump_bytecode(self, bucket: Bucket) -> None:
        keep(name_of(bucket), bucket.bytecode_to_string())


def name_of(bucket: Bucket) -> str:
    made = f"{bucket.key} {bucket.checksum} {jinja2.__version__} {sys.version_info[:2]}"
    return f"template-{sha256(made.encode()).hexdigest()[:20]}"


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
        autoescape=False,  # noqa: S701 - the output is Python, and finalize guards it
        bytecode_cache=Kept(),
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
    sees_some: bool = False,
) -> Code:
    """The fragment of one operator; `numbers` are how its numbers are written here.

    `sees_some`: not all samples of a mini-batch need come in, which concerns statistics.
    """
    entry = ENTRIES[attributes.operator]
    view: dict[str, object] = {
        role: None if number == plain(entry.defaults.get(role)) else number
        for role, number in numbers.items()
    }
    view |= facts
    view["inplace"] = inplace
    view["sees_some"] = sees_some
    view["many"] = len(inputs) > MANY
    view["pair"] = len(inputs) == 2
    if "ceil" in facts:
        if view["stride"] == view["kernel_size"]:
            view["stride"] = None
        given = [view["kernel_size"], view["stride"], view["padding"], facts["ceil"]]
        view["halves"] = given == [literal(2), None, None, False]
    if "half" in facts:
        view["half"] = half(numbers["kernel_size"]) if facts["half"] else None
        view.setdefault("padding", None)
    if "axis" in facts:
        view["axis"] = literal(facts["axis"])
    if "sign" in facts:
        view["sign"] = SIGNS[cast(str, facts["sign"])]
    if isinstance(attributes, Extern):
        view["path"], view["arguments"] = dotted(attributes.path), given_to(attributes)
    if "views" in facts:
        views = cast("tuple[str, ...]", facts["views"])
        inputs = [Code(f"{one}{view}") for one, view in zip(inputs, views, strict=True)]
    macro = getattr(fragments(), attributes.operator)
    values = SimpleNamespace(**view)
    return Code(macro(values, list(inputs)) if inputs else macro(values))


def given_to(extern: Extern) -> Code:
    """The arguments of a module of others; their texts are read as literals and written anew."""
    values = ((name, literal(ast.literal_eval(text))) for name, text in extern.arguments)
    return commas(fill("{}={}", ident(name), value) if name else value for name, value in values)


def plain(value: object) -> Safe | None:
    return None if value is None else literal(value)


def half(kernel: Safe) -> Safe | None:
    """Half the kernel, as the padding that keeps sizes; None where that is nothing."""
    if kernel.isdigit():
        return literal(int(kernel) // 2) if int(kernel) > 1 else None
    return Code(f"{kernel} // 2")
