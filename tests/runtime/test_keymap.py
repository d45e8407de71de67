"""`fractalc keymap`: which weights of a small net seed which of a larger one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fractal_dsl.cli import main
from fractal_dsl.driver.keymap import inventory, keymap
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.reference.tensors import buffer_tensors, parameter_tensors
from tests.emit_torch.nets import SPECS, compiled
from tests.runtime.nets import BLOCKS

TURNS = """
f(0) = id
f(n+1) = f(n) >> (id + conv)
param n = 2
net Turns on image[3, 8, 8] = conv(4) >> (f(n, channels = 4) >> conv(4, 1)) ** 2 >> conv(4) ** 3
"""


def layers(keys: dict[str, str]) -> dict[str, str]:
    """Of convolutions, without the tensors' own names."""
    ours = {key.removesuffix(".conv2d.weight") for key in keys if key.endswith("conv2d.weight")}
    return {key: keys[f"{key}.conv2d.weight"].removesuffix(".conv2d.weight") for key in ours}


@pytest.mark.parametrize(
    "text", [BLOCKS, TURNS, *SPECS], ids=lambda one: getattr(one, "name", "text")
)
def test_the_tensors_are_those_of_the_flat_graph(text: str | Path) -> None:
    program = compiled(text).program
    flat = flatten(program)
    expected = parameter_tensors(flat) | buffer_tensors(flat)
    found = inventory(program).tensors
    assert len(found) == len(expected)
    assert dict(found) == expected


def test_a_net_maps_to_itself() -> None:
    for text in (BLOCKS, TURNS):
        found = keymap(compiled(text), compiled(text))
        assert all(ours == theirs for ours, theirs in found.keys.items())
        assert not found.fresh
        assert not found.unused


def test_f_2_seeds_f_3() -> None:
    """Written out by hand for both blocks: where the width changes, f_2 takes its parts."""
    found = keymap(compiled(BLOCKS, C=2), compiled(BLOCKS, C=3))
    expected: dict[str, str] = {}
    for block in ("block.0.f", "block.1.f"):
        expected |= {
            f"{block}.f_1.f_1.conv": f"{block}.f_1.conv",
            f"{block}.f_1.f_2.conv": f"{block}.f_2.conv",
            f"{block}.f_1.conv": f"{block}.conv",
            f"{block}.f_2.f_1.conv": f"{block}.f_2.conv",
            f"{block}.f_2.f_2.conv": f"{block}.f_2.conv",
        }
    assert layers(found.keys) == expected
    fresh = {key for key in found.fresh if key.endswith("conv2d.weight")}
    assert fresh == {
        f"block.{n}.f.{part}conv.conv2d.weight" for n in (0, 1) for part in ("", "f_2.")
    }
    assert found.keys["linear.bias"] == "linear.bias"
    assert found.unused == ()


def test_where_widths_agree_every_copy_is_seeded_whole() -> None:
    text = BLOCKS.replace("[(4, 0.3), (6, 0.4)]", "[(2, 0.3), (2, 0.4)]")
    found = layers(keymap(compiled(text, C=2), compiled(text, C=4)).keys)
    copies = [f"block.0.f.f_{a}.f_{b}" for a in (1, 2) for b in (1, 2)]
    for copy in copies:
        for part in ("f_1.conv", "f_2.conv", "conv"):
            assert found[f"{copy}.{part}"] == f"block.0.f.{part}"
    assert "block.0.f.conv" not in found
    assert "block.0.f.f_1.conv" not in found


def test_all_shapes_fit_and_nothing_is_lost() -> None:
    for small, large in ((1, 3), (2, 4), (3, 4), (4, 2)):
        one, other = compiled(BLOCKS, C=small), compiled(BLOCKS, C=large)
        found = keymap(one, other)
        theirs, ours = (dict(inventory(net.program).tensors) for net in (one, other))
        assert all(ours[key] == theirs[given] for key, given in found.keys.items())
        assert sorted([*found.keys, *found.fresh]) == sorted(ours)
        assert {*found.keys.values(), *found.unused} == set(theirs)


def test_other_classes_stay_fresh() -> None:
    found = keymap(compiled(BLOCKS), compiled(BLOCKS, classes=7))
    assert found.fresh == ("linear.weight", "linear.bias")


def test_parts_inside_repeats() -> None:
    found = layers(keymap(compiled(TURNS, n=1), compiled(TURNS, n=2)).keys)
    theirs = layers(keymap(compiled(TURNS, n=1), compiled(TURNS, n=1)).keys)
    assert set(found.values()) == set(theirs)
    assert len(found) > len(theirs) - 2


# The command ------------------------------------------------------------------------


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "blocks.fdl"
    path.write_text(BLOCKS)
    return str(path)


def test_the_command_prints_what_goes_where(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keymap", spec, spec, "--set-small", "C=2", "--set", "classes=7"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"62 of 86 tensors of Blocks take one of Blocks", lines[0])
    assert "  block.0.f.f_1.conv.conv2d.weight <- block.0.f.conv.conv2d.weight" in lines
    assert lines[lines.index("24 stay fresh") + 1].startswith("  block.0.f.f_2.conv")


def test_the_command_s_json(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keymap", spec, spec, "--set", "C=3", "--set-large", "classes=4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["small"], found["large"]) == ("Blocks", "Blocks")
    assert found["fresh"] == ["linear.weight", "linear.bias"]
    assert found["keys"]["block.0.f.conv.conv2d.weight"] == "block.0.f.conv.conv2d.weight"
    assert found["unused"] == ["linear.weight", "linear.bias"]


def test_mistakes(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keymap", spec]) == 2
    assert main(["keymap", spec, spec, "--set-large", "C"]) == 2
    assert main(["keymap", spec, "missing.fdl"]) == 1
    assert main(["keymap", spec, spec, "--set-large", "C=30"]) == 3
    assert "F0301" in capsys.readouterr().err
