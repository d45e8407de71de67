"""Two gloo ranks: alike to the last bit, and the same as one process on the global batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn

from fractal_dsl.runtime.parallel import DropPathParallel
from tests.parallel import ranks
from tests.parallel.nets import made

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder: Path = tmp_path_factory.mktemp("ranks")
    spawn(ranks.run, (folder,), nprocs=ranks.RANKS)
    files = [folder / f"rank{rank}.pt" for rank in range(ranks.RANKS)]
    return [torch.load(file, weights_only=False) for file in files]


def assert_identical(ours: State, theirs: State) -> None:
    assert ours.keys() == theirs.keys()
    for name, one in ours.items():
        assert torch.equal(one, theirs[name]), name


def assert_near(ours: State, theirs: State) -> None:
    """Within 1e-10 of each tensor's largest value."""
    assert ours.keys() == theirs.keys()
    for name, one in ours.items():
        bound = 1e-10 * float(theirs[name].abs().max())
        assert float((one - theirs[name]).abs().max()) <= bound, name


def moved(now: State) -> bool:
    """Guards the comparisons: 50 steps have done something everywhere."""
    before = made().state_dict()
    return all(not torch.equal(one, before[name]) for name, one in now.items())


def test_ranks_start_from_rank_0(found: Any) -> None:
    (state, plans, drawn), (other, other_plans, other_drawn) = (one["start"] for one in found)
    assert_identical(state, other)
    assert torch.equal(plans, other_plans)
    assert drawn == other_drawn
    assert len(set(drawn)) > 1


@pytest.mark.parametrize(
    "what", ["same_plans", "flat_style", "with_frozen_norms", "with_synced_norms", "ddp"]
)
def test_ranks_are_identical_after_50_steps(found: Any, what: str) -> None:
    assert_identical(found[0][what], found[1][what])


def test_ranks_with_their_own_plans_are_identical_after_50_steps(found: Any) -> None:
    (plans, state, dead), (other_plans, other, other_dead) = (one["own_plans"] for one in found)
    assert plans != other_plans
    assert_identical(state, other)
    assert dead == other_dead
    assert moved(state)


@pytest.mark.parametrize("what", ["with_frozen_norms", "ddp"])
def test_with_frozen_norms_it_is_one_process_on_the_global_batch(found: Any, what: str) -> None:
    assert_near(found[0][what], ranks.trained(ranks.frozen(made())))


def test_with_synced_norms_it_is_one_process_on_the_global_batch(found: Any) -> None:
    ours = found[0]["with_synced_norms"]
    assert moved(ours)
    assert_near(ours, ranks.trained(made()))


def test_with_plain_norms_it_is_one_process_with_a_micro_batch_for_each_rank(found: Any) -> None:
    ours = found[0]["same_plans"]
    assert moved(ours)
    assert_near(ours, trained_in_turn())
    assert_near(found[0]["flat_style"], ours)


def trained_in_turn() -> State:
    """What each rank does, by one process: statistics are the mean over the ranks."""
    model = made()
    descent = ranks.optimizer(model)
    norms = [one for one in model.modules() if isinstance(one, nn.BatchNorm2d)]
    for seed in range(ranks.STEPS):
        descent.zero_grad()
        plan = model.sample_plan()
        before, after = buffers(norms), []
        for rank in range(ranks.RANKS):
            for norm, values in zip(norms, before, strict=True):
                norm.load_state_dict(values, strict=False)
            (ranks.loss(model, seed, rank, plan=plan) / ranks.RANKS).backward()
            after.append(buffers(norms))
        for index, norm in enumerate(norms):
            norm.load_state_dict(mean([one[index] for one in after]), strict=False)
        descent.step()
    return ranks.state(model)


def mean(states: list[State]) -> State:
    together = {name: torch.stack([one[name] for one in states]) for name in states[0]}
    return {name: one.sum(0) / len(states) for name, one in together.items()}


def buffers(norms: list[nn.BatchNorm2d]) -> list[State]:
    return [{name: one.clone() for name, one in norm.named_buffers()} for norm in norms]


def test_parameters_in_parts_change_nothing(found: Any) -> None:
    """50 steps; each rank holds half of every parameter, up to rows that do not divide."""
    whole = sum(one.numel() for one in made().parameters())
    for one in found:
        state, held, loaded = one["sharded"]
        assert_near(state, found[0]["same_plans"])
        assert held <= 0.6 * whole
        assert_identical(loaded, state)
    assert sum(one["sharded"][1] for one in found) == whole


def test_lists_and_flat_code_come_in_parts(found: Any) -> None:
    pairs = zip(*(one["sharded_lists"][0] for one in found), strict=True)
    for (in_parts, alone), (others, _) in pairs:
        assert_identical(in_parts, others)
        assert_near(in_parts, alone)
    assert all(all(one["sharded_lists"][1]) for one in found)


def test_statistics_in_half_precision(found: Any) -> None:
    for ours, theirs in zip(*(one["half"] for one in found), strict=True):
        assert_identical(ours, theirs)
        assert all(one.isfinite().all() for one in ours.values())


def test_parameters_that_were_assigned(found: Any) -> None:
    ours, theirs = (one["assigned"] for one in found)
    assert_identical(ours, theirs)


def test_plans_are_compared_in_each_step(found: Any) -> None:
    for one in found:
        assert one["plans_that_part"].startswith("RuntimeError: the ranks' plans were to be")


def test_what_is_dead_is_not_gathered(found: Any) -> None:
    model = made()
    ranks.loss(model, 0, plan=model.column_plan(1)).backward()
    dead = [name for name, one in model.named_parameters() if one.grad is None]
    live = sum(one.numel() for one in model.parameters() if one.grad is not None)
    everything = sum(one.numel() for one in model.parameters())
    assert dead
    for one in found:
        assert one["sharded_plans"][0] == dead
        # Once forward and once backward; rows that two ranks do not divide are padded.
        assert live <= one["sharded_plans"][1] <= 2.5 * live < everything


def test_buckets_change_nothing(found: Any) -> None:
    assert_identical(found[0]["same_plans"], found[0]["same_plans_in_small_buckets"])


def test_compiled_regions_change_nothing(found: Any) -> None:
    assert_near(found[0]["compiled"][0], found[0]["compiled_not"])


def test_gradients_of_different_plans(found: Any) -> None:
    """Summed, divided by two; dead on one rank counts as zero, dead on both stays None."""
    ours, theirs = (one["two_columns"][0] for one in found)
    kinds = set()
    for name, after in found[0]["two_columns"][2].items():
        one, two = ours[name], theirs[name]
        kinds.add((one is None, two is None))
        if one is None and two is None:
            assert after is None
            continue
        zero = torch.zeros_like(one if one is not None else two)
        expected = ((zero if one is None else one) + (zero if two is None else two)) / 2
        torch.testing.assert_close(after, expected, rtol=1e-12, atol=0)
        assert torch.equal(after, found[1]["two_columns"][2][name])
    assert len(kinds) == 4  # all four cases were there


def test_statistics_of_a_layer_that_is_live_on_one_rank(found: Any) -> None:
    """All ranks take that rank's, to the last bit; and the mean where it is live on both."""
    before = made().state_dict()
    alone = [one["two_columns"][1] for one in found]
    cases = set()
    for rank in range(ranks.RANKS):
        for name, after in found[rank]["two_columns"][3].items():
            if "running" in name or "tracked" in name:
                live = [not torch.equal(one[name], before[name]) for one in alone]
                cases.add(tuple(live))
                expected = alone[live.index(True)][name] if any(live) else before[name]
                assert torch.equal(after, expected), name
    assert cases == {(True, False), (False, True), (False, False)}


def test_statistics_are_weighted_by_samples(found: Any) -> None:
    (four, ours), (two, theirs) = (one["unequal_batches"] for one in found)
    assert_identical(ours, theirs)
    running = {name: one for name, one in ours.items() if "running" in name}
    assert running
    expected = {name: (4 * four[name] + 2 * two[name]) / 6 for name in running}
    assert_near(running, expected)
    assert any(not torch.allclose(four[name], two[name]) for name in running)


def test_statistics_that_columns_keep_are_means_over_the_ranks(found: Any) -> None:
    (alone, ended, state, late), (alone_2, ended_2, state_2, late_2) = (
        one["all_columns_at_once"] for one in found
    )
    assert_identical(state, state_2)
    for k in (1, 2, 3):
        ours, mine, theirs = ended["columns"][k], alone[k], alone_2[k]
        assert_identical(ours, ended_2["columns"][k])
        running = [name for name in ours if "running" in name]
        assert_near(
            {name: ours[name] for name in running},
            {name: (mine[name] + theirs[name]) / 2 for name in running},
        )
        assert any(not torch.allclose(mine[name], theirs[name]) for name in running)
        assert_identical(late["columns"][k], ours)
        assert_identical(late_2["columns"][k], ours)


def test_gradients_of_micro_batches_are_averaged_once(found: Any) -> None:
    model = made()
    for seed in range(2):
        (ranks.loss(model, seed, plan=model.column_plan(1 + seed)) / 2).backward()
    ours = found[0]["micro_batches"]
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == (ours[name] is None)


def test_plans_that_differ_where_they_should_not(found: Any) -> None:
    for one in found:
        assert one["plans_that_differ"].startswith("RuntimeError: the ranks' plans were to be")
        assert "on 1 of 2 ranks only" in one["plans_that_differ"]


def test_synchronise_spreads_what_rank_0_has_read(found: Any) -> None:
    for one in found:
        state, plans = one["again_from_a_checkpoint"]
        assert_identical(state, made(seed=5).state_dict())
        assert torch.equal(plans, torch.Generator().manual_seed(9).get_state())


def test_refusals_say_a_way_out(found: Any) -> None:
    no_plans, unknown, waiting, columns, thinned, parts = found[0]["refusals"]
    assert no_plans.startswith("TypeError") and "DistributedDataParallel" in no_plans
    assert unknown.startswith("ValueError") and '"same" or "own"' in unknown
    assert waiting.startswith("ValueError") and 'plans="same"' in waiting
    assert columns.startswith("ValueError") and "simultaneous" in columns
    assert parts.startswith("ValueError") and 'plans="same"' in parts
    assert "find_unused_parameters" in thinned and "find_unused_parameters" not in no_plans


def test_without_a_process_group() -> None:
    with pytest.raises(RuntimeError, match="torchrun"):
        DropPathParallel(made())
