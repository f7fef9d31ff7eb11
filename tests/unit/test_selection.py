"""The choice of α: properties of random curves, ties, the closed-form curve of linear models."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from families import FAMILIES, moved, random_direction
from hypothesis import given
from hypothesis import strategies as st
from tangent_kernels import problem

from tangent.arithmetic.alphas import alpha_grid, choose_addition_alpha, choose_negation_alpha
from tangent.arithmetic.linearized import jvp_features, linearize, parameters_of
from tangent.evaluation.edited_linearized import LinearizedEditedModel
from tangent.jobs.errors import UserError
from tangent.models.heads.head import accuracy, normalized_accuracy

GRID = alpha_grid(0.0, 1.0, 21)

# Accuracies of few images: many ties, as in small validation sets.
accuracies = st.integers(0, 12).map(lambda correct: correct / 12)
curves = st.lists(accuracies, min_size=len(GRID), max_size=len(GRID))


def test_the_grid_holds_the_numbers_that_a_person_writes() -> None:
    written = [float(f"{hundredths / 100:.2f}") for hundredths in range(0, 101, 5)]
    assert written == GRID
    assert alpha_grid(-3.0, 3.0, 13) == [half / 2 for half in range(-6, 7)]
    assert math.copysign(1.0, alpha_grid(-1, 1, 3)[1]) == 1.0


@pytest.mark.parametrize("grid", [(0, 1, 1), (1, 0, 5), (0, 0, 5), (0, math.nan, 5)])
def test_grids_that_cannot_be_made_are_refused(grid: tuple[float, float, int]) -> None:
    with pytest.raises(UserError, match="grid"):
        alpha_grid(*grid)


@given(curves, curves, st.floats(0, 1))
def test_negation_never_breaks_the_threshold(
    target: list[float], control: list[float], required: float
) -> None:
    control = [max(control[0], required), *control[1:]]  # α = 0 is the pre-trained model
    alpha = choose_negation_alpha(GRID, target, control, required)
    chosen = GRID.index(alpha)
    assert control[chosen] >= required
    for i, other in enumerate(GRID):
        if control[i] >= required:
            assert target[chosen] <= target[i]
            assert target[chosen] < target[i] or alpha <= other


def test_the_protocols_choices_worked_out_by_hand() -> None:
    """Two tasks whose single-task accuracies are 0.8 and 0.5, α in {0, 0.5, 1}.

    α = 0: 0.40/0.8 = 0.500, 0.20/0.5 = 0.400, mean 0.450; the absolute mean is 0.300.
    α = 0.5: 0.48/0.8 = 0.600, 0.45/0.5 = 0.900, mean 0.750; absolute 0.465.
    α = 1: 0.76/0.8 = 0.950, 0.25/0.5 = 0.500, mean 0.725; absolute 0.505, the largest.
    Normalised accuracy chooses 0.5 where absolute accuracy would choose 1.

    Negation: pre-trained control accuracy 0.60, so 0.57 is needed; α = 1 forgets most but keeps
    0.56 only, α = 0.5 keeps 0.57 exactly.
    """
    alphas = [0.0, 0.5, 1.0]
    curves = {"a": [0.40, 0.48, 0.76], "b": [0.20, 0.45, 0.25]}
    normalized = [
        normalized_accuracy({"a": a, "b": b}, {"a": 0.8, "b": 0.5})
        for a, b in zip(curves["a"], curves["b"], strict=True)
    ]
    assert normalized == pytest.approx([0.450, 0.750, 0.725])
    assert choose_addition_alpha(alphas, normalized) == 0.5
    assert choose_negation_alpha(alphas, [0.4, 0.2, 0.1], [0.60, 0.57, 0.56], 0.95 * 0.60) == 0.5


@given(curves)
def test_addition_takes_the_best_and_the_smallest_of_equals(values: list[float]) -> None:
    alpha = choose_addition_alpha(GRID, values)
    assert values[GRID.index(alpha)] == max(values)
    assert all(value < max(values) for value in values[: GRID.index(alpha)])


@given(st.permutations(range(len(GRID))), curves, curves)
def test_the_order_of_the_grid_does_not_matter(
    order: list[int], target: list[float], control: list[float]
) -> None:
    def ordered(values: list[float]) -> list[float]:
        return [values[i] for i in order]

    assert choose_addition_alpha(ordered(GRID), ordered(target)) == choose_addition_alpha(
        GRID, target
    )
    assert choose_negation_alpha(
        ordered(GRID), ordered(target), ordered(control), min(control)
    ) == choose_negation_alpha(GRID, target, control, min(control))


def test_the_threshold_itself_is_admissible() -> None:
    pretrained = 0.634
    control = [pretrained, 0.95 * pretrained, np.nextafter(0.95 * pretrained, 0)]
    assert choose_negation_alpha([0, 0.5, 1], [0.5, 0.3, 0.1], control, 0.95 * pretrained) == 0.5


def test_without_an_admissible_point_nothing_is_chosen() -> None:
    with pytest.raises(UserError, match="hold 0, where the model"):
        choose_negation_alpha([0.5, 1.0], [0.1, 0.1], [0.4, 0.3], 0.5)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_that_are_none_are_refused(value: float) -> None:
    with pytest.raises(UserError, match="α = 0.5 are not a number"):
        choose_addition_alpha([0, 0.5], [0.1, value])
    with pytest.raises(UserError, match="target accuracies at α = 0.5"):
        choose_negation_alpha([0, 0.5], [0.1, value], [0.5, 0.5], 0.1)
    with pytest.raises(UserError, match="control accuracies at α = 0.5"):
        choose_negation_alpha([0, 0.5], [0.1, 0.1], [0.5, value], 0.1)
    with pytest.raises(UserError, match="required control"):
        choose_negation_alpha([0, 0.5], [0.1, 0.1], [0.5, 0.5], value)
    with pytest.raises(UserError, match="one for each"):
        choose_addition_alpha([0, 0.5], [0.1])


@pytest.mark.usefixtures("seed")
@pytest.mark.parametrize("family", FAMILIES)
def test_closed_form_curves_are_those_of_re_evaluated_models(
    family: str, rng: np.random.Generator
) -> None:
    """One product with the Jacobian gives what a linearized model has at any α, set by hand."""
    model, x, head = problem(family)
    tau = random_direction(model, scale=0.5)
    value, product = jvp_features(model, parameters_of(model), tau, x)
    edited = LinearizedEditedModel(
        {("task", "validation"): value.numpy()},
        {"task": {("task", "validation"): product.numpy()}},
    )
    labels = rng.integers(0, head.classes, len(x))
    linearized = linearize(model)
    for alpha in GRID[::4]:
        closed_form = edited.features({"task": -alpha}, "task", "validation")
        linearized.load_parameters(moved(model, tau, -alpha))
        with torch.no_grad():
            brute_force = linearized(x).numpy()
        np.testing.assert_allclose(closed_form, brute_force, rtol=1e-4, atol=1e-5)
        assert accuracy(closed_form, labels, head) == accuracy(brute_force, labels, head)
