"""Compiled regions: one graph for each shape, none for a new plan, and the same function."""

from __future__ import annotations

import copy
import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import Tensor, nn
from torch._inductor.utils import run_and_get_code

from benchmarks.compiled import Counting, conv_calls, region_shapes
from fractal_dsl.driver import compile_source
from fractal_dsl.driver.compilation import Style
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.reference.tensors import random_input
from fractal_dsl.runtime.compiling import compile_regions, regions
from fractal_dsl.runtime.deploy import export_onnx, fold_batch_norm
from fractal_dsl.source import Source
from tests.parallel.nets import SPEC, batch, made
from tests.programs import fdl_programs

X, TARGET = batch(0)

# One width for six blocks: a class meets more sizes of map than dynamo's limit of 8 allows.
LONG = """
f(1)   = conv
f(C+1) = (f(C) . f(C)) (+) conv
net Long on image[4, 512, 2] = chain(block(4) for k in 1..9)
block(channels) = f(2) >> max_pool((2, 1))
drop_path(local = 0.3, global = 0.5)
"""

LAYERS = """
f(1)   = conv2d(4, 3, padding = 1) >> relu
f(C+1) = (f(C) . f(C)) (+) conv2d(4, 3, padding = 1)
net Bare on image[2, 4, 4] = f(3) >> max_pool(4) >> dropout(0)
drop_path(local = 0.3, global = 0.5)
"""


@pytest.fixture(autouse=True)
def nothing_compiled() -> Iterator[None]:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def step(model: Any, plan: Any) -> list[Tensor | None]:
    """Gradients and buffers after one pass."""
    model.zero_grad()
    x = X.to(next(model.parameters()).dtype)
    nn.functional.cross_entropy(model(x, plan=plan), TARGET).backward()
    return [parameter.grad for parameter in model.parameters()] + list(model.buffers())


def assert_same(ours: list[Tensor | None], theirs: list[Tensor | None]) -> None:
    for one, two in zip(ours, theirs, strict=True):
        assert (one is None) == (two is None)
        if one is not None:
            torch.testing.assert_close(one, two, rtol=1e-10, atol=1e-10)


def test_200_steps_with_drawn_plans_compile_nothing_anew() -> None:
    eager = made()
    backend = Counting("aot_eager")
    model = compile_regions(copy.deepcopy(eager), backend=backend)
    full = model.full_plan()
    assert_same(step(model, full), step(eager, full))
    graphs = backend.graphs
    backend.convs = 0
    with conv_calls(eager) as calls:
        for _ in range(200):
            plan = model.sample_plan()
            assert_same(step(model, plan), step(eager, plan))
    assert backend.graphs == graphs, "recompiled for a plan"
    assert 0 < graphs <= max(model.columns + 1, region_shapes(eager, X))
    assert backend.convs >= 0.9 * len(calls) > 0


needs_inductor = pytest.mark.skipif(
    not shutil.which(os.environ.get("CXX", "g++")), reason="no C++ compiler"
)


@needs_inductor
@pytest.mark.parametrize("compiled", [compile_regions, nn.Module.compile])
def test_answers_in_turn_of_a_compiled_network(compiled: Callable[[nn.Module], Any]) -> None:
    """Compiled code writes over results of operations that it calls; `anytime` shares them."""
    eager = made(C=2).float()
    for _ in range(3):  # statistics by which normalising twice is not normalising once
        step(eager.train(), eager.full_plan())
    model, x = copy.deepcopy(eager.eval()), X.float()
    compiled(model)
    with torch.no_grad():
        torch.testing.assert_close(model(x), eager(x))
        for (k, ours), (_, theirs) in zip(model.anytime(x), eager.anytime(x), strict=True):
            torch.testing.assert_close(ours, theirs, msg=str(k))


@needs_inductor
def test_on_cpus_batch_norm_and_relus_gradient_stay_torchs_kernels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Inductor's own loops for them take several times as long (docs/performance.md)."""
    monkeypatch.setenv("CI", "true")  # there inductor refuses kernels that it has loops for
    eager = made(C=1).float()
    model, x = compile_regions(copy.deepcopy(eager)), X.float()

    def gradients(net: Any) -> list[Tensor | None]:
        nn.functional.cross_entropy(net(x), TARGET).backward()
        return [one.grad for one in net.parameters()] + list(net.buffers())

    # Graphs that torch keeps on disk are of the same network, compiled by inductor as it is.
    gradients(compile_regions(copy.deepcopy(eager), backend="inductor"))
    torch.compiler.reset()
    ours, written = run_and_get_code(gradients, model)
    for one, two in zip(ours, gradients(eager), strict=True):
        torch.testing.assert_close(one, two)
    torch.testing.assert_close(model.eval()(x), eager.eval()(x))
    with torch.no_grad():
        torch.testing.assert_close(model(x), eager(x))
    called = "\n".join(written)
    for kernel in ("batch_norm_legit", "native_batch_norm_backward", "threshold_backward.default"):
        assert kernel in called
    assert "bool*" not in called
    assert "(288, 1," not in called  # weights laid out anew


def test_more_shapes_than_dynamos_limit() -> None:
    model = made(LONG)
    x = torch.randn(2, 4, 512, 2, dtype=torch.double)
    backend = Counting("eager")
    compile_regions(model, backend=backend)
    model(x, plan=model.full_plan())
    assert backend.convs == sum(isinstance(one, nn.Conv2d) for one in model.modules())


def test_the_configuration_of_dynamo_is_as_before() -> None:
    import torch._dynamo.config as config

    before = config.get_config_copy()
    step(compile_regions(made(), backend="eager"), None)
    assert config.get_config_copy() == before


def test_regions_are_what_no_plan_enters() -> None:
    names = set(regions(made(C=2)))
    assert names == {"block.0.f.f_1", "block.0.f.f_2", "block.0.f.conv", "linear"} | {
        name.replace("0", "1") for name in names if name.startswith("block.0")
    }
    bare = regions(made(LAYERS))
    assert all(isinstance(one, nn.Conv2d) or list(one.children()) for one in bare.values())
    assert {"max_pool", "dropout", "join"}.isdisjoint(bare)


def test_convolutions_that_stand_alone_are_regions() -> None:
    eager, backend = made(LAYERS), Counting("eager")
    model = compile_regions(copy.deepcopy(eager), backend=backend)
    with conv_calls(eager) as calls:
        for _ in range(10):
            plan = model.sample_plan()
            assert torch.equal(model(X, plan=plan), eager(X, plan=plan))
    assert backend.convs == len(calls)


def test_recomputed_parts_are_refused_with_a_way_out() -> None:
    model = compile_source(Source("net.fdl", SPEC)).module(checkpoint=True)()
    with pytest.raises(ValueError, match="without --checkpoint"):
        compile_regions(model)


def test_batches_of_every_size_break_no_graph() -> None:
    """Batch norm of samples with plans of their own asks how many values there are."""
    model = made(SPEC.replace("global = 0.5", 'global = 0.5, per = "sample"'))
    backend = Counting("eager")
    compile_regions(model, backend=backend, dynamic=True, fullgraph=True)
    for size in (8, 5, 7):
        model(X[:size]).sum().backward()
    assert backend.graphs > 0


def test_a_model_without_plans_is_one_region() -> None:
    model, backend = made(SPEC.replace("drop_path", "## ")), Counting("eager")
    expected = model(X)
    assert list(regions(model)) == [""]
    assert torch.equal(compile_regions(model, backend=backend)(X), expected)
    assert backend.graphs == 1


def test_the_flat_style_is_refused_with_a_way_out() -> None:
    with pytest.raises(ValueError, match="--style modules"):
        compile_regions(made(style="flat"))


def test_keys_stay_and_copies_are_eager() -> None:
    model, backend = made(), Counting("eager")
    keys = list(model.state_dict())
    assert compile_regions(model, backend=backend) is model
    assert list(model.state_dict()) == keys
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        other(X)
    assert backend.graphs == 0


def test_hooks_on_a_region_run() -> None:
    model, seen = made(), []
    compile_regions(model, backend="eager")
    model.linear.register_forward_hook(lambda *_: seen.append(1))
    model(X)
    assert seen


@pytest.mark.parametrize("style", ["modules", "flat"])
def test_fixed_plans_compile_as_one_graph(style: Style) -> None:
    """What is not drawn needs no regions: eval, the full plan and columns."""
    model = made(style=style)
    for k in range(1, model.columns + 1):
        plan = model.column_plan(k)
        whole = torch.compile(partial(model, plan=plan), fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(whole(X), model(X, plan=plan), rtol=1e-10, atol=1e-10)
    model.eval()
    backend = Counting("aot_eager")
    evaluated: Any = torch.compile(model, fullgraph=True, backend=backend)
    torch.testing.assert_close(evaluated(X), model(X), rtol=1e-10, atol=1e-10)
    assert backend.graphs == 1


@settings(max_examples=5, suppress_health_check=list(HealthCheck), deadline=None)
@given(fdl_programs(sampling=True, several=False))
def test_any_program_is_the_same_function(text: str) -> None:
    torch.compiler.reset()
    torch.manual_seed(0)
    compilation = compile_source(Source("drawn.fdl", text))
    model = compilation.module("modules")().double()
    other = compile_regions(copy.deepcopy(model), backend="eager")
    x = random_input(flatten(compilation.program), 0, 2, torch.Generator().manual_seed(2))
    given = {"plan": model.sample_plan()} if hasattr(model, "sample_plan") else {}
    outputs = []
    for one in (other, model):
        torch.manual_seed(3)  # of stochastic depth
        outputs.append(one(x, **given))
    assert torch.equal(*outputs)


def test_a_compiled_network_is_exported_and_folded_as_one_that_is_not(tmp_path: Path) -> None:
    model = made().float().eval()
    compile_regions(model, backend="eager")
    export_onnx(model, tmp_path / "net.onnx", X.float())
    folded = fold_batch_norm(model)
    torch.testing.assert_close(folded(X.float()), model(X.float()), rtol=1e-5, atol=1e-5)
