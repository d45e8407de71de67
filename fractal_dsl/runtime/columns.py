"""The networks inside a network: taken out, compared, and computed one after another."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import torch
from torch import Tensor, fx, nn
from torch.utils.flop_counter import FlopCounterMode

from fractal_dsl.runtime.networks import (
    Inputs,
    as_inputs,
    drop_path_network,
    plan_of,
    thins,
    traced,
    twin,
)

__all__ = ["ColumnRow", "ColumnTable", "column_table", "extract_column"]


def extract_column(model: nn.Module, k: int | None) -> fx.GraphModule:
    """Column `k` of `model` (1 the shallowest) as a plain chain of layers; None: everything.

    It has copies of the live layers alone, under the names that they have in `model`, and
    `forward` calls them one after another: no plan, no joins with one input, no classes of
    the generated code. `model.extract_column(k)` is that code itself, with one plan. Mode
    (train, eval) and device are those of `model`. Raises ValueError for stochastic depth in
    training, which is no chain.
    """
    if model.training and any(map(thins, model.modules())):
        raise ValueError(
            f"{type(model).__name__} does without branches in training, by stochastic depth;"
            " model.eval() was expected, or model.extract_column(k)"
        )
    made = copy.deepcopy(traced(model, plan_of(model, k)))
    for one in made.modules():
        _whole_batches(one)
    return made


def _whole_batches(module: nn.Module) -> None:
    """A batch norm generated for `per = "sample"` is torch's own again: all samples are in."""
    for plain in (nn.BatchNorm1d, nn.BatchNorm2d):
        if isinstance(module, plain) and type(module) is not plain:
            module.__class__ = plain
            vars(module).pop("batch", None)


@dataclass(frozen=True, slots=True)
class ColumnRow:
    """A column, or the whole net (`column` None), on a batch of one shape.

    `depth` is the number of convolutions on its longest path, projections included;
    `macs` are the multiply-adds of one sample, `latency` is milliseconds for the batch.
    """

    column: int | None
    depth: int
    parameters: int
    macs: int
    latency: float

    @property
    def cells(self) -> tuple[str, ...]:
        name = "all" if self.column is None else str(self.column)
        return (
            name, str(self.depth), f"{self.parameters:,}", f"{self.macs:,}", f"{self.latency:.2f}",
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ColumnTable:
    """A row for each column and one for the whole net, for batches of one shape.

    `batch` is the shape of the first input.
    """

    rows: tuple[ColumnRow, ...]
    batch: tuple[int, ...]

    def __iter__(self) -> Iterator[ColumnRow]:
        return iter(self.rows)

    def __str__(self) -> str:
        head = ("column", "depth", "parameters", "multiply-adds", "ms")
        lines = [head, *(row.cells for row in self.rows)]
        widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
            for line in lines
        )


def column_table(model: nn.Module, x: Inputs, *, runs: int = 11) -> ColumnTable:
    """What each column of `model` costs on the batch `x`: size, work and time.

    Of a network of several inputs `x` is a tensor for each.

    Timed are the extracted networks in eval mode, by turns, after one run each to warm up;
    `latency` is the median of `runs`.
    """
    if runs < 1:
        raise ValueError(f"the median of {runs} runs; at least 1 was expected")
    copied = copy.deepcopy(model).eval()
    asked = (*range(1, drop_path_network(copied).columns + 1), None)
    nets = [traced(copied, plan_of(copied, k)) for k in asked]
    inputs = as_inputs(x)
    times = latencies(nets, inputs, runs)
    rows = (_row(k, net, inputs, ms) for k, net, ms in zip(asked, nets, times, strict=True))
    return ColumnTable(tuple(rows), tuple(inputs[0].shape))


def _row(
    column: int | None, net: fx.GraphModule, inputs: Sequence[Tensor], latency: float
) -> ColumnRow:
    parameters = sum(one.numel() for one in net.parameters())
    return ColumnRow(column, conv_depth(net), parameters, _macs(net, inputs), latency)


def _macs(net: nn.Module, inputs: Sequence[Tensor]) -> int:
    """Multiply-adds of one sample: convolutions and dense layers, without their biases."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        twin(net)(*(torch.empty_like(one, device="meta") for one in inputs))
    return int(counter.get_total_flops()) // (2 * len(inputs[0]))


def conv_depth(net: fx.GraphModule) -> int:
    """Convolutions on the longest path of a traced network."""
    depths: dict[fx.Node, int] = {}
    for node in net.graph.nodes:
        own = node.op == "call_module" and isinstance(
            net.get_submodule(node.target), nn.modules.conv._ConvNd
        )
        depths[node] = own + max((depths[one] for one in node.all_input_nodes), default=0)
    return max(depths.values())


def latencies(nets: Iterable[nn.Module], x: Inputs, runs: int) -> list[float]:
    """Median milliseconds of each; they take turns, so that a busy machine is fair to all."""
    nets, inputs = list(nets), as_inputs(x)
    times: list[list[float]] = [[] for _ in nets]
    with torch.no_grad():
        for run in range(runs + 1):
            for net, own in zip(nets, times, strict=True):
                took = _milliseconds(net, inputs)
                if run:
                    own.append(took)
    return [median(own) for own in times]


def _milliseconds(net: nn.Module, inputs: Sequence[Tensor]) -> float:
    start = perf_counter()
    net(*inputs)
    if inputs[0].is_cuda:
        torch.cuda.synchronize(inputs[0].device)
    return 1e3 * (perf_counter() - start)
