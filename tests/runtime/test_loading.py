"""Weights into a network: all or nothing, and told what came from where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fractal_dsl.driver import compile
from fractal_dsl.driver.keymap import keymap
from fractal_dsl.runtime import LoadError, LoadReport, extract_column, grow, load_weights
from tests.emit_torch.nets import compiled
from tests.runtime.nets import BLOCKS, inputs, made, statistics_of_its_own

WITH_NORM = BLOCKS.replace("linear(classes)", "linear(classes) >> batch_norm")


def state(model: nn.Module) -> dict[str, Tensor]:
    return {key: one.clone() for key, one in model.state_dict().items()}


def is_as(model: nn.Module, values: dict[str, Tensor]) -> bool:
    return all(torch.equal(one, values[key]) for key, one in model.state_dict().items())


def test_everything_loads_from_a_dict_and_from_files(tmp_path: Path) -> None:
    source = statistics_of_its_own(made())
    torch.save(source.state_dict(), tmp_path / "weights.pt")
    for given in (source.state_dict(), tmp_path / "weights.pt", str(tmp_path / "weights.pt")):
        model = made()
        assert load_weights(model, given) == LoadReport(tuple(source.state_dict()))
        assert is_as(model, state(source))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda values: values.pop("linear.bias"), "keys are missing or extra; partial=True"),
        (lambda values: values.update(other=torch.ones(1)), "keys are missing or extra"),
        (lambda values: values.update({"linear.bias": torch.ones(7)}), "tensors have other shapes"),
        (lambda values: values.clear(), "missing"),
    ],
)
def test_an_error_loads_nothing(spoil: Any, reason: str) -> None:
    values, model = state(statistics_of_its_own(made())), made()
    spoil(values)
    before = state(model)
    with pytest.raises(LoadError, match=reason) as raised:
        load_weights(model, values)
    assert "nothing was loaded" in str(raised.value)
    assert is_as(model, before)


def test_partly_on_request_but_never_of_another_network() -> None:
    values, model = state(statistics_of_its_own(made())), made()
    bias, fresh = values.pop("linear.bias"), model.linear.bias.clone()
    values["other"] = bias
    report = load_weights(model, values, partial=True)
    assert (report.missing, report.extra) == (("linear.bias",), ("other",))
    assert torch.equal(model.linear.bias, fresh)
    with pytest.raises(LoadError, match="no key of the state dict is one of the network's"):
        load_weights(model, {"other": bias}, partial=True)


def test_the_head_of_another_number_of_classes_stays_fresh() -> None:
    source = statistics_of_its_own(compiled(BLOCKS).module()(classes=9))
    model = made()
    before, values = state(model), state(source)
    with pytest.raises(LoadError, match="classes_may_differ=True leaves it"):
        load_weights(model, values)
    assert is_as(model, before)
    report = load_weights(model, values, classes_may_differ=True)
    head = ("linear.weight", "linear.bias")
    assert report.other_shapes == {head[0]: ((9, 6), (5, 6)), head[1]: ((9,), (5,))}
    assert is_as(model, {**values, **{key: before[key] for key in head}})
    assert str(report).splitlines() == [
        f"loaded {len(values) - 2} tensors",
        "of another shape, fresh: 2",
        "  linear.weight [9, 6], here [5, 6]",
        "  linear.bias [9], here [5]",
    ]


def test_the_head_of_a_column_is_its_last_layer_too() -> None:
    source = statistics_of_its_own(made(classes=9))
    column = extract_column(made(), 2)
    report = load_weights(column, source.state_dict(), classes_may_differ=True, partial=True)
    assert set(report.other_shapes) == {"linear.weight", "linear.bias"}
    assert list(column.state_dict()) == [*report.loaded, "linear.weight", "linear.bias"]
    assert list(report.loaded) == [key for key in source.state_dict() if key in report.loaded]


def test_a_head_with_a_norm_behind_it_is_one_head() -> None:
    source, model = made(WITH_NORM, classes=9), made(WITH_NORM)
    report = load_weights(model, source.state_dict(), classes_may_differ=True)
    assert set(report.other_shapes) == {
        "linear.weight", "linear.bias", "batch_norm.weight", "batch_norm.bias",
        "batch_norm.running_mean", "batch_norm.running_var",
    }  # fmt: skip


def test_other_layers_of_other_shapes_are_no_head() -> None:
    wider = compile(BLOCKS.replace("(6, 0.4)", "(7, 0.4)")).module()()
    with pytest.raises(LoadError, match="only the last layer may differ"):
        load_weights(made(), wider.state_dict(), classes_may_differ=True)


def test_wrappers_prefixes_are_taken_off() -> None:
    source = statistics_of_its_own(made())
    averaged = torch.optim.swa_utils.AveragedModel(source)
    compiled_ = {f"_orig_mod.module.{key}": one for key, one in source.state_dict().items()}
    for values in (averaged.state_dict(), compiled_):
        model = made()
        load_weights(model, values)
        assert is_as(model, state(source))


def test_a_checkpoint_with_more_in_it_says_what_it_has() -> None:
    with pytest.raises(TypeError, match=r"it has 'epoch'.*give the entry with the weights"):
        load_weights(made(), {"epoch": 3, "model": {}})  # type: ignore[dict-item]


def test_a_long_report_is_short() -> None:
    report = LoadReport(missing=tuple(f"key{n}" for n in range(20)))
    assert str(report).splitlines()[1:] == [
        "missing, fresh: 20", *(f"  key{n}" for n in range(8)), "  and 12 more"
    ]  # fmt: skip


# Growing ----------------------------------------------------------------------------


def test_weights_of_f_2_seed_f_3() -> None:
    small, large = statistics_of_its_own(made(C=2)), made(C=3)
    found = keymap(compiled(BLOCKS, C=2), compiled(BLOCKS, C=3))
    fresh, values = state(large), state(small)
    report = grow(small, large, found.keys)
    assert (report.missing, report.extra) == (found.fresh, found.unused)
    expected = {**fresh, **{ours: values[theirs] for ours, theirs in found.keys.items()}}
    assert is_as(large, expected)
    # f(2), the first half of column 3, is the small net's first block.
    x, (first, old) = inputs(), (large.eval().block[0].f.f_1, small.block[0].f)
    live = (True, True)
    for one, other in zip(first(x, (), live), old(x, (), live), strict=True):
        torch.testing.assert_close(one, other)


def test_a_map_of_other_nets_changes_nothing() -> None:
    small, large = made(C=2), made(C=3)
    before = state(large)
    for wrong, reason in (
        ({"linear.weight": "gone"}, "keys that the small net has not"),
        ({"gone": "linear.weight"}, "not one between these two nets"),
        ({"linear.bias": "linear.weight"}, "not one between these two nets"),
    ):
        with pytest.raises(LoadError, match=reason):
            grow(small.state_dict(), large, wrong)
        assert is_as(large, before)
