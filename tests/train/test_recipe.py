"""Recipes: read, refused, written and read again; rates as the paper has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fractal_dsl.diagnostics import DiagnosticError
from fractal_dsl.diagnostics.render import render
from fractal_dsl.source import Source
from fractal_dsl.train.recipe import (
    Recipe,
    as_toml,
    changed,
    from_word,
    name_of,
    parse_toml,
    read_recipe,
    recipe_names,
    settings,
)
from fractal_dsl.train.schedule import Schedule


def said(text: str) -> str:
    source = Source("r.toml", text)
    with pytest.raises(DiagnosticError) as caught:
        changed(Recipe(), parse_toml(source), source)
    return render(caught.value.diagnostics)


def test_an_unknown_setting_is_shown_with_the_nearest_one() -> None:
    text = said("epochs = 3\nlearning_rat = 0.1\n")
    assert "error[F0803]: there is no setting `learning_rat`" in text
    assert "--> r.toml:2:1" in text and "did you mean `learning_rate`?" in text


@pytest.mark.parametrize(
    "line, told",
    [
        ("epochs = 0", "`epochs` is at least 1, not 0"),
        ("epochs = 2.5", "`epochs` is a whole number, not 2.5"),
        ("epochs = true", "`epochs` is a whole number, not True"),
        ('augment = "+++"', "`augment` is one of none, +, ++"),
        ("momentum = 1.5", "`momentum` is between 0 and 1, not 1.5"),
        ("learning_rate = nan", "`learning_rate` is at least 0, not nan"),
        ("drops = [0.5, 0.25]", "in order and below 1"),
        ("drops = 0.5", "`drops` is a list of numbers, not 0.5"),
        ("nesterov = 1", "`nesterov` is true or false, not 1"),
        ("global = -0.5", "`global` is between 0 and 1, not -0.5"),
        ("local = 1", "`local` is at least 0 and below 1, not 1"),
        ("epochs 3", "this is no TOML"),
    ],
)
def test_values_that_cannot_be(line: str, told: str) -> None:
    assert told in said(line)


def test_beside_the_recipe_of_a_run_nothing_else_counts(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    for text in ("epocs = 3\n[recipe]\nepochs = 3\n", "[recipe]\nepochs = 3\n[rest]\nx = 1\n"):
        path.write_text(text)
        with pytest.raises(DiagnosticError, match=r"epocs|rest"):
            read_recipe(str(path))
    path.write_text('batch = 7\n[recipe]\nepochs = 3\n[run]\nname = "x"\n')
    assert (read_recipe(str(path)).batch, read_recipe(str(path)).epochs) == (7, 3)


def test_all_mistakes_are_told_at_once() -> None:
    assert said("epochs = 0\nbatch = 0\nfoo = 1").count("error[F0803]") == 3


@pytest.mark.parametrize("name", recipe_names())
def test_recipes_that_come_along_are_right_and_survive_writing(name: str, tmp_path: Path) -> None:
    recipe = read_recipe(name)
    (tmp_path / "again.toml").write_text(as_toml(recipe))
    assert read_recipe(str(tmp_path / "again.toml")) == recipe


@given(
    st.builds(
        Recipe,
        epochs=st.integers(1, 1000), learning_rate=st.floats(0, 10), nesterov=st.booleans(),
        drops=st.lists(st.floats(0, 0.99), max_size=5).map(lambda xs: tuple(sorted(xs))),
        global_=st.none() | st.floats(0, 1), augment=st.sampled_from(["none", "+", "++"]),
    )
)  # fmt: skip
def test_what_is_written_is_read(recipe: Recipe) -> None:
    source = Source("r.toml", as_toml(recipe))
    assert changed(Recipe(), parse_toml(source)) == recipe


@pytest.mark.parametrize("wrong", [{"local": 1.5}, {"epochs": 0}, {"learning_rate": "a"}])
def test_from_python_values_are_looked_at_as_well(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"`{name}` is "):
        Recipe(**wrong)
    assert Recipe(drops=[0.5]) == Recipe(drops=(0.5,))  # type: ignore[arg-type]


def test_words_of_the_command_line_are_values_of_toml() -> None:
    by_name = {name_of(one): one for one in settings()}
    for name, word, value in (
        ("epochs", "3", 3), ("augment", "++", "++"), ("drops", "0.5,0.75", [0.5, 0.75]),
        ("drops", "[]", []), ("nesterov", "true", True), ("learning_rate", "1e-3", 1e-3),
        ("epochs", "many", "many"),
    ):  # fmt: skip
        assert from_word(by_name[name], word) == value


def test_the_papers_recipe() -> None:
    """Section 4.1."""
    paper = read_recipe("paper")
    assert (paper.epochs, paper.batch, paper.learning_rate, paper.momentum) == (400, 100, 0.02, 0.9)
    assert paper.initial == "xavier_uniform" and paper.centre == "pixel"
    assert read_recipe("paper_svhn").epochs == 20
    imagenet = read_recipe("paper_imagenet")
    assert (imagenet.epochs, imagenet.batch, imagenet.learning_rate) == (70, 32, 0.001)


@pytest.mark.parametrize(
    "name, at", [("paper", (200, 300, 350, 375)), ("paper_svhn", (10, 15)),
                 ("paper_imagenet", (50, 65))],
)  # fmt: skip
def test_the_rate_drops_by_ten_where_the_paper_says(name: str, at: tuple[int, ...]) -> None:
    recipe = read_recipe(name)
    each = 500
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=recipe.learning_rate)
    schedule = Schedule(optimiser, recipe, recipe.epochs * each)
    for epoch in at:
        before, after = schedule.rate(epoch * each - 1), schedule.rate(epoch * each)
        assert before == pytest.approx(10 * after)


def test_a_run_starts_warm_and_the_optimiser_has_the_rate() -> None:
    recipe = changed(Recipe(), {"warmup": 2, "learning_rate": 0.1, "drops": [0.5]})
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = Schedule(optimiser, recipe, 8)
    rates = []
    for _ in range(8):
        schedule.advance()
        rates.append(optimiser.param_groups[0]["lr"])
    assert rates == pytest.approx([0.01, 0.01, 0.1, 0.1, 0.01, 0.01, 0.01, 0.01])
