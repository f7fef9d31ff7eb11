"""Subsets, an α per task and analogies: look-ups against brute force over edited weights."""

from __future__ import annotations

import itertools
import math
import shutil
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tangent.evaluation.combinations import MOST_SWEEPS, coordinate_ascent
from tangent.evaluation.directions import of_subset, subsets
from tangent.jobs.errors import UserError

GRID = ("--alphas", 0, 0.25, 0.5, 0.75, 1)
ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
ANALOGY = "red:green:blue:red"  # this study has no fourth task


def common(study, mode="linear") -> list[object]:
    single_task = (f"{t}={study.root}/single_task/{mode}/{t}.json" for t in study.tasks)
    return ["--tasks", *study.tasks, "--single-task", *single_task]


def validate(study, folder, *flags: object, mode="linear") -> dict:
    output = folder / "choices.json"
    flags = (*common(study, mode), *GRID, "--subsets-per-size", 9, *flags, "--output", output)
    study.evaluate("validate_combinations", mode, *flags, vectors=("sum",))
    return study.json(str(output))


def evaluate(study, folder, *flags: object) -> dict:
    output = folder / "result.json"
    flags = (*common(study), "--choices", folder / "choices.json", "--output", output, *flags)
    study.evaluate("evaluate_combinations", "linear", *flags, vectors=("sum",))
    return study.json(str(output))


@pytest.fixture(scope="module")
def chosen(study, tmp_path_factory) -> dict:
    """What validation chose, with its folder."""
    folder = tmp_path_factory.mktemp("combinations")
    return validate(study, folder, "--analogies", ANALOGY) | {"folder": folder}


@pytest.fixture(scope="module")
def tested(study, chosen) -> dict:
    return evaluate(study, chosen["folder"])


def brute_force(study, coefficients, tasks, split) -> float:
    """Mean normalised accuracy of the Taylor expansion at weights that are edited by hand."""
    return fmean(
        study.oracle_accuracy("linear", coefficients, task, split)
        / study.oracle_accuracy("linear", {task: 1.0}, task, split)
        for task in tasks
    )


def test_every_subset_has_the_best_alpha_of_brute_force(study, chosen):
    listed = [tuple(entry["tasks"]) for entry in chosen["subsets"]]
    assert listed == [
        subset for size in (1, 2, 3) for subset in itertools.combinations(study.tasks, size)
    ]
    for entry in chosen["subsets"]:
        means = {
            alpha: brute_force(
                study, dict.fromkeys(entry["tasks"], alpha), entry["tasks"], "validation"
            )
            for alpha in ALPHAS
        }
        best = max(means.values())
        assert entry["normalized"] == pytest.approx(best)
        assert entry["alpha"] == min(a for a, mean in means.items() if mean > best - 1e-12)


def test_every_subset_is_tested_at_its_alpha(study, chosen, tested):
    for choice, entry in zip(chosen["subsets"], tested["subsets"], strict=True):
        assert (entry["tasks"], entry["alpha"]) == (choice["tasks"], choice["alpha"])
        coefficients = dict.fromkeys(entry["tasks"], entry["alpha"])
        accuracies = [
            study.oracle_accuracy("linear", coefficients, task, "test") for task in entry["tasks"]
        ]
        assert entry["absolute"] == pytest.approx(fmean(accuracies))
        normalized = brute_force(study, coefficients, entry["tasks"], "test")
        assert entry["normalized"] == pytest.approx(normalized)


def test_the_set_of_all_tasks_is_task_addition(study, tested, tmp_path):
    for step, flags in (
        ("validate_addition", (*GRID, "--output-dir", tmp_path)),
        ("addition", ("--alpha", tmp_path / "alpha.json", "--output", tmp_path / "result.json")),
    ):
        study.evaluate(
            *(step, "linear", "--merging", "sum", *common(study), *flags),
            vectors=("sum",),
        )
    addition = study.json(str(tmp_path / "result.json"))
    last = tested["subsets"][-1]
    for name in ("alpha", "absolute", "normalized"):
        assert last[name] == addition[name]
    for task, entry in tested["per_task_alpha"].items():
        assert entry["shared_alpha"] == addition["alpha"]
        assert entry["shared_accuracy"] == addition["tasks"][task]["accuracy"]
        assert entry["shared_normalized"] == addition["tasks"][task]["normalized"]
        assert entry["n"] == addition["tasks"][task]["n"]


def test_an_alpha_per_task_is_no_worse_and_better_nowhere_along_an_axis(study, chosen):
    found, shared = chosen["per_task_alpha"], chosen["subsets"][-1]
    alphas = found["alphas"]
    value = brute_force(study, alphas, study.tasks, "validation")
    assert found["value"] == pytest.approx(value)
    assert found["value"] >= shared["normalized"]
    assert found["has_converged"]
    for task in study.tasks:
        for alpha in ALPHAS:
            neighbour = brute_force(study, alphas | {task: alpha}, study.tasks, "validation")
            assert neighbour <= value + 1e-12


def test_an_alpha_per_task_is_tested(study, chosen, tested):
    alphas = chosen["per_task_alpha"]["alphas"]
    for task, entry in tested["per_task_alpha"].items():
        assert entry["alpha"] == alphas[task]
        accuracy = study.oracle_accuracy("linear", alphas, task, "test")
        assert entry["accuracy"] == pytest.approx(accuracy)
        single = study.oracle_accuracy("linear", {task: 1.0}, task, "test")
        assert entry["normalized"] == pytest.approx(accuracy / single)


def test_an_analogy_is_chosen_on_validation_and_tested(study, chosen, tested):
    (choice,), (entry,) = chosen["analogies"], tested["analogies"]

    def accuracy(coefficients, split):
        return study.oracle_accuracy("linear", coefficients, "red", split)

    def at(alpha):
        return {"blue": alpha, "green": alpha, "red": -alpha}

    for name, point in (("alpha", at), ("baseline_alpha", lambda alpha: {"blue": alpha})):
        curve = {alpha: accuracy(point(alpha), "validation") for alpha in ALPHAS}
        best = max(curve.values())
        assert choice[name] == entry[name] == min(a for a in ALPHAS if curve[a] == best)
    assert entry["accuracy"] == accuracy(at(entry["alpha"]), "test")
    assert entry["baseline_accuracy"] == accuracy({"blue": entry["baseline_alpha"]}, "test")
    assert entry["zero_shot"] == accuracy({}, "test")
    assert entry["single_task"] == accuracy({"red": 1.0}, "test")
    assert entry["n"] == len(study.labels("red", "test"))


def test_all_is_chosen_without_test_data(study, chosen, tmp_path):
    blind = type(study)(tmp_path / "blind", study.model, study.theta0, study.task_vectors)
    shutil.copytree(study.root, blind.root)
    for path in blind.root.rglob("test.safetensors"):
        path.unlink()
    again = validate(blind, tmp_path, "--analogies", ANALOGY)
    for name in ("subsets", "per_task_alpha", "analogies"):
        assert again[name] == chosen[name]


def test_a_mode_that_runs_the_model_is_refused(study, tmp_path):
    with pytest.raises(UserError, match="'standard' is evaluated plain"):
        validate(study, tmp_path, mode="standard")


@pytest.mark.parametrize(
    "analogy", ["red:green:blue", "red:green:blue:grey", "red:green:green:blue"]
)
def test_an_analogy_needs_four_tasks_of_the_study(study, tmp_path, analogy):
    with pytest.raises(UserError, match=f"--analogies {analogy}: give A:B:C:D, of the tasks red"):
        validate(study, tmp_path, "--analogies", analogy)


def test_choices_of_other_tasks_are_refused(study, chosen, tmp_path):
    with pytest.raises(UserError, match="all_tasks"):
        evaluate(study, chosen["folder"], "--tasks", "red", "green", "--output", tmp_path / "x")


tasks = st.lists(st.text("abcdefgh", min_size=1, max_size=3), min_size=1, max_size=9, unique=True)


@given(tasks, st.integers(1, 80))
def test_subsets_are_all_or_a_sample_of_each_size(names: list[str], per_size: int) -> None:
    found = subsets(names, per_size)
    assert found == subsets(names, per_size)
    for size in range(1, len(names) + 1):
        every = list(itertools.combinations(names, size))
        here = [subset for subset in found if len(subset) == size]
        assert len(here) == len(set(here)) == min(per_size, math.comb(len(names), size))
        assert set(here) <= set(every)
        if len(every) <= per_size:
            assert here == every
    assert found[-1] == tuple(names)


def test_a_sample_is_spread_over_many_tasks() -> None:
    found = [subset for subset in subsets([str(n) for n in range(40)], 50) if len(subset) == 20]
    counts = np.unique(np.concatenate(found), return_counts=True)[1]
    assert len(counts) == 40
    # Hypergeometric mean 25, standard deviation 3.5: six of them either way.
    assert counts.min() > 4 and counts.max() < 46


def test_the_direction_of_all_tasks_is_the_stored_sum() -> None:
    assert of_subset(("a", "b"), ["a", "b"]) == {"sum": 1.0}
    assert of_subset(("b",), ["a", "b"]) == {"b": 1.0}


levels = st.integers(0, 6).map(lambda correct: correct / 6)


@st.composite
def tables(draw) -> np.ndarray:
    """An objective on a grid of two or three coordinates, of few levels as small data give."""
    shape = (len(ALPHAS),) * draw(st.integers(2, 3))
    values = draw(st.lists(levels, min_size=math.prod(shape), max_size=math.prod(shape)))
    return np.array(values).reshape(shape)


def ascend(table: np.ndarray, start: float):
    """Coordinate ascent on a table; coordinates are called a, b, c."""
    names = "abc"[: table.ndim]

    def index(alphas) -> tuple[int, ...]:
        return tuple(ALPHAS.index(alphas[name]) for name in names)

    def values_along(name, others):
        assert set(others) == set(names) - {name}
        return [table[index({**others, name: alpha})] for alpha in ALPHAS]

    begin = dict.fromkeys(names, start)
    return coordinate_ascent(begin, table[index(begin)], ALPHAS, values_along), index


@given(tables(), st.sampled_from(ALPHAS))
def test_an_ascent_ends_no_lower_and_at_a_maximum_along_every_axis(table, start) -> None:
    found, index = ascend(table, start)
    end = index(found["alphas"])
    assert found["value"] == table[end]
    assert found["value"] >= table[(ALPHAS.index(start),) * table.ndim]
    if found["has_converged"]:
        for axis in range(table.ndim):
            line = table[(*end[:axis], slice(None), *end[axis + 1 :])]
            assert found["value"] == line.max()
    else:
        assert found["sweeps"] == MOST_SWEEPS


@given(st.lists(st.lists(levels, min_size=5, max_size=5), min_size=2, max_size=3))
def test_an_ascent_of_a_separable_objective_finds_the_best_of_the_whole_grid(terms) -> None:
    # Eighths: sums of few are exact, whatever their order.
    terms = [np.round(6 * np.array(term)) / 8 for term in terms]
    table = sum(np.ix_(*terms))
    found, index = ascend(table, 0.5)
    every = itertools.product(range(len(ALPHAS)), repeat=table.ndim)
    assert found["value"] == max(table[point] for point in every)
    assert found["has_converged"] and found["sweeps"] <= 2
    # A coordinate moves only if that is better, and then to the smallest of the best.
    for name, term in zip(found["alphas"], terms, strict=True):
        best = [alpha for alpha, value in zip(ALPHAS, term, strict=True) if value == term.max()]
        assert found["alphas"][name] == (0.5 if 0.5 in best else best[0])
