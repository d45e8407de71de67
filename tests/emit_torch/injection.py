"""Hostile text at every place of a specification that takes text, and a judge of what came out.

A break-out is output that differs from the output for harmless words in more than the inside
of string constants: other code, code that a comment swallowed, no code at all. A refusal by a
diagnostic is as good as harmless output; any other exception is a break-out too.
"""

from __future__ import annotations

import ast
import io
import json
import tokenize
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from itertools import product
from typing import NamedTuple
from xml.etree import ElementTree as ET

from jinja2 import Environment

from fractal_dsl.diagnostics import DiagnosticError
from fractal_dsl.driver import compile_source
from fractal_dsl.driver.compilation import Compilation, Style
from fractal_dsl.driver.request import RequestError
from fractal_dsl.driver.settings import parse_settings
from fractal_dsl.source import Source

__all__ = ["CASES", "PAYLOADS", "SITES", "Case", "Judge", "accepted", "break_out", "judges"]

# Every place: `<name>` is one where FDL's own text is pasted raw, `"<name>"` one where the text
# stands in a string, escaped as a careful author would.
TEXT = """\
## <file_doc>

## <param_doc>
param <param> = 2  # <param_comment>
param note = "<param_string>"
param size = <number>

## <constant_doc>
<constant> = 2

## <extern_doc>
extern "<declared_path>" <extern>(<extern_parameter> = "<extern_default>") = in_shape

implicit channels = 2
implicit <implicit> = 3

## <rule_doc>
<rule>(1) = conv  # <rule_comment>
## <case_doc>
<rule>(<variable>+1) = (<rule>(<variable>) . <rule>(<variable>)) (+) conv

## <block_doc>
<block>(<parameter>, kind = "<default>") =  # <inner_comment>
    # <own_comment>
    if kind == "<guard>" then conv
    else <rule>(<param>) >> gelu(approximate = "<operator>") @<tag>
other(e, name = "<other_default>") = <between> e >> conv

## <net_doc>
net <net>(classes = 2, mark = "<net_string>") on image[1, 4, 4] =
    chain(<block>(<word>, kind = <word>) for <word> in ["<item>", "b"]) @<chain_tag>
    >> <block>(note, kind = "<argument>") @<call_tag>
    >> other(id, name = mark) >> (id + conv) @<bracket_tag>
    >> <extern> >> extern "<extern_path>"(<extern_keyword> = "<extern_value>")
    >> global_avg_pool >> linear(classes)
drop_path(local = 0.25, global = 0.5, per = "<per>")
assert "<asserted>" != note
<margin>
# <last_comment>
"""

HARMLESS = {
    "param": "depths", "number": "3", "constant": "two", "implicit": "width", "rule": "f",
    "variable": "C", "block": "block", "parameter": "p", "operator": "none", "tag": "act",
    "between": "", "net": "Tiny", "word": "w", "chain_tag": "row", "call_tag": "last",
    "declared_path": "timm.layers.Blur", "extern": "blur", "extern_parameter": "filt",
    "extern_path": "torch.nn.GELU", "extern_keyword": "approximate",
    "bracket_tag": "body", "per": "batch", "margin": "",
    "file_name": "tiny.fdl",
}  # fmt: skip

# Statements that are refused today whatever they hold; they stand in a file only where their
# own place is tried.
REFUSED = {
    "import_path": 'import "<import_path>" as x',
}

STRINGS = frozenset(
    """
    param_string default guard operator other_default net_string item argument per asserted
    import_path extern_path declared_path extern_default extern_value
    """.split()
)

SITES = (
    *"""
    file_doc param_doc param_comment constant_doc rule_doc rule_comment case_doc block_doc
    inner_comment own_comment net_doc last_comment
    param_string default guard operator other_default net_string item argument per asserted
    import_path extern_path declared_path extern_default extern_value
    extern_doc extern extern_parameter extern_keyword
    param constant implicit rule variable block parameter tag net word chain_tag call_tag
    bracket_tag number between margin
    file_name set_value set_name set_text net_option
    """.split(),
)

CANARIES = ("PWNED()", "import PWNED")
WAYS_OUT = (
    "{}", "\\x{}\\", "{}\"", "{}'",
    '"""\n{}\n"""', '"""; {}; """', '""" + {} + """', "'''; {} #", '"; {} #', "'; {} #",
    '\\"""; {} #', '\\\\"; {} #', '"\\\n{} #',
    "{{{{ {} }}}}{{{{7*7}}}}", "{{% set x = {} %}}{{% raw %}}", "{{# {} #}}", "%}}#}}}}}} {}",
    "\n{}", "\r{}", "\r\n{}\r\n", "\x0b{}\x0c{}", "\u2028{}\u2029{}", "\x85{}\x1c{}\x1d{}\x1e{}",
    "\x00{}\x1b[2K\udc80", "\u202e{}\u2066\u200b",
    " coding: utf-7 -*- +AAoA-{}+AAo- {{0.__class__}}",
)  # fmt: skip
PAYLOADS = tuple(way.format(*[canary] * 4) for way in WAYS_OUT for canary in CANARIES)


class Case(NamedTuple):
    """One payload at one place."""

    site: str
    payload: str


CASES = tuple(Case(site, payload) for site, payload in product(SITES, PAYLOADS))


# Compiling ------------------------------------------------------------------------


def compiled(case: Case | None = None) -> Compilation:
    """The specification with the payload in its place; without a case, the harmless one."""
    given = dict(HARMLESS) if case is None else {**HARMLESS, case.site: case.payload}
    text = TEXT
    if case is not None and case.site in REFUSED:
        text += REFUSED[case.site]
    for site in SITES:
        text = text.replace(f"<{site}>", written(site, given.get(site, f"words of {site}")))
    source = Source(given["file_name"], text)
    return compile_source(source, net=given.get("net_option"), params=settings(case))


def settings(case: Case | None) -> dict[str, object]:
    """What is given beside the file: values from Python, and `--set` as the shell hands it over."""
    match case:
        case Case("set_value", payload):
            return {"note": payload, "mark": payload}
        case Case("set_name", payload):
            return {**parse_settings([f"{payload}=3"])}
        case Case("set_text", payload):
            return {**parse_settings([f"note={payload}"])}
        case _:
            return {}


def written(site: str, text: str) -> str:
    """`text` as FDL writes it in its place."""
    return text.replace("\\", "\\\\").replace('"', '\\"') if site in STRINGS else text


@lru_cache(1)
def accepted(case: Case) -> Compilation | None:
    """What the compiler made of a case, for one judge after the other; None: it was refused."""
    try:
        return compiled(case)
    except (DiagnosticError, RequestError):
        return None


# Judging --------------------------------------------------------------------------


class Judge(NamedTuple):
    """One form of output: how it is made of a program (and the text tried), and what of it may
    not change."""

    name: str
    make: Callable[[Compilation, str], str]
    shape: Callable[[str], object]


def break_out(case: Case, judge: Judge) -> str | None:
    """What went wrong, or None; a refusal is fine."""
    try:
        compilation = accepted(case)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        return f"the compiler failed: {error!r}"
    if compilation is None:
        return None
    try:
        shape = judge.shape(judge.make(compilation, case.payload))
    except DiagnosticError:
        return None
    except Exception as error:  # noqa: BLE001
        return f"{judge.name}: {error!r}"
    return None if shape == harmless(judge) else f"{judge.name} has another shape"


@cache
def harmless(judge: Judge) -> object:
    return judge.shape(judge.make(compiled(), "harmless words"))


class _Blank(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        return ast.Constant("") if isinstance(node.value, str) else node


def python_shape(text: str) -> str:
    """The tree of a file as Python reads it, from bytes, its strings left out."""
    data = text.encode()
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    assert encoding == "utf-8", encoding
    assert text.replace("\n", "").isprintable(), "something that cannot be seen"
    return ast.dump(_Blank().visit(ast.parse(data)))


def json_shape(text: str) -> object:
    return blanked(json.loads(text))


def blanked(value: object) -> object:
    if isinstance(value, dict):
        return {key: blanked(one) for key, one in value.items() if key != "line"}
    if isinstance(value, list):
        return [blanked(one) for one in value]
    return "" if isinstance(value, str) else value


def xml_shape(text: str) -> list[tuple[str, list[str]]]:
    """Elements and names of attributes; what an element says is its own affair."""
    return [(one.tag, sorted(one.attrib)) for one in ET.fromstring(text).iter()]  # noqa: S314


def svg_shape(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Which elements and attributes there are: words of other lengths are drawn elsewhere."""
    root = ET.fromstring(text)  # noqa: S314
    said = [value for one in root.iter() for value in one.attrib.values()]
    assert not any("PWNED" in value or "javascript" in value for value in said)
    attributes = {name for one in root.iter() for name in one.attrib}
    return frozenset(one.tag for one in root.iter()), frozenset(attributes)


def form(kind: str) -> Callable[[Compilation, str], str]:
    return lambda compilation, _: compilation.form(kind).data.decode()


def style(name: Style) -> Callable[[Compilation, str], str]:
    return lambda compilation, _: compilation.generate(name)


@cache
def judges() -> Mapping[str, Judge]:
    made = (
        Judge("modules", style("modules"), python_shape),
        Judge("flat", style("flat"), python_shape),
        Judge("json", form("json"), json_shape),
        Judge("graphml", form("graphml"), xml_shape),
        Judge("svg", form("svg"), svg_shape),
        Judge("naive", naive, python_shape),
    )
    return {judge.name: judge for judge in made}


# What a careless compiler would do ------------------------------------------------

CARELESS = """\
# Made by a careless compiler; @TEXT
\"\"\"@TEXT\"\"\"

WORDS = ["@TEXT", f"@TEXT"]
"""


def naive(_: Compilation, text: str) -> str:
    """The text that stands at the place, pasted into a template as it is."""
    return Environment().from_string(CARELESS.replace("@TEXT", text)).render()  # noqa: S701
