"""Nothing that Graphviz does, or fails to do, is more than a message."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from fractal_dsl.diagnostics import DiagnosticError
from fractal_dsl.emit.diagram import DrawOptions, dot, draw, drawing, worker
from fractal_dsl.emit.diagram.render import Graphviz
from fractal_dsl.ir.graph import Apply, Input, Node, Ref, Segment
from fractal_dsl.ir.operators.elementwise import Elu
from fractal_dsl.semantics import elaborate, resolve
from fractal_dsl.source import Source
from fractal_dsl.syntax import parse
from tests.emit_diagram.pictures import SHAPE, bridges, net, parsed
from tests.handmade import block_only, fractalnet

REAL = str(Path(worker.__file__))
PATIENT = 60.0
"""Seconds in which a child starts and ends, on the busiest of machines."""


def stub(folder: Path, text: str) -> Path:
    script = folder / "stub.py"
    script.write_text("import json, os, subprocess, sys, time\n" + text, encoding="utf-8")
    return script


def graphviz(script: Path, seconds: float = PATIENT) -> Graphviz:
    return Graphviz(time.monotonic() + seconds, seconds, 1 << 30, script)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("time.sleep(600)", "F0901"),
        ("while True: sys.stdin.read(1)", "F0901"),
        ("os.kill(os.getpid(), 11)", "F0902"),
        ("raise RuntimeError('boom')", "F0902"),
        ("sys.exit(0)", "F0902"),
        ("print('no json')", "F0902"),
        ("sys.exit(3)", "F0903"),
    ],
)
def test_every_fault_of_the_child_has_a_code(tmp_path: Path, text: str, code: str) -> None:
    seconds = 0.7 if code == "F0901" else PATIENT
    started = time.monotonic()
    with pytest.raises(DiagnosticError) as caught:
        graphviz(stub(tmp_path, text), seconds).layout("digraph { a }")
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == [code]
    assert caught.value.diagnostics[0].helps
    assert time.monotonic() - started < PATIENT


def test_a_child_that_outgrows_its_memory_is_reported() -> None:
    options = DrawOptions(memory=48 << 20)
    with pytest.raises(DiagnosticError) as caught:
        draw(block_only(2), "png", options)
    assert caught.value.diagnostics[0].code == "F0902"


def test_a_missing_font_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fractal_dsl.emit.diagram.render.find_spec", lambda name: None)
    with pytest.raises(DiagnosticError) as caught:
        draw(block_only(2), "svg")
    assert caught.value.diagnostics[0].code == "F0903"
    assert "font-source-sans-pro" in caught.value.diagnostics[0].message


def test_a_layout_that_hangs_falls_back_on_the_collapsed_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        "data = sys.stdin.buffer.read()\n"
        "if json.loads(data)['task'] == 'layout': time.sleep(600)\n"
        f"sys.exit(subprocess.run([sys.executable, '-P', {REAL!r}], input=data).returncode)\n"
    )
    script = stub(tmp_path, text)
    hasty = SimpleNamespace(
        layout=lambda dot: graphviz(script, 1.0).layout(dot),
        paint=lambda *form: graphviz(script, PATIENT).paint(*form),
    )
    monkeypatch.setattr(drawing, "_graphviz", lambda options: hasty)
    result = draw(bridges(2), "svg", DrawOptions(expand=True))
    assert "no layout (drawing took longer than 1 s" in result.notes[0]
    assert "drawn as one box" in result.notes[1]
    assert b"10 parts" in result.data


def test_a_layout_that_crashes_falls_back_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = stub(tmp_path, "os.kill(os.getpid(), 11)")
    monkeypatch.setattr(drawing, "_graphviz", lambda options: graphviz(script))
    result = draw(bridges(2), "dot")
    assert "ended by signal 11" in result.notes[0]
    with pytest.raises(DiagnosticError):
        draw(bridges(2), "svg")


def test_expansion_above_the_limit_is_drawn_collapsed_and_says_so() -> None:
    result = draw(fractalnet(9), "dot", DrawOptions(expand=True))
    assert "3,201 parts, above the limit of 2,000" in result.notes[0]
    assert len(parsed(result.data.decode()).boxes) < 200


def test_a_layout_that_would_take_too_long_is_not_tried() -> None:
    result = draw(bridges(100), "dot", DrawOptions(expand=True))
    assert "502 parts that form no columns, above the limit of 400" in result.notes[0]
    assert "drawn as one box" in result.notes[1]
    assert len(parsed(result.data.decode()).boxes) == 3


def test_a_recursion_that_is_too_large_is_drawn_level_by_level() -> None:
    result = draw(block_only(60), "dot")
    assert "over 10^9 parts" in result.notes[0]
    picture = parsed(result.data.decode())
    assert len(picture.boxes) < 100
    assert "the same for f(59), f(58), f(57), f(56), …, f(6)" in result.data.decode()


def test_a_long_row_of_different_things_is_one_box() -> None:
    nodes: list[Node] = [Input(SHAPE)]
    nodes += [
        Apply(Elu(1.0 + at % 7), (Ref(at),), SHAPE, Segment("elu", (at,))) for at in range(5_000)
    ]
    result = draw(net(nodes, "Row"), "dot")
    assert "5,002 nodes" in result.notes[0]
    assert [part.label for part in parsed(result.data.decode()).boxes][1] == "5,000 parts"


def test_a_long_repeat_is_one_box() -> None:
    source = Source("many.fdl", "net = conv ** 1000\n")
    program = elaborate(resolve(parse(source)), None, {}).program
    assert 'label="conv × 999"' in dot(program), "the first one takes 3 channels"


def test_graphs_that_are_no_columns_are_laid_out_in_layers() -> None:
    picture = parsed(dot(bridges(2)))
    assert len(picture.boxes) == 2 + 10
    assert picture.edges == 2 * 7 + 1
    assert len({(part.x, part.y) for part in picture.boxes}) == 12


def test_png_and_pdf_are_what_they_say() -> None:
    png = draw(block_only(3), "png").data
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(png) > 20_000
    pdf = draw(block_only(3), "pdf").data
    assert pdf.startswith(b"%PDF-")
    assert b"SourceSansPro" in pdf


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="gif"):
        draw(block_only(1), "gif")
