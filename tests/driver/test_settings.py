"""`--set`, outputs and their kinds, highlights, sources: what a caller may ask."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

import fractal_dsl
from fractal_dsl.diagnostics import DiagnosticError
from fractal_dsl.driver import compile_source
from fractal_dsl.driver.highlight import Highlight, parse_highlight, plan_of
from fractal_dsl.driver.request import RequestError
from fractal_dsl.driver.settings import fdl_values, parse_settings
from fractal_dsl.driver.sources import digest, read_source
from fractal_dsl.driver.targets import Target, targets
from fractal_dsl.semantics.values import Items
from fractal_dsl.source import Source
from tests.handmade import block_only, fractalnet, with_sampling


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("C=5", 5),
        (" C = -5 ", -5),
        ("C=+0.25", 0.25),
        ("C=1e-3", 1e-3),
        ("C=true", True),
        ('C="a = b"', "a = b"),
        ("C=(1, 2)", (1, 2)),
        ("C=((3))", 3),
        ("C=[16, [32], (1, 0.5)]", Items((16, Items((32,)), (1, 0.5)))),
        ("C=[]", Items(())),
    ],
)
def test_a_setting(text: str, value: object) -> None:
    found = parse_settings([text])["C"]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "C", "=5", "C=", "C=conv", "C=5 5", "C=f(4)", "C=5\nnet = conv", "C=1..3", "5=C", "C=[x]",
        "ſ=5", "C=__import__('os')", 'C="open', "C=2**3", "C=1 if true else 2", "a b=3", "C=9" * 3,
    ],
)  # fmt: skip
def test_no_setting(text: str) -> None:
    with pytest.raises(RequestError):
        parse_settings([text])


def test_a_word_without_quotes_gets_the_hint() -> None:
    with pytest.raises(match="--set 'kind=\"relu\"'"):
        parse_settings(["kind=relu"])


def test_a_name_is_set_once() -> None:
    with pytest.raises(match="twice"):
        parse_settings(["C=5", "C=6"])


def test_values_from_python() -> None:
    assert fdl_values({"a": [1, (2.0, "x")], "b": True}) == {
        "a": Items((1, (2.0, "x"))), "b": True,
    }  # fmt: skip
    with pytest.raises(TypeError, match="dict"):
        fdl_values({"a": {}})


def test_kinds_follow_the_ending() -> None:
    names = ["a.py", "b.SVG", "c.d.png", "e.pdf", "f.dot", "g.gv", "h.json", "i.graphml", "-"]
    kinds = ["python", "svg", "png", "pdf", "dot", "dot", "json", "graphml", "python"]
    assert [target.kind for target in targets(names)] == kinds
    assert targets(["x.py", "-"], "dot") == (Target("x.py", "dot"), Target("-", "dot"))


@pytest.mark.parametrize("outputs", [["model"], ["a.txt"], [".py"], ["a.py", "a.py"], ["-", "-"]])
def test_no_kind(outputs: list[str]) -> None:
    with pytest.raises(RequestError):
        targets(outputs)


@pytest.mark.parametrize(
    "text", ["column", "column=", "column=x", "column=-1", "row=1", "sample=²"]
)
def test_no_highlight(text: str) -> None:
    with pytest.raises(RequestError):
        parse_highlight(text)


def test_a_column_is_a_plan() -> None:
    program = fractalnet(columns=3, widths=(8, 8))
    assert plan_of(program, Highlight("column", 1)) == (
        (False, False), (False, False, True), (False, False), (False, False, True),
    )  # fmt: skip
    with pytest.raises(match="1 to 3"):
        plan_of(program, Highlight("column", 4))


def test_columns_of_a_large_net_are_not_tried_one_by_one() -> None:
    """511 columns over 1,094 joins: a plan is a walk over the calls."""
    rule = "f(0) = conv\nf(n+1) = f(n) (+) (f(n) . f(n)) (+) conv\nnet = f(8)\n"
    program = compile_source(Source("many.fdl", rule)).program
    plan = plan_of(program, Highlight("column", 511))
    assert len(plan) == 1094
    assert sum(any(row) for row in plan) == 2**7  # one after each two of its 2^8 convolutions


def test_more_columns_than_are_listed() -> None:
    rule = "f(0) = conv\nf(n+1) = joined((f(n) >> relu) (+) f(n))\nnet = f(11)\n"
    program = compile_source(Source("many.fdl", rule)).program
    for ends in (1, 2048):
        assert plan_of(program, Highlight("column", ends))
    with pytest.raises(DiagnosticError) as refused:
        plan_of(program, Highlight("column", 3))
    assert refused.value.diagnostics[0].code == "F0308"


def test_a_sample_is_its_seed() -> None:
    program = with_sampling(fractalnet(columns=4))
    plans = [plan_of(program, Highlight("sample", seed)) for seed in range(20)]
    assert plans == [plan_of(program, Highlight("sample", seed)) for seed in range(20)]
    assert len(set(plans)) > 10
    assert plan_of(block_only(3), Highlight("sample", 1))


def test_sources(tmp_path: Path) -> None:
    path = tmp_path / "a.fdl"
    path.write_bytes(b"net = conv\r\n# \xff\n")
    source = read_source(path)
    assert source.text.startswith("net = conv\r\n")
    assert digest([source]) == sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("path", ["missing.fdl", ".", "a\0b"])
def test_no_source(path: str) -> None:
    with pytest.raises(DiagnosticError) as refused:
        read_source(path)
    assert refused.value.diagnostics[0].code == "F0801"


def test_compile_takes_text_and_paths(tmp_path: Path) -> None:
    text = "param C = 2\nf(1) = conv\nf(n+1) = f(n) (+) conv\nnet = f(C)\n"
    path = tmp_path / "two.fdl"
    path.write_text(text)
    assert fractal_dsl.compile(text).report.convs == 2
    assert fractal_dsl.compile(path, C=3).report.convs == 3
    assert fractal_dsl.compile(str(path)).name == "Two"


def test_compile_shows_its_messages_in_the_traceback() -> None:
    with pytest.raises(fractal_dsl.DiagnosticError) as refused:
        fractal_dsl.compile("net = covn")
    assert "error[F0201]" in refused.value.__notes__[0]
    assert "^^^^" in refused.value.__notes__[0]


def test_the_graph_is_a_dag_of_networkx() -> None:
    import networkx as nx

    graph = fractal_dsl.compile(
        "f(1) = conv\nf(n+1) = (f(n) . f(n)) (+) conv\nnet = f(4)"
    ).networkx()
    assert isinstance(graph, nx.MultiDiGraph)
    assert nx.is_directed_acyclic_graph(graph)


def test_the_public_names_are_few() -> None:
    assert set(fractal_dsl.__all__) == {"Compilation", "DiagnosticError", "__version__", "compile"}
    with pytest.raises(AttributeError):
        fractal_dsl.nothing  # noqa: B018


def test_columns_that_a_step_may_draw_are_there() -> None:
    rule = "f(1)   = conv\nf(C+1) = (f(C) . f(C)) (+) conv\nparam C = 3\nnet Net = f(C)\n"
    source = Source("net.fdl", f"{rule}drop_path(local = 0.15, columns = [1, 3])\n")
    compile_source(source)
    with pytest.raises(DiagnosticError, match="F0405") as caught:
        compile_source(source, params={"C": 2})
    (found,) = caught.value.diagnostics
    assert "column 3; `Net` has 2" in found.message
    assert found.span is not None and found.span.text == "[1, 3]"
