"""No text of a specification becomes code; a careless template shows that this can be seen."""

from __future__ import annotations

import pytest

from tests.emit_torch.injection import (
    CASES,
    PAYLOADS,
    SITES,
    Case,
    break_out,
    judges,
)

CODE_AND_DATA = ("modules", "flat", "json", "graphml")

# Every tenth of the product, on a slant: each place gets five payloads, each payload four places.
TENTH = [
    case for at, case in enumerate(CASES) if (at // len(PAYLOADS) + at % len(PAYLOADS)) % 10 == 0
]


def break_outs(cases: list[Case], names: tuple[str, ...]) -> list[tuple[Case, str]]:
    found = ((case, break_out(case, judges()[name])) for case in cases for name in names)
    return [(case, problem) for case, problem in found if problem is not None]


def test_every_place_is_tried_with_every_payload() -> None:
    assert len(CASES) == len(set(CASES)) == len(SITES) * len(PAYLOADS) == 2704
    assert {case.site for case in TENTH} == set(SITES)
    assert {case.payload for case in TENTH} == set(PAYLOADS)


def test_no_text_breaks_out() -> None:
    assert break_outs(TENTH[::2], ("modules", "json")) == []
    assert break_outs(TENTH[1::2], ("flat", "graphml")) == []


def test_no_name_of_a_file_breaks_out() -> None:
    """The one text that no parser has seen, and it stands where Python looks for an encoding."""
    assert break_outs([case for case in CASES if case.site == "file_name"], ("modules",)) == []


@pytest.mark.slow
def test_no_text_breaks_out_anywhere() -> None:
    assert break_outs(list(CASES), CODE_AND_DATA) == []


def test_no_text_breaks_out_of_a_picture() -> None:
    """Through the whole compiler; tests/emit_diagram has the labels themselves."""
    assert break_outs(list(CASES)[:: len(CASES) // 12], ("svg",)) == []


@pytest.mark.slow
def test_no_text_breaks_out_of_pictures() -> None:
    assert break_outs(TENTH, ("svg",)) == []


def test_the_same_harness_sees_a_careless_template() -> None:
    """As many cases get so far as to do harm there; a harness that refuses all proves nothing."""
    found = break_outs(TENTH, ("naive",))
    assert len(found) > 20
    assert len({case.payload for case, _ in found}) > 20


@pytest.mark.slow
def test_the_same_harness_sees_a_careless_template_everywhere() -> None:
    assert len(break_outs(list(CASES), ("naive",))) > 200
