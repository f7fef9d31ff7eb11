"""The choice of a learning rate, against closed forms and a second algorithm."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tangent.jobs.errors import UserError
from tangent.training.learning_rates import (
    check_inside,
    choose,
    paired_standard_error,
    standard_error_of_mean,
)

ROOT = Path(__file__).parents[2]
SEARCHES = {
    "config.yaml": "docs/demo/learning_rates.csv",
    "configs/real-efficientnet.yaml": "docs/demo/real_learning_rates.csv",
}


@pytest.mark.parametrize(("study", "search"), SEARCHES.items())
def test_a_shipped_study_has_the_rates_that_its_committed_search_chose(study, search):
    tasks = pd.read_csv(ROOT / search).query("task != 'mean'")
    means = tasks.groupby(["training", "rate"])["accuracy"].mean()
    best = {training: by_rate.idxmax()[1] for training, by_rate in means.groupby("training")}
    settings = yaml.safe_load((ROOT / study).read_text("utf-8"))["finetuning"]
    assert settings["learning_rate"] == best
    chosen = tasks[tasks["chosen"]].groupby("training")["rate"].unique()
    assert {training: list(rates) for training, rates in chosen.items()} == {
        training: [rate] for training, rate in best.items()
    }


def test_the_best_mean_over_the_tasks_wins():
    rng = np.random.default_rng()
    rates, tasks = sorted(rng.random(5)), ["a", "b", "c"]
    accuracies = rng.random((5, 3))
    by_rate = {
        rate: dict(zip(tasks, row, strict=True))
        for rate, row in zip(rates, accuracies.tolist(), strict=True)
    }
    assert choose(by_rate) == rates[int(accuracies.sum(axis=1).argmax())]


def test_ties_go_to_the_smaller_rate_whatever_the_order_of_tasks_and_rates():
    # Added in order, 0.1 + 0.2 + 0.3 and 0.3 + 0.2 + 0.1 differ in their last bit.
    one, other = {"a": 0.1, "b": 0.2, "c": 0.3}, {"a": 0.3, "b": 0.2, "c": 0.1}
    assert sum(one.values()) != sum(other.values())
    for accuracies in ({1.0: one, 0.5: other}, {0.5: other, 1.0: one}, {0.5: one, 1.0: other}):
        assert choose(accuracies | {2.0: {"a": 0.1, "b": 0.1, "c": 0.1}}) == 0.5


@pytest.mark.parametrize(
    "accuracies", [{}, {1.0: {}}, {1.0: {"a": 1.0}, 2.0: {"b": 1.0}}, {1.0: {"a": math.nan}}]
)
def test_nothing_is_chosen_from_what_cannot_be_compared(accuracies):
    with pytest.raises(UserError):
        choose(accuracies)


@pytest.mark.parametrize(("chosen", "named"), [(0.001, "3.3e-04"), (0.01, "3.3e-02")])
def test_an_end_of_the_grid_names_the_rate_to_add(chosen, named):
    """The next one at the ratio of the last two, as YAML reads a number."""
    grid = [0.01, 0.001, 0.003]
    check_inside(grid, 0.003, "the.key", "a model")
    with pytest.raises(UserError, match=rf"^the\.key: .*a model.* add {named} to the grid"):
        check_inside(grid, chosen, "the.key", "a model")


def test_the_paired_standard_error_by_hand():
    # Differences 1, 0, -1, 1: mean 1/4, squared deviations 9/16 + 1/16 + 25/16 + 9/16 = 44/16.
    first, second = np.array([1, 1, 0, 1], bool), np.array([0, 1, 1, 0], bool)
    expected = math.sqrt(44 / 16 / 3 / 4)
    assert paired_standard_error(first, second) == pytest.approx(expected)
    assert paired_standard_error(second, first) == pytest.approx(expected)
    assert paired_standard_error(first, first) == 0
    assert math.isnan(paired_standard_error(first[:1], second[:1]))
    assert standard_error_of_mean([0.3, 0.4]) == pytest.approx(0.25)


def test_the_paired_standard_error_is_the_spread_of_differences_over_samples():
    """Of many samples of images, the differences of two correlated accuracies spread so much."""
    rng = np.random.default_rng()
    n, samples = 400, 2000
    first = rng.random((samples, n)) < 0.8
    second = np.where(rng.random((samples, n)) < 0.9, first, ~first)
    spread = (first.mean(axis=1) - second.mean(axis=1)).std()
    errors = [paired_standard_error(*pair) for pair in zip(first, second, strict=True)]
    assert np.mean(errors) == pytest.approx(spread, rel=0.1)
