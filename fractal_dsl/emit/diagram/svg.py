"""SVG as Graphviz writes it, made fit to stand in a page, and checked against a list."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from fractal_dsl.diagnostics import InternalError
from fractal_dsl.emit.diagram.theme import FONT

__all__ = ["ATTRIBUTES", "ELEMENTS", "check", "tidied"]

ELEMENTS = frozenset({"svg", "g", "path", "polygon", "polyline", "ellipse", "text"})
ATTRIBUTES = frozenset(
    {"width", "height", "viewBox", "id", "class", "transform", "fill", "stroke", "stroke-width"}
    | {"stroke-dasharray", "points", "d", "x", "y", "cx", "cy", "rx", "ry", "space"}
    | {"text-anchor", "font-family", "font-size", "font-weight", "font-style"}
)
NOISE = re.compile(r"<!DOCTYPE.*?>|<!--.*?-->|<title>[^<]*</title>", re.DOTALL)
BLANK = re.compile(r"\n\s*\n+")
FACE = re.compile(rf'font-family="{FONT}( Semibold)?"')
LINKS = ' xmlns:xlink="http://www.w3.org/1999/xlink"'


def tidied(data: bytes) -> bytes:
    """`data` without comments, hover titles and document type, with fonts to fall back on.

    Raises `InternalError` if anything is in it that a drawing never needs.
    """
    text = NOISE.sub("", data.decode("utf-8")).replace(LINKS, "", 1)
    text = BLANK.sub("\n", FACE.sub(_face, text))
    check(text)
    return text.encode("utf-8")


def _face(found: re.Match[str]) -> str:
    weight = ' font-weight="600"' if found[1] else ""
    return f'font-family="{FONT},Helvetica,Arial,sans-serif"{weight}'


def check(text: str) -> None:
    """Raise `InternalError` unless `text` is SVG of listed elements and attributes."""
    try:
        root = ET.fromstring(text)  # noqa: S314  (Graphviz wrote it; it has no document type)
    except ET.ParseError as error:
        raise InternalError(f"the SVG is not well formed: {error}") from error
    for element in root.iter():
        name = element.tag.rpartition("}")[2]
        if name not in ELEMENTS:
            raise InternalError(f"the SVG holds an element <{name}>")
        for attribute in element.attrib:
            if attribute.rpartition("}")[2] not in ATTRIBUTES:
                raise InternalError(f"the SVG holds an attribute {attribute}")
