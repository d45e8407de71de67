"""fractalc: from a few lines of FDL to a network that trains.

`fractal_dsl.compile(source_or_path, **params)` is the whole compiler; what it gives has the
graph, the reports, the generated source, the class and pictures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fractal_dsl.version import VERSION

if TYPE_CHECKING:
    from fractal_dsl.diagnostics import DiagnosticError
    from fractal_dsl.driver import Compilation, compile

__version__ = VERSION

__all__ = ["Compilation", "DiagnosticError", "__version__", "compile"]


def __getattr__(name: str) -> Any:
    """The public names come when they are asked for: importing one room loads no other."""
    if name in ("Compilation", "compile"):
        from fractal_dsl import driver

        return getattr(driver, name)
    if name == "DiagnosticError":
        from fractal_dsl.diagnostics import DiagnosticError

        return DiagnosticError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
