"""What a drop-path network inherits, written for as many tensors as it takes and gives."""

from __future__ import annotations

from fractal_dsl.emit.torch.lines import Line, laid_out
from fractal_dsl.emit.torch.registers import input_names
from fractal_dsl.emit.torch.text import Code, Safe, commas, fill, literal
from fractal_dsl.emit.torch.views import NetView
from fractal_dsl.ir.graph import Program
from fractal_dsl.ir.shapes import Shape

__all__ = ["net_view"]


def net_view(program: Program) -> NetView:
    names = input_names(program.net.inputs)
    several = len(program.net.outputs) > 1
    tensors = commas(fill("{}: Tensor", name) for name in names)
    samples = commas(fill("{}: Samples", name) for name in names)
    result = fill("tuple[Tensor, ...]" if several else "Tensor")
    results = fill("tuple[Samples, ...]" if several else "Samples")
    plans = fill("plan: Plan | Sequence[Plan] | None = None")
    samples_of = fill("samples" if program.sampling and program.sampling.per_sample else "1")
    zeros = commas(zeros_of(shape, samples_of) for shape in program.net.inputs)
    chosen = fill("self.column_plan(k) if k else None")  # in eval mode, all
    answers = fill("Iterator[tuple[int | None, {}]]", result)
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
        tried=lines(3, fill("y = net({}, plan)", zeros)),
        anytime_head=lines(1, fill("def anytime(self, {}) -> {}:", tensors, answers)),
        answered=lines(4, fill("y = cast(Any, self)._call_impl({}, {})", commas(names), chosen)),
    )


def zeros_of(shape: Shape, samples: Safe) -> Code:
    """A batch of zeros where the weights are; tokens are integers."""
    sizes = commas([samples, *map(literal, shape.sizes)])
    kind = fill(", dtype=torch.long" if shape.kind == "tokens" else "")
    return fill("values[0].new_zeros({}{})", sizes, kind)


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
