"""torch.compile for networks that draw plans: what lies between joins is compiled, Python steers.

A plan is data that Python branches on. torch.compile over the whole forward would make one graph
for each plan, and there are 7^5 for three columns and five blocks; after eight it gives up and
runs eagerly. So the parts that no plan ever enters are compiled, each once for each shape, and
the generated code between them goes on skipping what is dead.

The full plan and a column are fixed: there `torch.compile(model, fullgraph=True)` is right.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial
from types import FunctionType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from fractal_dsl.runtime.networks import is_holder, thins

__all__ = ["compile_regions", "inductor", "regions"]

Model = TypeVar("Model", bound=nn.Module)

# Graphs of one kind of region: training and evaluation, with and without gradients, for each
# size of map at which a chain of blocks calls it. torch's own limit is 8.
GRAPHS_OF_A_REGION = 64

# What inductor would write loops for, which on CPUs are several times slower than torch's kernels:
# batch norm's sums in training, and masks of booleans for ReLU's gradient.
SLOW_ON_CPU = (
    "aten._native_batch_norm_legit_functional",
    "aten._batch_norm_with_update_functional",
    "aten.native_batch_norm_backward",
    "aten.batch_norm_backward",
    "aten.threshold_backward",
)


def regions(model: nn.Module) -> dict[str, nn.Module]:
    """The largest parts of `model` that no plan and no stochastic depth enters, by name.

    A part without parameters is left out where it is one operation of torch's (a pool, a dropout
    between two joins): there is nothing to fuse. A model that draws no plans is one region, "".
    """
    return dict(_regions(model))


def _regions(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    waiting = [("", model)]
    while waiting:
        name, module = waiting.pop()
        if not _is_entered(module) and not is_holder(module):
            if not _is_idle(module):
                yield name, module
            continue
        children = [(f"{name}.{at}".lstrip("."), one) for at, one in module.named_children()]
        waiting.extend(reversed(children))


def _is_entered(module: nn.Module) -> bool:
    """Whether a plan, or stochastic depth, steers inside: joins say so by `reach`."""
    return any(hasattr(one, "reach") or thins(one) for one in module.modules())


def _is_idle(module: nn.Module) -> bool:
    """Joins and single operations without weights."""
    return next(module.parameters(), None) is None and next(module.children(), None) is None


def compile_regions(model: Model, **options: Any) -> Model:
    """`model` itself, its regions compiled when they first run; keys and weights stay.

    `options` are torch.compile's (`backend`, `mode`, ...); unless one of `backend`, `mode` and
    `options` is given, `inductor` below is the backend. `dynamic` is False unless given: each size
    of batch gets graphs of its own, so let loaders drop a last batch that is smaller. Where plans
    are drawn for each sample, and inside stochastic depth, batches of every size occur: give
    `dynamic=True`.

    Regions of one kind share their graphs. Copies and pickles of the model are not compiled.
    Raises ValueError for the flat style with drop-path, whose forward is one function, and for
    code that `--checkpoint` wrote.
    """
    found = regions(model)
    refuse_holders(model, found)
    refuse_recomputed(model)
    runners: dict[Hashable, Callable[..., Any]] = {}
    for number, module in enumerate(found.values()):
        kind = _kind(module)
        if kind not in runners:
            runners[kind] = _compiled(number, options)
        # What `Module.compile` sets; but with one compiled function for all regions of a kind.
        module._compiled_call_impl = partial(_call, runners[kind], module)
    return model


def inductor(graph: torch.fx.GraphModule, inputs: Sequence[Any]) -> Any:
    """torch.compile's backend for one graph; on CPUs torch's own kernels where they are faster.

    There batch norm in training and ReLU's gradient stay torch's kernels, and convolutions keep
    the layout of their inputs, which inductor would lay out anew, weights too, at every call.
    """
    from torch._functorch import config as functorch
    from torch._inductor.compile_fx import compile_fx
    from torch._inductor.decomposition import select_decomp_table

    if any(one.device.type != "cpu" for one in inputs if isinstance(one, Tensor)):
        return compile_fx(graph, inputs)
    kept = {
        operator: rule
        for operator, rule in select_decomp_table().items()
        if str(operator).rpartition(".")[0] not in SLOW_ON_CPU
    }
    layout = {"layout_optimization": False}
    _lower_to_kernels()
    # That cache does not ask which decompositions were kept: it may know the graph without them.
    with functorch.patch(enable_autograd_cache=False):
        return compile_fx(graph, inputs, decompositions=kept, config_patches=layout)


def _lower_to_kernels() -> None:
    """Tells inductor that `SLOW_ON_CPU` are calls of torch's kernels, on maps laid out as they are.

    Left to itself it calls them, too, but raises where the environment has CI set, as services
    that test other people's code do: to it, an operator with a loop that is not used is a mistake.
    """
    from torch._inductor.lowering import constrain_to_fx_strides, lowerings, make_fallback

    for name in SLOW_ON_CPU:
        operator = getattr(torch.ops.aten, name.removeprefix("aten.")).default
        if operator not in lowerings:
            make_fallback(operator, constrain_to_fx_strides, warn=False, override_decomp=True)


def refuse_holders(model: nn.Module, found: dict[str, nn.Module]) -> None:
    """In the flat style modules only hold others, and forward calls the leaves itself."""
    if any(type(module) is nn.Module for module in model.modules()) and "" not in found:
        raise ValueError(
            f"{type(model).__name__} is in the flat style: its forward is one function that the"
            " plan steers, with no regions to compile. Generate it with --style modules (its"
            " weights load: the keys are the same), or compile one column as a whole:"
            " torch.compile(partial(model, plan=model.column_plan(k)), fullgraph=True)"
        )


def refuse_recomputed(model: nn.Module) -> None:
    """torch.compile cannot look into the contexts in which `--checkpoint` computes parts again."""
    if any(isinstance(vars(module).get("forward"), partial) for module in model.modules()):
        raise ValueError(
            f"{type(model).__name__} computes parts again in the backward pass (--checkpoint);"
            " torch.compile does not follow that. Generate it without --checkpoint to compile it"
            " (its weights load: the keys are the same)"
        )


def _kind(module: nn.Module) -> Hashable:
    """Regions that differ in nothing here run the same graphs, if their inputs agree, too."""
    tensors = module.state_dict(keep_vars=True).items()
    return type(module), tuple((name, one.shape, one.dtype) for name, one in tensors)


def _call(runner: Callable[..., Any], region: nn.Module, *inputs: Any) -> Any:
    """Who follows the operations, to export or fold the network or to share them, as `anytime`
    does among columns, gets the layers themselves: compiled code writes over what it called for.
    """
    if _is_followed() or any(isinstance(one, torch.fx.Proxy) for one in inputs):
        return region._call_impl(*inputs)
    return runner(region, *inputs)


def _is_followed() -> bool:
    """Whether a mode sees every operation, but for torch's own of the default device."""
    modes = torch.overrides._get_current_function_mode_stack()
    return any(not isinstance(one, torch.utils._device.DeviceContext) for one in modes)


def _run(region: nn.Module, *inputs: Any) -> Any:
    """With hooks, but past `_compiled_call_impl`, which led here."""
    return region._call_impl(*inputs)


def _compiled(number: int, options: dict[str, Any]) -> Callable[..., Any]:
    """`_run` with a code object of its own: dynamo keeps graphs, and counts them, by code."""
    code = _run.__code__.replace(co_name=f"region_{number}")
    settings: dict[str, Any] = {"dynamic": False}
    if not {"backend", "mode", "options"} & options.keys():
        settings["backend"] = inductor
    if "recompile_limit" in inspect.signature(torch.compile).parameters:  # since torch 2.13
        settings["recompile_limit"] = GRAPHS_OF_A_REGION
    compiled: Callable[..., Any] = torch.compile(
        FunctionType(code, _run.__globals__, code.co_name), **{**settings, **options}
    )
    return compiled
