"""Which names a generated class may have."""

from __future__ import annotations

import builtins
import keyword
import re

__all__ = ["nearby", "refusal"]

ALLOWED = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
TAKEN = frozenset({"F", "Join", "Live", "Plan", "Tensor", "annotations", "nn", "self", "torch"})


def refusal(name: str) -> str | None:
    """Why `name` cannot be a class's, or None if it can."""
    if not ALLOWED.fullmatch(name):
        return "names are ASCII letters, digits and `_`, start with a letter, at most 64 long"
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        return "a Python keyword; it would become a class name in the output"
    if hasattr(builtins, name):
        return "a built-in name of Python; the output would hide it"
    if name in TAKEN:
        return "the generated code uses this name itself"
    return None


def nearby(name: str) -> str:
    """A name close to a refused one that is free."""
    kept = re.sub(r"[^A-Za-z0-9_]", "", name)[:50].strip("_") or "my"
    if not kept[0].isalpha():
        kept = "net_" + kept
    return kept + "_net"
