"""Choice of α on validation accuracies (docs/protocol.md, "Selecting α"); numpy only."""

from collections.abc import Sequence

import numpy as np

from tangent.jobs.errors import UserError

SEARCH_BOX = 1.0
"""The protocol's search for α stays within |α| ≤ 1: the red box of figure 3."""

# Decimals of grid points: 0.15 must be the number 0.15, not 3 × 0.05 = 0.15000000000000002.
_DECIMALS = 10


def alpha_grid(minimum: float, maximum: float, points: int) -> list[float]:
    """Evenly spaced coefficients with both ends, rounded to 10 decimals.

    The protocol's grid is `alpha_grid(0, 1, 21)`: 0, 0.05, …, 1. A grid that is symmetric about
    zero with an odd number of points holds 0 itself.

    Raises:
        UserError: fewer than two points, or ends that are not finite and increasing.
    """
    if points < 2 or not np.isfinite([minimum, maximum]).all() or not minimum < maximum:
        raise UserError(
            f"a grid of {points} coefficients from {minimum} to {maximum} cannot be made: it "
            "needs at least 2 points and a minimum below its maximum."
        )
    values = (minimum + (maximum - minimum) * i / (points - 1) for i in range(points))
    return [round(value, _DECIMALS) + 0.0 for value in values]  # + 0.0 turns -0.0 into 0.0


def choose_addition_alpha(alphas: Sequence[float], mean_normalized: Sequence[float]) -> float:
    """The α with the highest mean normalised validation accuracy; ties go to the smallest α.

    Args:
        alphas: the grid.
        mean_normalized: for each α, the mean over tasks of the normalised accuracy.

    Raises:
        UserError: the lengths differ, there are none, or a value is not a number.
    """
    alphas, values = _checked(alphas, mean_normalized, "normalised accuracies")
    return float(alphas[values == values.max()].min())


def choose_negation_alpha(
    alphas: Sequence[float],
    target: Sequence[float],
    control: Sequence[float],
    required_control: float,
) -> float:
    """The α with the lowest target accuracy among those that keep the control task.

    An α is admissible if the control accuracy is at least `required_control`; ties go to the
    smallest α. The protocol requires 95 % of the pre-trained control accuracy on the same split,
    so α = 0 is admissible by definition: there the model is the pre-trained one.

    Args:
        alphas: the grid; the edited weights are θ0 − α τ.
        target: validation accuracy on the task to forget, for each α.
        control: validation accuracy on the control task, for each α.
        required_control: smallest admissible control accuracy.

    Raises:
        UserError: the lengths differ, there are none, a value is not a number, or no α of the
            grid is admissible.
    """
    grid, target_values = _checked(alphas, target, "target accuracies")
    _, control_values = _checked(alphas, control, "control accuracies")
    if not np.isfinite(required_control):
        raise UserError(f"the required control accuracy is {required_control}: give a number.")
    admissible = control_values >= required_control
    if not admissible.any():
        raise UserError(
            f"no α of the grid keeps the control accuracy at {required_control:.4f} or more (the "
            f"best is {control_values.max():.4f}): let the grid (alphas) hold 0, where the model "
            "is the pre-trained one."
        )
    lowest = target_values[admissible].min()
    return float(grid[admissible & (target_values == lowest)].min())


def _checked(
    alphas: Sequence[float], values: Sequence[float], what: str
) -> tuple[np.ndarray, np.ndarray]:
    grid, numbers = np.asarray(alphas, dtype=float), np.asarray(values, dtype=float)
    if grid.ndim != 1 or grid.shape != numbers.shape or len(grid) == 0:
        raise UserError(f"{len(grid)} coefficients α and {len(numbers)} {what}: give one for each.")
    if not np.isfinite(numbers).all():
        first = grid[~np.isfinite(numbers)][0]
        raise UserError(
            f"the {what} at α = {first:g} are not a number: the edited model has diverged there, "
            "or its results are damaged; nothing is chosen from them."
        )
    return grid, numbers
