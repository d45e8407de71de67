"""What the compiler has to say to the person who wrote the specification."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from fractal_dsl.source import Span

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


class Severity(Enum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Label:
    """A second place that matters, with what it has to do with the mistake."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Edit:
    """A mend that a machine can apply: replace the characters of `span` by `text`."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Help:
    """A way out, in words and, where it is certain, as an edit."""

    text: str
    edit: Edit | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """One call on the way from the net to the mistake, such as `f(2)`, and where it is written."""

    call: str
    span: Span | None


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One message: a stable code, the place, what is wrong, why, and how to mend it.

    `label` stands under the caret. `chain` lists the calls from the innermost outwards.
    Codes F03xx are limits; everything else is a mistake in the specification.
    """

    code: str
    message: str
    span: Span | None
    label: str = ""
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    helps: tuple[Help, ...] = ()
    chain: tuple[Frame, ...] = ()
    severity: Severity = Severity.ERROR

    @property
    def is_limit(self) -> bool:
        return self.code.startswith("F03")


class DiagnosticError(Exception):
    """Carries one or more diagnostics to whoever called the compiler."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__("; ".join(f"{d.code}: {d.message}" for d in diagnostics))
        self.diagnostics = diagnostics


class InternalError(Exception):
    """The compiler found itself at fault: never the user's mistake."""
