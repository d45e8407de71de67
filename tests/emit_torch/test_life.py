"""What becomes of a generated module: copied, pickled, saved, exported, cast, linted, typed."""

from __future__ import annotations

import copy
import importlib
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from fractal_dsl.driver.compilation import Style
from tests.emit_torch.nets import BLOCK, NET, ROOT, SPECS, STYLES, compiled, made

# mypy reads torch for half a minute, unless the check of this repository has done so.
CACHE = ROOT / ".mypy_cache"
PLAIN = NET.replace("drop_path(local = 0.4, global = 0.5)", "")


@pytest.fixture(params=STYLES)
def module(request: pytest.FixtureRequest) -> nn.Module:
    """A network that has trained a little, so its statistics are its own."""
    network = made(NET, request.param)
    network(torch.randn(4, 2, 8, 8))
    return network


def inputs(dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(3, 2, 8, 8, generator=torch.Generator().manual_seed(1)).to(dtype)


def evaluated(module: nn.Module, x: Tensor | None = None) -> Tensor:
    with torch.no_grad():
        found: Tensor = module.eval()(inputs() if x is None else x)
    return found


def test_a_deep_copy_is_a_network_of_its_own(module: Any) -> None:
    twin = copy.deepcopy(module)
    assert torch.equal(evaluated(twin), evaluated(module))
    assert [twin.sample_plan() for _ in range(9)] == [module.sample_plan() for _ in range(9)]
    twin.local_rate, twin.global_rate = 0.0, 0.0
    assert twin.sample_plan() == twin.full_plan()
    before = evaluated(module)
    for parameter in twin.parameters():
        parameter.data.zero_()
    assert torch.equal(evaluated(module), before)


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path, for generated files that are imported as users do."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in ("made_modules", "made_flat"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("style", STYLES)
def test_a_module_from_a_file_pickles(imported: Path, style: Style) -> None:
    """Whole modules go through `torch.save`, and into the processes of a data-parallel run."""
    (imported / f"made_{style}.py").write_text(compiled(NET).generate(style), encoding="utf-8")
    network = importlib.import_module(f"made_{style}").Net(classes=7)
    twin = pickle.loads(pickle.dumps(network))
    assert type(twin) is type(network)
    assert evaluated(twin).shape == (3, 7)
    assert torch.equal(evaluated(twin), evaluated(network))
    assert twin.sample_plan() == network.sample_plan()


# Nothing of this project, nor what it is built on, can be imported.
ALONE = """
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"fractal_dsl", "lark", "graphviz", "pygraphviz", "rich"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import torch
from net import Net
model = Net().train()
optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
before = [one.detach().clone() for one in model.parameters()]
model(torch.randn(4, 2, 8, 8)).square().mean().backward()
optimiser.step()
assert any(not torch.equal(a, b) for a, b in zip(before, model.parameters()))
torch.save(model.state_dict(), "weights.pt")
twin = Net()
twin.load_state_dict(torch.load("weights.pt"))
x = torch.randn(4, 2, 8, 8)
assert torch.equal(twin.eval()(x), model.eval()(x))
"""


@pytest.mark.parametrize("style", STYLES)
def test_it_needs_torch_and_nothing_of_this_project(tmp_path: Path, style: Style) -> None:
    (tmp_path / "net.py").write_text(compiled(NET).generate(style), encoding="utf-8")
    command = [sys.executable, "-c", ALONE]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_weights_are_saved_and_loaded_strictly(module: nn.Module, tmp_path: Path) -> None:
    """With `weights_only`: a checkpoint is tensors, and runs nothing when it is opened."""
    torch.save(module.state_dict(), tmp_path / "weights.pt")
    state = torch.load(tmp_path / "weights.pt", weights_only=True)
    for style in STYLES:
        fresh = made(NET, style)
        fresh.load_state_dict(state, strict=True)
        assert torch.equal(evaluated(fresh), evaluated(module))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("text", [NET, PLAIN], ids=["sampled", "plain"])
def test_eval_exports_as_one_graph(text: str, style: Style) -> None:
    network = made(text, style).eval()
    batch = torch.export.Dim("batch", min=2)
    exported = torch.export.export(network, (inputs(),), dynamic_shapes=({0: batch},))
    for size in (2, 5):
        x = torch.randn(size, 2, 8, 8)
        torch.testing.assert_close(exported.module()(x), network(x))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_it_moves_to_other_types(module: Any, dtype: torch.dtype) -> None:
    """Under every plan the output has the network's type, though joins add up in float32."""
    network = module.to(dtype).train()
    for plan in (network.full_plan(), network.column_plan(1), network.sample_plan()):
        assert network(inputs(dtype), plan).dtype == dtype
    assert {one.dtype for one in network.parameters()} == {dtype}
    assert evaluated(network, inputs(dtype)).isfinite().all()


@pytest.mark.parametrize("per", ["batch", "sample"])
@pytest.mark.parametrize("style", STYLES)
def test_channels_last_survives(style: Style, per: str) -> None:
    """Joins, pools and selections of samples hand on the layout, in every layer and plan."""
    text = NET.replace("global = 0.5", f'global = 0.5, per = "{per}"')
    network, plain = (cast(Any, made(text, style)) for _ in range(2))
    network.to(memory_format=torch.channels_last)
    seen: list[bool] = []
    for one in network.modules():
        if isinstance(one, nn.Conv2d | nn.BatchNorm2d | nn.MaxPool2d):
            one.register_forward_hook(
                lambda _, given, y: seen.extend(
                    t.is_contiguous(memory_format=torch.channels_last) for t in (given[0], y)
                )
            )
    x = torch.randn(6, 2, 8, 8, generator=torch.Generator().manual_seed(1))
    plans = [network.sample_plan() for _ in x]
    for plan in (
        network.full_plan(),
        network.column_plan(2),
        plans if per == "sample" else plans[0],
    ):
        y = network(x.to(memory_format=torch.channels_last), plan)
        torch.testing.assert_close(y, plain(x, plan), rtol=1e-4, atol=1e-5)
    assert len(seen) > 50
    assert all(seen)


MODES = (
    'global = 0.5, per = "sample"',
    'mode = "simultaneous"',
    'dead = "advance", columns = [1, 3]',
    'per = "sample", mode = "simultaneous", dead = "advance"',
)


# Flat code says every part by its whole name, and some names alone are wider than a line.
WIDE = {"zoo_hourglass_flat.py", "zoo_seresnet50_flat.py"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of generated files: every specification, and more, in both styles."""
    folder = tmp_path_factory.mktemp("generated")
    named: list[tuple[str, Path | str]] = [
        (f"{path.parent.name}_{path.stem}", path) for path in SPECS
    ]
    named += [("block", BLOCK), ("net", NET), ("plain", PLAIN)]
    named += [(f"mode_{at}", NET.replace("global = 0.5", one)) for at, one in enumerate(MODES)]
    for name, source in named:
        for style in STYLES:
            text = compiled(source).generate(style)
            (folder / f"{name}_{style}.py").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "--isolated", "--select=E,F,W,I,UP,N,PIE,C4", "--ignore=N801"),
        ("ruff", "format", "--isolated", "--check", "--diff"),
        ("mypy", "--strict", f"--config-file={ROOT}/pyproject.toml", f"--cache-dir={CACHE}"),
    ],
    ids=["ruff-check", "ruff-format", "mypy"],
)
def test_generated_files_are_clean(files: Path, command: tuple[str, ...]) -> None:
    """By strict rules of everyday: who puts a file into a project need not exempt it."""
    paths = sorted(map(str, files.glob("*.py")))
    assert len(paths) == 2 * (len(SPECS) + 3 + len(MODES))
    if command[0] == "ruff":
        paths = [path for path in paths if Path(path).name not in WIDE]
    done = subprocess.run(
        [sys.executable, "-m", *command, *paths], capture_output=True, text=True, cwd=files
    )
    assert done.returncode == 0, done.stdout + done.stderr
