"""No text of a specification breaks out of a drawing; a naive writer shows that tests can fail."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from xml.etree import ElementTree as ET

import pytest
from pygraphviz import DotError  # type: ignore[import-untyped]

from fractal_dsl.diagnostics import InternalError
from fractal_dsl.emit.diagram import DrawOptions, dot, draw
from fractal_dsl.emit.diagram.labels import clean
from fractal_dsl.emit.diagram.svg import ATTRIBUTES, ELEMENTS, check
from tests.emit_diagram.pictures import Parsed, parsed, row
from tests.handmade import block_only

PREFIXES = ("", '"', "\\", '\\"', "<", "</text>", "a:b", "\\N", "]; ", '"]; ', "&lt;", "}", "<b>")
BODIES = (
    "x",
    "evil [URL=javascript:alert(1)]",
    "<script>alert(1)</script>",
    "n0 -> evil",
    "\\G\\L\\T",
    "&#60;script&#62;",
    "\u202e\x00\x1b[31m",
)
SUFFIXES = ("", '"', ";", ">", "\n}", "\\", '" //', "]]>")
PAYLOADS = ["".join(parts) for parts in product(PREFIXES, BODIES, SUFFIXES)]


def shape(picture: Parsed) -> tuple[int, int, int]:
    return len(picture.parts), picture.edges, picture.clusters


@pytest.mark.parametrize(("expand", "every"), [(False, 2), (True, 15)])
def test_dot_keeps_its_shape_whatever_the_labels_hold(expand: bool, every: int) -> None:
    options = DrawOptions(expand=expand)
    harmless: dict[int, tuple[int, int, int]] = {}
    for payload in PAYLOADS[::every]:
        length = len(clean(payload, 99))
        if length not in harmless:
            harmless[length] = shape(parsed(dot(row(["x" * length]), options)))
        assert shape(parsed(dot(row([payload]), options))) == harmless[length], payload


def naive(payload: str) -> str:
    return (
        f'digraph {{ subgraph cluster_0 {{ label="{payload}" n0 [label="{payload}"] }} n0 -> n1 }}'
    )


def test_the_same_harness_catches_a_naive_writer() -> None:
    known, caught = shape(parsed(naive("part"))), 0
    for payload in PAYLOADS:
        try:
            caught += shape(parsed(naive(payload))) != known
        except (DotError, ValueError):
            caught += 1
    assert caught > 100


def test_svg_shows_every_label_as_written_and_holds_nothing_else() -> None:
    payloads = PAYLOADS[::9]
    program = row(payloads)
    data = draw(program, "svg", DrawOptions(expand=True)).data.decode()
    assert "<!--" not in data
    assert "javascript" not in data.replace("URL=javascript:alert(1)]", "")
    root = ET.fromstring(data)  # noqa: S314  (our own)
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert names <= ELEMENTS
    for element in root.iter():
        assert {name.rpartition("}")[2] for name in element.attrib} <= ATTRIBUTES
    texts = {element.text for element in root.iter() if element.text}
    missing = [payload for payload in payloads if clean(payload) and clean(payload) not in texts]
    assert not missing


@pytest.mark.parametrize(
    "broken",
    [
        "<svg><script>alert(1)</script></svg>",
        '<svg><a href="x"><text>y</text></a></svg>',
        '<svg><text onclick="x">y</text></svg>',
        '<svg xmlns:xlink="l"><g xlink:href="x"/></svg>',
        "<svg><foreignObject/></svg>",
        "<svg><text>y</svg>",
    ],
)
def test_the_list_of_what_svg_may_hold_refuses_the_rest(broken: str) -> None:
    with pytest.raises(InternalError):
        check(broken)


def test_no_attribute_of_the_source_can_act() -> None:
    source = dot(replace(block_only(3), name='x", URL="javascript:alert(1)'))
    parts = parsed(source).parts
    for part in parts:
        assert not {"URL", "href", "tooltip", "image", "shapefile"} & set(part.attributes)


def test_names_are_the_compilers() -> None:
    for part in parsed(dot(row(PAYLOADS[:20]))).parts:
        assert part.name[0] in "ntk"
        assert part.name[1:].isdigit()


def test_labels_are_one_clean_line() -> None:
    assert clean("a\n  b\tc") == "a b c"
    assert clean("f ∘ g ⊕ h") == "f . g (+) h"
    assert clean("\x1b[31m\u202e") == "\\u001b[31m\\u202e"
    assert clean("x" * 50) == "x" * 39 + "…"
