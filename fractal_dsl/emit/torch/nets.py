"""What a drop-path network inherits, written for as many tensors as it takes and gives."""

from __future__ import annotations

from fractal_dsl.emit.torch.lines import Line, laid_out
from fractal_dsl.emit.torch.registers import input_names
from fractal_dsl.emit.torch.text import Code, Safe, commas, fill
from fractal_dsl.emit.torch.views import NetView
from fractal_dsl.ir.graph import Program

__all__ = ["net_view"]


def net_view(program: Program) -> NetView:
    names = input_names(program.net.inputs)
    several = len(program.net.outputs) > 1
    tensors = commas(fill("{}: Tensor", name) for name in names)
    samples = commas(fill("{}: Samples", name) for name in names)
    result = fill("tuple[Tensor, ...]" if several else "Tensor")
    results = fill("tuple[Samples, ...]" if several else "Samples")
    plans = fill("plan: Plan | Sequence[Plan] | None = None")
    loss = fill("loss: Callable[[{}], Tensor]", result)
    losses = fill("tuple[Tensor, dict[int, {}]]", result)
    return NetView(
        first=names[0],
        several=several,
        sampled_head=lines(1, fill("def forward(self, {}, {}) -> {}:", tensors, plans, result)),
        computed=lines(2, *computed(names, several)),
        compute_head=lines(1, fill("def compute(self, {}, plan: Plan) -> {}:", samples, results)),
        backward_head=lines(1, fill("def backward(self, {}, {}) -> {}:", tensors, loss, losses)),
        passed=lines(3, fill("output = self({}, plan=plan)", commas(names))),
    )


def lines(depth: int, *codes: Code) -> list[Safe]:
    return [*laid_out([Line(code) for code in codes], depth)]


def computed(names: list[Code], several: bool) -> list[Code]:
    """The end of `forward` where each sample has a plan of its own."""
    given = commas(fill("Samples({})", name) for name in names)
    if not several:
        return [fill("return self.compute({}, self.bits(plans)).values", given)]
    return [
        fill("outputs = self.compute({}, self.bits(plans))", given),
        fill("return tuple(one.values for one in outputs)"),
    ]
