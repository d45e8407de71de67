"""Modules of others: arguments, shape rules, names, and what is refused."""

from __future__ import annotations

import pytest

from fractal_dsl.ir.operators.extern import Extern
from tests.semantics.support import codes, flat


def module(text: str) -> Extern:
    (found,) = (n.attributes for n in flat(text).nodes if isinstance(n.attributes, Extern))
    return found


def given(text: str) -> list[tuple[str, str]]:
    return list(module(text).arguments)


def shape(text: str) -> str:
    program = flat(text)
    return str(program.nodes[program.outputs[0]].shape)


UP = 'extern "m.Up" up(c, by = 2) = image[c, by * in_height, by * in_width]\n'


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ('extern "m.F"', []),
        ('extern "m.F"()', []),
        ('extern "m.F"(1, b = 2.5)', [("", "1"), ("b", "2.5")]),
        ('extern "m.F"(true, "a\\"b", -3)', [("", "True"), ("", "'a\"b'"), ("", "-3")]),
        ('extern "m.F"((1, 2), [3], (4,), [])',
         [("", "(1, 2)"), ("", "[3]"), ("", "(4,)"), ("", "[]")]),
        ('extern "m.F"(in_channels, w)', [("", "3"), ("", "5")]),
    ],
)  # fmt: skip
def test_arguments_are_python_literals(call: str, arguments: list[tuple[str, str]]) -> None:
    assert given(f"param w = 5\nnet = {call}") == arguments


@pytest.mark.parametrize(
    ("call", "arguments", "out"),
    [
        ("up(8)", [("c", "8"), ("by", "2")], "image[8, 64, 64]"),
        ("up(by = 3, c = 4)", [("c", "4"), ("by", "3")], "image[4, 96, 96]"),
        ("up(in_channels, 1)", [("c", "3"), ("by", "1")], "image[3, 32, 32]"),
    ],
)
def test_declared_modules(call: str, arguments: list[tuple[str, str]], out: str) -> None:
    assert given(f"{UP}net = {call}") == arguments
    assert shape(f"{UP}net = {call}") == out


@pytest.mark.parametrize(
    ("rule", "out"),
    [
        ("in_shape", "image[3, 32, 32]"),
        ("vector[n]", "vector[7]"),
        ("sequence[in_height, n]", "sequence[32, 7]"),
        ("if n > 3 then vector[n] else in_shape", "vector[7]"),
        ("(if k > 3 then vector[n] else image[half(n), 1, 1])", "image[3, 1, 1]"),
    ],
)
def test_shape_rules(rule: str, out: str) -> None:
    text = f'param k = 2\nhalf(n) = n // 2\nextern "m.F" f(n = 7) = {rule}\nnet = f'
    assert shape(text) == out


def test_a_module_without_a_declaration_keeps_the_shape() -> None:
    assert shape('net on vector[9] = extern "m.F"(3)') == "vector[9]"


def test_names_of_the_parts() -> None:
    text = """
extern "m.LayerNorm2d" norm(c) = in_shape
net = norm(3) >> extern "m.GELU" >> extern "m.LayerNorm2d"(3) >> extern "m.GELU"
      >> extern "m.Lambda" >> extern "m.DropPath"(0.1) @path
"""
    keys = [node.key for node in flat(text).nodes[1:]]
    assert keys == ["norm", "gelu_1", "layer_norm2d", "gelu_2", "lambda_", "path"]


def test_a_declared_module_hides_the_operator_and_the_prelude() -> None:
    text = 'extern "m.F" relu(k = 1) = in_shape\nextern "m.G" conv(k = 1) = in_shape\n'
    program = flat(text + "net = relu >> conv")
    paths = [n.attributes.path for n in program.nodes if isinstance(n.attributes, Extern)]
    assert paths == ["m.F", "m.G"]


def test_a_module_as_an_argument() -> None:
    text = 'act(a) = conv >> a >> a\nextern "m.F" f(k = 1) = in_shape\n'
    program = flat(text + 'net = act(f(2)) >> act(extern "m.G"(3))')
    found = [n.attributes.path for n in program.nodes if isinstance(n.attributes, Extern)]
    assert found == ["m.F", "m.F", "m.G", "m.G"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('net = extern "GELU"', "F0216"),
        ('net = extern ""', "F0216"),
        ('net = extern "a..b"', "F0216"),
        ('net = extern "a.b."', "F0216"),
        ('net = extern "a.b()"', "F0216"),
        ('net = extern "a.b;import os"', "F0216"),
        ('net = extern "a.class"', "F0216"),
        ('net = extern "a._b"', "F0216"),
        ('net = extern "a.b\\\\"', "F0216"),
        ('net = extern "a. b"', "F0216"),
        ('net = extern "ä.b"', "F0216"),
        ('net = extern "a.b"(lambda = 1)', "F0216"),
        ('net = extern "a.b"(_x = 1)', "F0216"),
        ('extern "a.b" f(class = 1) = in_shape\nnet = f', "F0216"),
        ('extern "a" f(c) = in_shape\nnet = f(1)', "F0216"),
        ('net = extern "a.b"(k = 1, k = 2)', "F0206"),
        ('net = extern "a.b"(relu)', "F0405"),
        ('net = extern "a.b"([conv])', "F0405"),
        (f"{UP}net = up", "F0206"),
        (f"{UP}net = up(1, 2, 3)", "F0206"),
        (f"{UP}net = up(1, cc = 2)", "F0206"),
        (f"{UP}net = up(1, c = 2)", "F0206"),
        (f"{UP}net = up(0)", "F0405"),
        (f"{UP}up(x) = conv\nnet = up(1)", "F0209"),
        (f"{UP}{UP}net = up(1)", "F0209"),
        ('extern "a.b" sum(c) = in_shape\nnet = conv', "F0209"),
        ('extern "a.b" f(c) = conv\nnet = f(1)', "F0405"),
        ('extern "a.b" f(c) = imge[c, 1, 1]\nnet = f(1)', "F0201"),
        ('extern "a.b" f(c) = image[c, 1]\nnet = f(1)', "F0206"),
        ('extern "a.b" f(c) = image[cc, 1, 1]\nnet = f(1)', "F0201"),
        ('extern "a.b" f(c = cc) = in_shape\nnet = f(1)', "F0201"),
    ],
)  # fmt: skip
def test_refusals(text: str, code: str) -> None:
    assert codes(text) == [code]
