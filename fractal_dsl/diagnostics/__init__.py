"""Messages to the user: their form, their catalogue and how they look in a terminal."""

from fractal_dsl.diagnostics.diagnostic import (
    Diagnostic,
    DiagnosticError,
    Edit,
    Frame,
    Help,
    InternalError,
    Label,
    Severity,
)

__all__ = [
    "Diagnostic",
    "DiagnosticError",
    "Edit",
    "Frame",
    "Help",
    "InternalError",
    "Label",
    "Severity",
]
