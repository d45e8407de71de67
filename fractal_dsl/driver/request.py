"""What a caller may ask wrongly, apart from the specification itself."""

from __future__ import annotations

__all__ = ["RequestError"]


class RequestError(ValueError):
    """A setting, an output or a highlight that cannot be; the text says why."""
