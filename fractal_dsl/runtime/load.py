"""Generated source as a module in memory."""

from __future__ import annotations

import linecache
import sys
from hashlib import sha256
from types import ModuleType
from typing import Any

__all__ = ["load_class", "load_module"]


def load_module(source: str, title: str) -> ModuleType:
    """The module that `source` makes, the same one for the same text.

    It stands in `sys.modules` and in `linecache`, so that its objects pickle (within this
    process and its forks) and tracebacks and `inspect.getsource` show its lines. Importing
    torch is the source's own affair; whatever it raises comes through.
    """
    digest = sha256(source.encode()).hexdigest()[:16]
    name = f"fractalc_{title}_{digest}"
    known = sys.modules.get(name)
    if known is not None:
        return known
    module = ModuleType(name)
    module.__file__ = f"<{title} by fractalc, {digest}>"
    linecache.cache[module.__file__] = (
        len(source), None, source.splitlines(keepends=True), module.__file__,
    )  # fmt: skip
    sys.modules[name] = module
    try:
        exec(compile(source, module.__file__, "exec"), module.__dict__)  # noqa: S102 - its task
    except BaseException:
        del sys.modules[name]
        raise
    return module


def load_class(source: str, name: str) -> type[Any]:
    """The network's class in the module that `source` makes.

    It is called `name`, unless that is a name which the generated code has for itself.
    """
    module = load_module(source, name)
    (said,) = getattr(module, "__all__", [name])
    made = getattr(module, said)
    assert isinstance(made, type)
    return made
