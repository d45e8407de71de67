"""Generated code in memory behaves like a module that was imported."""

from __future__ import annotations

import copy
import inspect
import pickle
import sys
import traceback

import pytest

import fractal_dsl
from fractal_dsl.driver import Style
from fractal_dsl.runtime import load_class, load_module

SOURCE = '''"""A class."""


class Thing:
    size = 3

    def fails(self) -> None:
        raise ValueError("here")  # the line to show
'''
TEXT = "f(1) = conv(8)\nf(C+1) = (f(C) . f(C)) (+) conv(8)\nnet Small = f(2)\n"


def test_the_same_text_is_the_same_module() -> None:
    assert load_module(SOURCE, "a") is load_module(SOURCE, "a")
    assert load_module(SOURCE, "a") is not load_module(SOURCE + "\nx = 1\n", "a")


def test_objects_pickle_and_copy() -> None:
    thing = load_class(SOURCE, "Thing")()
    assert type(pickle.loads(pickle.dumps(thing))) is type(thing)
    assert type(copy.deepcopy(thing)) is type(thing)


def test_the_lines_can_be_seen() -> None:
    made = load_class(SOURCE, "Thing")
    assert "size = 3" in inspect.getsource(made)
    with pytest.raises(ValueError, match="here") as raised:
        made().fails()
    assert "# the line to show" in "".join(traceback.format_exception(raised.value))


def test_a_module_that_fails_is_not_kept() -> None:
    before = set(sys.modules)
    with pytest.raises(ZeroDivisionError):
        load_module("x = 1 / 0\n", "bad")
    assert set(sys.modules) == before


@pytest.mark.parametrize("style", ["modules", "flat"])
def test_a_compilation_gives_its_class(style: Style) -> None:
    import torch

    made = fractal_dsl.compile(TEXT).module(style)
    assert made.__name__ == "Small"
    model = made()
    x = torch.randn(2, 3, 8, 8)
    assert model(x).shape == (2, 8, 8, 8)
    again = pickle.loads(pickle.dumps(model.eval()))
    assert torch.equal(again(x), model(x))


def test_what_a_prompt_shows_is_one_line() -> None:
    shown = repr(fractal_dsl.compile("net Small = conv(8)"))
    assert shown == "<Compilation Small: image[3, 32, 32] -> image[8, 32, 32], from <text>>"


def test_a_notebook_shows_the_picture() -> None:
    picture = fractal_dsl.compile(TEXT)._repr_svg_()
    assert picture.lstrip().startswith(("<?xml", "<svg"))
