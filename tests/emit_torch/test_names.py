"""Words that Python, torch or the generated code need for themselves, as names in a file."""

from __future__ import annotations

import builtins
import keyword
import re

import pytest
import torch
from torch import nn

from fractal_dsl.diagnostics import DiagnosticError
from fractal_dsl.driver import compile_source
from fractal_dsl.driver.compilation import Style
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.reference.check import check
from fractal_dsl.semantics.naming import COMBINATORS
from fractal_dsl.source import Source
from fractal_dsl.syntax.parser_table import lexemes_of
from tests.emit_torch.nets import NET, STYLES, compiled, made

PLACES = {
    "tags of operators": ("", "conv2d(2, 1) @{0}"),
    "tags of calls": ("part(k) = conv2d(2, k)", "part(1) @{0}"),
    "tags of brackets": ("", "(id + conv2d(2, 1)) @{0}"),
    "rules": ("{0}(k) = conv2d(2, k)", "{0}(1)"),
    "recursive rules": ("{0}(1) = conv2d(2, 1)\n{0}(n+1) = ({0}(n) . {0}(n)) (+) conv2d(2, 1)",
                        "{0}(2)"),
    "parameters": ("part_{0}({0}) = {0} (+) conv2d(2, 1)", "part_{0}(conv2d(2, 1))"),
    "repeats": ("", "(conv2d(2, 1) @{0}) ** 2"),
}  # fmt: skip


# A join, so that there are plans, and all that the network has for them.
MEETING = "meeting(k) = conv2d(2, k) (+) conv2d(2, k)"


def is_word(name: str) -> bool:
    """Whether it is a name of FDL's, and no word that holds the language together."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        return False
    lexemes = list(lexemes_of(Source("word", name)))
    return lexemes[0].type == "NAME"


def awkward() -> list[str]:
    """Everything that a generated network, its file or Python already calls its own."""
    network = made(NET)
    file = compiled(NET).source
    names = {
        *dir(network),
        *dir(nn.ModuleList),
        *keyword.kwlist,
        *keyword.softkwlist,
        *dir(builtins),
    }
    names |= set(re.findall(r"\b[A-Za-z_]\w*", re.sub(r'""".*?"""|#.*', "", file, flags=re.DOTALL)))
    names |= {"join_0", "join_1", "ys_0", "kept_0", "x_1", "h_2", "conv2d_1", "u0041_", "a__b", "_"}
    return sorted(name for name in names if is_word(name))


def program(place: str, names: list[str]) -> str:
    definition, use = PLACES[place]
    rules = dict.fromkeys(definition.format(name) for name in names)
    uses = " >> ".join(use.format(name) for name in names)
    net = f"net Names on image[2, 2, 2] = {uses} >> meeting(1)"
    return "\n".join([*rules, MEETING, net, "drop_path(local = 0.3)"])


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("place", PLACES)
def test_awkward_names_are_names(place: str, style: Style) -> None:
    """All in one network, so that they may also get in each other's way."""
    names = awkward()[:: 1 if place == "tags of calls" else 5]
    if place in ("rules", "recursive rules", "parameters"):
        names = [name for name in names if name not in COMBINATORS]
    compilation = compile_source(Source("names.fdl", program(place, names)))
    module = compilation.module(style)()
    assert isinstance(module, nn.Module)
    held = [*module.parameters(), *module.buffers()]
    assert len(held) == len(module.state_dict()) >= len(names)
    report = check(module, flatten(compilation.program), seed=0, training=True)
    assert report.agrees, str(report)
    assert module.train()(torch.randn(2, 2, 2, 2)).shape == (2, 2, 2, 2)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", ["make_plan", "requires_grad_", "sample_plan", "forward"])
def test_a_part_never_hides_behind_a_method(name: str, style: Style) -> None:
    """Python finds a method of the class before a part of that name; the part is not called."""
    compilation = compile_source(Source("names.fdl", program("tags of calls", [name])))
    report = check(compilation.module(style)(), flatten(compilation.program), seed=0)
    assert report.agrees, str(report)


@pytest.mark.parametrize("name", sorted(COMBINATORS))
def test_a_rule_is_not_called_like_a_word_of_the_language(name: str) -> None:
    with pytest.raises(DiagnosticError) as refused:
        compile_source(Source("names.fdl", program("recursive rules", [name])))
    assert refused.value.diagnostics[0].code == "F0209"
