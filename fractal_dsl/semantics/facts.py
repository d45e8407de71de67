"""Names of the facts that `assert` may speak of; the passes compute them."""

from __future__ import annotations

__all__ = ["FACTS"]

FACTS = (
    "columns",
    "convs",
    "depth",
    "joins",
    "macs",
    "output",
    "parameters",
    "paths",
    "receptive_field",
    "weighted_depth",
)
