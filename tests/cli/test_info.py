"""What `info` prints, for a person and as data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fractal_dsl.cli import main
from fractal_dsl.cli.histogram import gathered, histogram, short
from fractal_dsl.cli.page import grouped, scaled

SPECS = Path(__file__).parents[2] / "specs"
PROMISED = {
    "name", "input", "output", "depth", "weighted_depth", "convs", "parameters", "macs", "paths",
    "joins", "columns", "activation_bytes", "expected_live", "expected_live_convs",
}  # fmt: skip


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["info", *words]) == 0
    return capsys.readouterr().out


def test_the_flagship_as_data(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(printed(capsys, str(SPECS / "fractal4.fdl"), "--json"))
    assert set(found) >= PROMISED
    assert (found["depth"], found["weighted_depth"]) == (40, 41)
    assert (found["convs"], found["parameters"], found["paths"]) == (75, 76_106_634, str(26**5))
    assert found["joins"] == {"2": 10, "3": 5, "4": 5}
    assert [column["depth"] for column in found["columns"]] == [5, 10, 20, 40]
    assert set(found["columns"][0]) == {"column", "depth", "convs", "parameters", "macs"}
    assert found["expected_live_convs"] == pytest.approx(0.5482, abs=5e-5)


def test_the_flagship_for_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, str(SPECS / "fractal4.fdl"))
    for part in (
        "Fractal4\n", "image[3, 32, 32] -> vector[10]", "40 convolutions (41 with dense layers)",
        "76,106,634", "10 of 2 inputs, 5 of 3 inputs, 5 of 4 inputs", "11,881,376", "54.82%",
        "shortest 5, longest 40", "58.49%",
    ):  # fmt: skip
        assert part in text
    assert max(map(len, text.splitlines())) <= 100
    assert all(line == line.rstrip() for line in text.splitlines())


def test_sixty_columns(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    spec = tmp_path / "f60.fdl"
    spec.write_text("f(1) = conv\nf(C+1) = (f(C) . f(C)) (+) conv\nnet = f(60)\n")
    text = printed(capsys, str(spec))
    assert "a power of ten: too many digits to print" in text
    assert "too many lengths or paths for a histogram" in text
    assert "\n    ...\n" in text and "…" not in text
    found = json.loads(printed(capsys, str(spec), "--json"))
    assert found["convs"] == 2**60 - 1 and found["paths"].startswith("10^(")
    assert found["paths_exact"] is False


def test_a_net_without_columns(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    spec = tmp_path / "plain.fdl"
    spec.write_text("net on vector[8] = linear(4) >> relu\n")
    text = printed(capsys, str(spec))
    assert "joins              none" in text
    assert "none: no drop_path(...), or a column alone" in text
    assert "path lengths" not in text
    assert json.loads(printed(capsys, str(spec), "--json"))["expected_live"] is None


def test_a_histogram_has_a_bar_for_each_length() -> None:
    assert histogram([(1, 1), (2, 2), (4, 4)], 40) == [
        "  1  " + "█" * 7 + "▌ 1",
        "  2  " + "█" * 15 + " 2",
        "  3   0",
        "  4  " + "█" * 30 + " 4",
    ]


def test_many_lengths_are_gathered() -> None:
    bars = gathered([(n, n) for n in range(1, 101)])
    assert len(bars) <= 24 and bars[0][:2] == (1, 5) and bars[-1][1] == 100
    assert sum(count for _, _, count in bars) == 5050


def test_one_path_still_shows() -> None:
    assert histogram([(1, 1), (2, 10**12)], 60)[0] == "  1  ▏ 1"


def test_numbers() -> None:
    assert (short(10**15 - 1), short(12_345 * 10**20)) == ("999,999,999,999,999", "1.234e24")
    assert (grouped(1234), grouped(2**60)) == ("1,234", "1.153e18")
    assert [scaled(845_246_464, 1000, ""), scaled(3 * 2**20, 1024, "B"), scaled(7, 1024, "B")] == [
        "845.2 M", "3.0 MiB", "7 B",
    ]  # fmt: skip


def test_memory_of_a_training_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "net.fdl"
    net = "net on image[2, 6, 6] = (conv(4) (+) conv(4)) >> conv(3)"
    spec.write_text(f"{net}\ndrop_path(local = 0.5)\n")
    page = printed(capsys, str(spec), "--batch", "2")
    assert "memory" in page and "MiB at worst" in page
    memory = json.loads(printed(capsys, str(spec), "--batch", "2", "--json"))["memory"]
    assert (memory["batch"], memory["draws"]) == (2, 64)
    assert memory["full"] > memory["mean"] > memory["full"] / 2
    for wrong in ("0", "many", "-3"):
        assert main(["info", str(spec), "--batch", wrong]) == 2
    assert "no number of samples" in capsys.readouterr().err


def test_several_inputs_and_outputs_are_lists(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "two.fdl"
    spec.write_text(
        "net on [image[1, 4, 4], vector[2]] = wiring([a, b]) {\n"
        "    return [a >> flatten >> linear(3), b]\n}\n"
    )
    found = json.loads(printed(capsys, str(spec), "--json"))
    assert found["input"] == "[image[1, 4, 4], vector[2]]"
    assert found["output"] == "[vector[3], vector[2]]"
