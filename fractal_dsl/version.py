"""The version, for the package, the command and the header of generated files."""

from __future__ import annotations

__all__ = ["VERSION"]

VERSION = "0.1.0"
