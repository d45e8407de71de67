"""The only ways by which text gets into generated code."""

from __future__ import annotations

import keyword
import math
import re
import textwrap
from collections.abc import Iterable
from typing import LiteralString

from fractal_dsl.diagnostics import InternalError

__all__ = [
    "Code",
    "Safe",
    "commas",
    "comment",
    "docstring",
    "dotted",
    "fill",
    "finalize",
    "ident",
    "literal",
]

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,71}")


class Safe(str):
    """Text that may stand in generated code; templates print nothing else."""

    __slots__ = ()


class Code(Safe):
    """An expression or a statement, put together by `fill` from parts that are safe."""

    __slots__ = ()


def ident(name: str) -> Code:
    """A name that the compiler made."""
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise InternalError(f"{name!r} is no name for generated code")
    return Code(name)


def dotted(path: str) -> Code:
    """A module of others by its dotted name; those of `torch.nn` by the name they have here."""
    *package, name = path.split(".")
    if package == ["torch", "nn"]:
        return fill("nn.{}", ident(name))
    return joined(".", [ident(part) for part in (*package, name)])


def literal(value: object) -> Code:
    """A number, a truth value, a string, None, a tuple or a list of them, as Python writes it."""
    if value is None or isinstance(value, bool | int):
        return Code(repr(value))
    if isinstance(value, float) and math.isfinite(value):
        return Code(repr(value))
    if isinstance(value, str):
        return Code(quoted(value))
    if isinstance(value, tuple):
        inside = commas(literal(item) for item in value)
        return Code(f"({inside},)" if len(value) == 1 else f"({inside})")
    if isinstance(value, list):
        return fill("[{}]", commas(literal(item) for item in value))
    raise InternalError(f"{value!r} cannot be written into generated code")


def quoted(value: str) -> str:
    """`value` in double quotes where it can be, as formatters want it; ASCII only."""
    text = ascii(value)
    plain = text[0] == "'" and '"' not in text and "\\'" not in text
    return f'"{text[1:-1]}"' if plain else text


def fill(template: LiteralString, *parts: Safe) -> Code:
    """`template`, a constant of the compiler, with each `{}` replaced by a safe part."""
    for part in parts:
        if not isinstance(part, Safe):
            raise InternalError(f"{part!r} is not safe to stand in generated code")
    return Code(template.format(*parts))


def commas(parts: Iterable[Safe]) -> Code:
    return joined(", ", parts)


def joined(separator: LiteralString, parts: Iterable[Safe]) -> Code:
    kept = list(parts)
    return Code(fill(separator.join("{}" for _ in kept), *kept))


def visible(text: str) -> str:
    """One line of `text` with everything that could end a line or hide made visible."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def comment(text: str) -> Safe:
    """`text` for the inside of a comment: one line, nothing unprintable, no word to Python.

    In a file's first two lines `coding:` would name the encoding that all the rest is read in.
    """
    line = visible(" ".join(text.split()))
    return Safe(re.sub(r"(?<=coding)(?=[:=])", " ", line))


def docstring(text: str, indent: int) -> Safe:
    """The inside of a triple-quoted string of one line or several, wrapped to 88 columns."""
    lines: list[str] = []
    given = text.splitlines()
    for line in given:
        room = 88 - indent - (0 if lines else 3)
        if len(given) == 1 and len(line) <= room < len(line) + 3:
            room -= 3  # a formatter puts the closing quotes of one line on it, fit or not
        lines.extend(wrapped(visible(line.rstrip()), room) or [""])
    kept = "\n".join(lines).strip("\n").replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    kept = re.sub(r'^"|(?<!\\)"$', '\\\\"', kept)
    pad = "\n" + " " * indent
    several = "\n" in kept or indent + len(kept) + 6 > 88
    return Safe(re.sub(r"\n(?!\n)", pad, kept) + (pad if several else ""))


def wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text, width, break_long_words=False, break_on_hyphens=False, replace_whitespace=False
    )


def finalize(value: object) -> Safe:
    """Jinja's last step before printing a value: anything that is not safe is our own bug."""
    if not isinstance(value, Safe):
        raise InternalError(f"a template printed {value!r}, which no filter made safe")
    return value
