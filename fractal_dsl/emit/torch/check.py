"""The last look at generated code, before anybody gets it: nothing but what we write.

Text from a specification reaches the output as names of our making, literals, docstrings and
comments. Should a mistake of ours ever let more through, it ends here: imports, kinds of
statement, names and calls are compared with a list.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator
from typing import Final

from fractal_dsl.diagnostics import InternalError

__all__ = ["check_code"]

IMPORTS: Final = {
    "__future__": {"annotations"},
    "collections.abc": {"Callable", "Iterable", "Iterator", "Sequence"},
    "contextlib": {"nullcontext"},
    "copy": {"deepcopy"},
    "functools": {"cache", "partial", "reduce"},
    "itertools": {"compress"},
    "operator": {"or_"},
    "torch": {"Tensor", "nn"},
    "torch.overrides": {"TorchFunctionMode"},
    "torch.utils.checkpoint": {"checkpoint"},
    "typing": {"Any", "NamedTuple", "cast"},
    "weakref": {"proxy"},
}

BUILTINS: Final = frozenset(
    """
    False None NotImplementedError True ValueError all any bool dict enumerate float int isinstance
    iter len list max min next object range reversed set setattr str sum super tuple type zip
    """.split()
)

DUNDERS: Final = frozenset(
    "__all__ __enter__ __exit__ __future__ __init__ __str__ __torch_function__".split()
)

TORCH: Final = frozenset(
    """
    torch.compiler torch.inference_mode torch.is_grad_enabled torch.long
    torch.Generator torch.Generator().manual_seed torch.add torch.arange torch.autograd torch.cat
    torch.channels_last torch.div torch.double torch.float32 torch.full torch.maximum torch.minimum
    torch.mul torch.no_grad torch.promote_types torch.rand torch.set_grad_enabled torch.stack
    torch.sub torch.tensor torch.zeros torch.zeros_like
    """.split()
)

LAYERS: Final = frozenset(
    """
    AdaptiveAvgPool2d AdaptiveMaxPool2d AvgPool2d BatchNorm1d BatchNorm2d ChannelShuffle Conv2d
    ConvTranspose2d Dropout Dropout2d ELU Embedding Flatten GELU GroupNorm Hardsigmoid Hardswish
    Identity LayerNorm LeakyReLU Linear MaxPool2d Mish Module ModuleList Parameter PReLU ReLU ReLU6
    SELU Sequential SiLU Sigmoid Softmax Softplus SyncBatchNorm Tanh Upsample ZeroPad2d functional
    init
    """.split()
)

PLAIN: Final = frozenset(
    {
        ast.Add, ast.And, ast.AnnAssign, ast.Assign, ast.AugAssign, ast.BinOp, ast.BitAnd,
        ast.BitOr, ast.BoolOp, ast.ClassDef, ast.Compare, ast.Del, ast.Delete, ast.Dict,
        ast.DictComp, ast.Div, ast.Eq, ast.Expr, ast.FloorDiv, ast.For, ast.FormattedValue,
        ast.GeneratorExp, ast.Gt,
        ast.GtE, ast.If, ast.IfExp, ast.In, ast.Is, ast.IsNot, ast.JoinedStr, ast.LShift,
        ast.Lambda, ast.List, ast.ListComp, ast.Load, ast.Lt, ast.LtE, ast.Module, ast.Mult,
        ast.Not, ast.NotEq, ast.NotIn, ast.Or, ast.Pow, ast.RShift, ast.Raise, ast.Return,
        ast.Set, ast.SetComp, ast.Slice, ast.Starred, ast.Store, ast.Sub, ast.Subscript,
        ast.Tuple, ast.USub, ast.UnaryOp, ast.With, ast.Yield, ast.arg, ast.arguments,
        ast.comprehension, ast.keyword, ast.withitem,
    }
)  # fmt: skip

TOP: Final = (ast.AnnAssign, ast.Assign, ast.ClassDef, ast.FunctionDef, ast.Import, ast.ImportFrom)
IN_CLASS: Final = (ast.AnnAssign, ast.Assign, ast.FunctionDef)


def check_code(text: str, externs: Collection[str] = ()) -> None:
    """Raise `InternalError`, naming the line, unless `text` is code such as we generate.

    `externs` are the dotted names of the modules of others that it may use, and no more of them.
    """
    try:
        tree = ast.parse(text.encode())  # as bytes: a file may name its own encoding
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InternalError(f"the generated code is no Python: {error}") from error
    for node, problem in _Checker(tree, externs).problems():
        line = getattr(node, "lineno", 0)
        raise InternalError(f"line {line} of the generated code: {problem}")


class _Checker:
    def __init__(self, tree: ast.Module, externs: Collection[str]) -> None:
        self.tree = tree
        self.packages = {path.rpartition(".")[0] for path in externs} - {"torch.nn"}
        self.allowed = {
            ".".join(parts[: end + 1])
            for parts in (path.split(".") for path in externs)
            for end in range(len(parts))
        }
        self.roots = {path.partition(".")[0] for path in self.packages} - {"torch"}
        self.names = set(BUILTINS)
        self.checks: dict[type[ast.AST], Callable[[ast.AST], str | None]] = {
            ast.Import: self.imported,
            ast.ImportFrom: self.imported,
            ast.Name: self.name,
            ast.Attribute: self.attribute,
            ast.Call: self.call,
            ast.Constant: self.constant,
            ast.FunctionDef: self.function,
        }

    def problems(self) -> Iterator[tuple[ast.AST, str]]:
        nodes = list(ast.walk(self.tree))
        for node in nodes:
            self.define(node)
        yield from self.layout()
        for node in nodes:
            check = self.checks.get(type(node))
            if check is None:
                if type(node) not in PLAIN:
                    yield node, f"{type(node).__name__} does not belong here"
            elif problem := check(node):
                yield node, problem

    def define(self, node: ast.AST) -> None:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.arg(arg=name):
                self.names.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                self.names.add(name)
            case ast.alias(name=name):
                self.names.add(name.partition(".")[0])
                self.checks[ast.alias] = lambda node: None

    def layout(self) -> Iterator[tuple[ast.AST, str]]:
        """Importing runs definitions and nothing else."""
        for at, node in enumerate(self.tree.body):
            if not isinstance(node, TOP) and not (at == 0 and is_text(node)):
                yield node, "only definitions stand at the top"
            if isinstance(node, ast.ClassDef):
                for number, inner in enumerate(node.body):
                    if not isinstance(inner, IN_CLASS) and not (number == 0 and is_text(inner)):
                        yield inner, "only definitions stand in a class"
                if node.decorator_list or node.keywords:
                    yield node, "a class has neither decorators nor keywords"

    def imported(self, node: ast.AST) -> str | None:
        if isinstance(node, ast.Import):
            known = {"torch", *self.packages}
            fine = [(one.name in known, one.asname) for one in node.names] == [(True, None)]
        else:
            assert isinstance(node, ast.ImportFrom)
            known = IMPORTS.get(node.module or "", set())
            fine = node.level == 0 and all(
                one.name in known and one.asname is None for one in node.names
            )
        return None if fine else "an import that is not on the list"

    def name(self, node: ast.AST) -> str | None:
        assert isinstance(node, ast.Name)
        if node.id.startswith("__") and node.id not in DUNDERS:
            return f"the name {node.id!r}"
        return None if node.id in self.names else f"{node.id!r} is nothing that we defined"

    def attribute(self, node: ast.AST) -> str | None:
        assert isinstance(node, ast.Attribute)
        if node.attr.startswith("_") and node.attr not in ("__init__", "__name__", "_call_impl"):
            return f"the attribute {node.attr!r}"
        path = dotted_path(node)
        if path.partition(".")[0] in self.roots:
            return None if path in self.allowed else f"{path} is not on the list"
        if path in self.allowed or path.replace("nn.", "torch.nn.", 1) in self.allowed:
            return None
        if isinstance(node.value, ast.Name) and node.value.id == "nn":
            return None if node.attr in LAYERS else f"nn.{node.attr} is not on the list"
        if isinstance(node.value, ast.Name) and node.value.id == "torch":
            fine = f"torch.{node.attr}" in TORCH
            return None if fine else f"torch.{node.attr} is not on the list"
        return None

    def call(self, node: ast.AST) -> str | None:
        """Calls go to names we defined, to attributes, and to modules in lists."""
        assert isinstance(node, ast.Call)
        if isinstance(node.func, ast.Name | ast.Attribute | ast.Subscript):
            return None
        return f"a call of {ast.unparse(node.func)}"

    def constant(self, node: ast.AST) -> str | None:
        assert isinstance(node, ast.Constant)
        fine = node.value in (None, ...) or isinstance(node.value, bool | int | float | str)
        return None if fine else f"the constant {node.value!r}"

    def function(self, node: ast.AST) -> str | None:
        assert isinstance(node, ast.FunctionDef)
        if node.decorator_list:
            return "a decorator"
        if node.name.startswith("__") and node.name not in DUNDERS:
            return f"a function {node.name!r}"
        return None


def dotted_path(node: ast.expr) -> str:
    """`torch.nn.GELU` of that text, "" of what is no row of names."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def is_text(node: ast.stmt) -> bool:
    """Whether a statement is a docstring."""
    return isinstance(node, ast.Expr) and isinstance(getattr(node.value, "value", None), str)
