"""What the runtime asks of a network: the plans it draws, and its layers under one plan."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from inspect import signature
from typing import Any, Protocol, TypeAlias, cast

import torch
from torch import Tensor, fx, nn

__all__ = [
    "DropPathNetwork",
    "Inputs",
    "Plan",
    "Plans",
    "as_inputs",
    "batch_dtype",
    "draws_plans",
    "drop_path_network",
    "input_names",
    "is_holder",
    "plan_of",
    "thins",
    "traced",
    "twin",
]

Plan: TypeAlias = tuple[tuple[bool, ...], ...]
"""A row for each join: which of its inputs live."""

Inputs: TypeAlias = Tensor | Sequence[Tensor]
"""A batch of what goes in: a tensor, or a tensor for each of several inputs."""

Plans: TypeAlias = Plan | Sequence[Plan]
"""One plan for all samples, or, for networks that draw `per = "sample"`, one for each."""


class DropPathNetwork(Protocol):
    """A generated module with drop-path, in either style of code."""

    columns: int

    @property
    def joins(self) -> Sequence[nn.Module]: ...
    def full_plan(self) -> Plan: ...
    def column_plan(self, k: int) -> Plan: ...
    def sample_plan(self, generator: torch.Generator | None = None) -> Plan: ...
    def live(self, plan: Plans) -> list[str]: ...
    def extract_column(self, k: int) -> nn.Module: ...
    def anytime(self, *inputs: Tensor) -> Iterator[tuple[int | None, Tensor]]: ...
    def __call__(self, *inputs: Tensor, plan: Plans | None = None) -> Tensor: ...


def drop_path_network(model: nn.Module) -> DropPathNetwork:
    """`model` as a network that draws plans. Raises TypeError for what draws none."""
    if draws_plans(model):
        return cast(DropPathNetwork, model)
    inner = getattr(model, "module", None)
    hint = ""
    if isinstance(inner, nn.Module) and draws_plans(inner):
        hint = "; it wraps one: give its `.module`"
    raise TypeError(
        f"{type(model).__name__} draws no plans; a network compiled from a specification with"
        f" drop_path(...) was expected{hint}"
    )


def draws_plans(model: nn.Module) -> bool:
    return all(hasattr(model, name) for name in ("columns", "joins", "full_plan", "column_plan"))


def thins(module: nn.Module) -> bool:
    """Whether it is a branch under stochastic depth."""
    return hasattr(module, "per_batch") and hasattr(module, "rate")


def is_holder(module: nn.Module) -> bool:
    """Whether it only holds others, as a list of modules does: nobody calls it."""
    return type(module).forward is nn.Module.forward


def plan_of(model: nn.Module, column: int | None) -> Plan | None:
    """The plan of a column, or the full one; None where `model` draws none and none is asked."""
    if column is None and not draws_plans(model):
        return None
    network = drop_path_network(model)
    return network.full_plan() if column is None else network.column_plan(column)


def twin(model: nn.Module, device: str | torch.device = "meta") -> nn.Module:
    """A copy of `model` whose tensors have shapes and no values: it costs no memory."""
    held = [*model.parameters(), *model.buffers()]
    memo: dict[int, object] = {id(one): _hollow(one, device) for one in held}
    return copy.deepcopy(model, memo)


def _hollow(tensor: Tensor, device: str | torch.device) -> Tensor:
    made = torch.empty_like(tensor, device=device)
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(made, requires_grad=tensor.requires_grad)
    return made


def batch_dtype(model: nn.Module) -> torch.dtype:
    """The type of number that `model` computes in."""
    kinds = (one.dtype for one in model.parameters() if one.is_floating_point())
    return next(kinds, torch.get_default_dtype())


def input_names(model: nn.Module) -> list[str]:
    """The tensors that `model` takes, in order: the arguments of its forward but the plan."""
    return [name for name in signature(model.forward).parameters if name != "plan"]


def as_inputs(x: Inputs) -> tuple[Tensor, ...]:
    """What a network takes, one tensor or several, as several."""
    return (x,) if isinstance(x, Tensor) else tuple(x)


# A network as a list of layers ------------------------------------------------------


class _UnderPlan(nn.Module):
    """A network with its plan decided, so that tracing meets no plan among the inputs."""

    def __init__(self, network: nn.Module, plan: Plan | None) -> None:
        super().__init__()
        self.network, self.plan = network, plan

    def forward(self, *inputs: Tensor) -> Any:
        network: Any = self.network
        if self.plan is None:
            return network(*inputs)
        if not hasattr(network, "compute"):
            return network(*inputs, plan=self.plan)
        # Drawn for each sample: past `forward`, which asks how many samples there are.
        samples = type(network).forward.__globals__["Samples"]
        found = network.compute(*map(samples, inputs), network.bits([self.plan]))
        return found.values if isinstance(found, samples) else tuple(one.values for one in found)


class Mean(nn.Module):
    """A join of two inputs or more, as generated code has it: summed up in float32 at least."""

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        kind = inputs[0].dtype
        total = inputs[0].to(torch.promote_types(kind, torch.float32)) + inputs[1]
        for one in inputs[2:]:
            total = total + one
        return (total / len(inputs)).to(kind)


class _Tracer(fx.Tracer):
    """Follows the generated code down to torch's layers.

    Joins ask for types, which tracing does not know: they are left whole, and so is `mean`,
    the join of networks without drop-path. A join with one input is nothing.
    """

    def __init__(self, network: nn.Module) -> None:
        self.mean = getattr(network.forward, "__globals__", {}).get("mean")
        super().__init__(autowrap_functions=(self.mean,) if callable(self.mean) else ())
        self.joins = {id(one) for one in getattr(network, "joins", ())}
        self.names = input_names(network)

    def create_args_for_root(
        self, root_fn: Callable[..., Any], is_module: bool, concrete_args: Any = None
    ) -> tuple[Callable[..., Any], list[Any]]:
        """The inputs by the names that the network has for them."""
        inputs = [self.create_proxy("placeholder", name, (), {}) for name in self.names]
        return root_fn, [self.root, *inputs]

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        alone = next(m.children(), None) is None and not thins(m)
        return alone or super().is_leaf_module(m, module_qualified_name)

    def call_module(
        self,
        m: nn.Module,
        forward: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        if id(m) not in self.joins:
            return super().call_module(m, forward, args, kwargs)
        inputs: Any = args[0]
        if len(inputs) == 1:
            return inputs[0]
        if isinstance(inputs[0], tuple):  # drawn for each sample; here all samples are in
            first = cast(Any, inputs[0])
            return first._replace(values=self.joined(m, [one.values for one in inputs]))
        return self.joined(m, list(inputs))

    def joined(self, join: nn.Module, inputs: list[fx.Proxy]) -> fx.Proxy:
        return self.create_proxy("call_module", self.path_of_module(join), (inputs,), {})


def traced(model: nn.Module, plan: Plan | None) -> fx.GraphModule:
    """What `model` computes under `plan`, as a chain of its layers; the layers are shared.

    Dead parts are not there, nor are joins with one live input. Names stay.
    """
    tracer = _Tracer(model)
    with torch.enable_grad():  # without, joins would add up in place
        graph = tracer.trace(_UnderPlan(model, plan))
    graph._tracer_cls = fx.Tracer  # for unpickling, where all modules are left whole
    held = nn.Module()
    held.training = model.training
    for number, node in enumerate(graph.nodes):
        node.type = None  # annotations, which pickle as text
        if node.op == "call_function" and node.target is tracer.mean:
            node.op, node.target = "call_module", f"join_{number}"  # no part is called so
            node.kwargs = {}
            _hold(held, node.target, Mean())
        elif node.op == "call_module":
            node.target = node.target.removeprefix("network.")
            one = model.get_submodule(node.target)
            _hold(held, node.target, Mean() if id(one) in tracer.joins else one)
    made = fx.GraphModule(held, graph, type(model).__name__)
    for holder in made.modules():
        if type(holder) is nn.Module:
            holder.training = model.training
    return made


def _hold(root: nn.Module, name: str, module: nn.Module) -> None:
    """`module` under a dotted name, in data-flow order among the others."""
    *path, last = name.split(".")
    for part in path:
        if part not in root._modules:
            root.add_module(part, nn.Module())
        root = root.get_submodule(part)
    root.add_module(last, module)
