"""The files of FDL that travel with the compiler: the prelude, and the library `std`."""

from __future__ import annotations

from functools import cache

from fractal_dsl.resources import resource_dir
from fractal_dsl.source import Source
from fractal_dsl.syntax import parse, tree

__all__ = ["LIBRARY", "library", "prelude"]

LIBRARY = "std"
"""What an import calls the library: no path, for no file of a user can be called so."""


def prelude() -> tree.Program:
    """The names that every file starts with."""
    return shipped("prelude.fdl")


def library() -> tree.Program:
    return shipped("std.fdl")


@cache
def shipped(name: str) -> tree.Program:
    text = (resource_dir("semantics") / name).read_text(encoding="utf-8")
    return parse(Source(name, text, is_shipped=True))
