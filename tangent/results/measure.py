"""What each claim measures: small functions from tidy tables to quantities with their thresholds.

Every function takes the tables and a model and returns the parts of the claim's criterion, the
quantity that is shown first, or None where the study has no such results. Accuracies are made from
the outcomes of the test images, so that intervals know how each image moves them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from tangent.config.schema import RANDOM_SUFFIX
from tangent.results.images import Numbers, of_images
from tangent.results.measurement import Measurement, mean_over_units, shares
from tangent.results.sampled import Sampled, mean_of

Tables = dict[str, pd.DataFrame]
Parts = tuple[Measurement, ...]

LEARNT = 0.05
"""A model has learnt its single tasks if their mean accuracy rose by this much."""

LOCALIZED = 2.0
"""Eigenfunctions count as localized from this ratio of mean local energies on."""

CONTROL_TOLERANCE = 0.01
"""By how much control accuracies may differ and still be called the same."""

CLOSE = 0.05
"""By how much single-task accuracies may differ and still be called close."""


def addition_absolute(tables: Tables, model: str, first: str, second: str) -> Parts | None:
    """Task addition, absolute accuracy of `first` − `second` (table 1)."""
    found = of_images(tables["outcomes"], *((model, mode, "addition") for mode in (first, second)))
    return found and _difference(*found[1], (first, second))


def addition_normalized(tables: Tables, model: str, first: str, second: str) -> Parts | None:
    """Task addition, normalised accuracy of `first` − `second` (table 1)."""
    modes = (first, second)
    wanted = [(model, mode, what) for mode in modes for what in ("addition", "single_task")]
    found = of_images(tables["outcomes"], *wanted)
    if found is None:
        return None
    added_1, single_1, added_2, single_2 = found[1]
    ratios = [
        {key: added[key] / single[key] for key in added}
        for added, single in ((added_1, single_1), (added_2, single_2))
    ]
    return _difference(*ratios, modes)


def single_task(
    tables: Tables, model: str, first: str, second: str, margin: float | None = None
) -> Parts | None:
    """Mean single-task accuracy, `first` − `second`: above 0, or below `margin` (figures 2, 5)."""
    modes = (first, second)
    found = of_images(tables["outcomes"], *((model, mode, "single_task") for mode in modes))
    side = {} if margin is None else {"threshold": margin, "below": True}
    return found and _difference(*found[1], modes, **side)


def nonlinear_advantage(tables: Tables, model: str) -> Parts | None:
    """(accuracy of standard − posthoc) / (1 − 1/C), C classes, mean over the tasks (figure 2)."""
    modes = ("standard", "posthoc")
    found = of_images(tables["outcomes"], *((model, mode, "single_task") for mode in modes))
    if found is None:
        return None
    standard, posthoc = found[1]
    rows = tables["single_task"]
    classes = rows[rows.model == model].groupby("task").classes.first()
    advantages = [
        (standard[key] - posthoc[key]).times(1 / (1 - 1 / classes[key[0]])) for key in standard
    ]
    return (mean_over_units(advantages, numbers=_means(modes, (standard, posthoc))),)


def negation(tables: Tables, model: str) -> Parts | None:
    """Mean target accuracy of negation, standard − linear, and control, linear − standard."""
    modes = ("standard", "linear")
    wanted = [(model, mode, what) for what in ("target", "control") for mode in modes]
    found = of_images(tables["outcomes"], *wanted)
    if found is None:
        return None
    target, control = found[1][:2], found[1][2:]
    numbers = {
        f"{what} {mode}": value
        for what, both in (("target", target), ("control", control))
        for mode, value in _means(modes, both).items()
    }
    return (
        mean_over_units(_differences(*target), numbers=numbers),
        mean_over_units(
            _differences(*reversed(control)),
            threshold=-CONTROL_TOLERANCE,
            label="control linear − standard",
        ),
    )


def disentanglement(tables: Tables, model: str, mode: str, region: str) -> Parts | None:
    """Mean ξ over a region of the grid and the pairs, standard − `mode` (figure 3)."""
    modes = ("standard", mode)
    found = of_images(tables["outcomes"], *((model, name, region) for name in modes))
    if found is None:
        return None
    standard, other = (_sums_by_pair(numbers) for numbers in found[1])
    pairs = _differences(standard, other)
    numbers = _means(modes, (standard, other))
    tasks = [task for _, task in found[1][0]]
    measured = mean_over_units(pairs, numbers=numbers)
    if len(set(tasks)) == len(tasks):
        return (measured,)
    # Pairs that share a task vary together: other pairs are not drawn one by one.
    return (
        Measurement(quantity=measured.quantity, units=len(pairs), values=None, numbers=numbers),
    )


def localization(tables: Tables, model: str) -> Parts | None:
    """Mean local energy on held-out examples of the task / on the other data sets (figure 6)."""
    ratios = _log_energy_ratios(tables["eigenfunctions"], model)
    if not ratios:
        return None
    numbers = {task: np.exp(ratio.value) for task, ratio in ratios.items()}
    threshold = float(np.log(LOCALIZED))
    return (
        mean_over_units(
            list(ratios.values()), threshold=threshold, logarithm=True, numbers=numbers
        ),
    )


def proposition1(tables: Tables, model: str) -> Parts | None:
    """Interference ‖Σ_{t≠s} f_t(D_s)‖² / ‖f_s(D_s)‖² of the model's own kernel, below 1."""
    rows = tables["proposition1_functions"]
    rows = rows[rows.model == model]
    if rows.empty:
        return None
    tasks = {
        task: _drawn(task, of_task.assign(value=of_task.others**2)).log()
        - _drawn(task, of_task.assign(value=of_task.own**2)).log()
        for task, of_task in rows.groupby("task", sort=False)
    }
    numbers = {task: np.exp(ratio.value) for task, ratio in tasks.items()}
    return (mean_over_units(list(tasks.values()), below=True, logarithm=True, numbers=numbers),)


def random_single_task(tables: Tables, model: str) -> Parts | None:
    """Share of the way from untrained to the pre-trained model's fine-tuned accuracy (table 3)."""
    random = model + RANDOM_SUFFIX
    models = ((random, "zero_shot"), (random, "standard"), (model, "standard"))
    found = of_images(tables["outcomes"], *((*which, "single_task") for which in models))
    if found is None:
        return None
    start, tuned, pretrained = ([part[key] for key in found[1][1]] for part in found[1])
    made, way = (_differences_of(end, start) for end in (tuned, pretrained))
    names = ("accuracy at initialisation", "fine-tuned", "pre-trained and fine-tuned")
    return (
        Measurement(
            quantity=mean_of(made) / mean_of(way),
            units=len(made),
            values=shares(made, way),
            threshold=0.5,
            numbers={
                name: mean_of(part).value
                for name, part in zip(names, (start, tuned, pretrained), strict=True)
            },
        ),
    )


def random_gain(tables: Tables, model: str, mode: str) -> Parts | None:
    """Share of the single tasks' gain by fine-tuning that survives the addition, both models.

    share = (absolute − start) / (single task − start), accuracies averaged over the model's tasks;
    start is the accuracy before fine-tuning. Unlike normalised accuracy it gives no credit for what
    the model could do at α = 0. None where a model hardly learnt its single tasks: there is no gain
    to have a share of.
    """
    parts = [
        (name, *part)
        for name in (model, model + RANDOM_SUFFIX)
        for part in (("zero_shot", "single_task"), (mode, "single_task"), (mode, "addition"))
    ]
    found = of_images(tables["outcomes"], *parts)
    if found is None:
        return None
    survived, values, tasks = [], [], []
    for start, single, added in (found[1][:3], found[1][3:]):
        kept, gain = ([part[key] - start[key] for key in added] for part in (added, single))
        if mean_of(gain).value.min() < LEARNT:
            return None
        survived.append(mean_of(kept) / mean_of(gain))
        values.append(shares(kept, gain))
        tasks.append(list(added))
    names = [
        f"{label} (sum of {len(of)} tasks)"
        for label, of in zip(("pre-trained", "random"), tasks, strict=True)
    ]
    return (
        Measurement(
            quantity=survived[0] - survived[1],
            units=len(tasks[1]),
            values=values[0] - values[1] if tasks[0] == tasks[1] else None,
            numbers={name: part.value for name, part in zip(names, survived, strict=True)},
        ),
    )


def random_localization(tables: Tables, model: str) -> Parts | None:
    """Energy ratios of the pre-trained against the randomly initialised model (figure 6)."""
    names = (model, model + RANDOM_SUFFIX)
    pretrained, random = (
        _log_energy_ratios(tables["eigenfunctions"], *of) for of in (names, names[::-1])
    )
    if not pretrained or not random:
        return None
    kernels = [(pretrained[task], random[task]) for task in random]
    return (
        mean_over_units(
            [first - second for first, second in kernels],
            logarithm=True,
            numbers={
                label: np.exp(mean_of(list(part)).value)
                for label, part in zip(
                    ("pre-trained", "random"), zip(*kernels, strict=True), strict=True
                )
            },
        ),
        mean_over_units(
            [random[task] for task in random],
            threshold=float(np.log(LOCALIZED)),
            below=True,
            logarithm=True,
            label="random",
        ),
    )


def _difference(
    first: Numbers, second: Numbers, modes: tuple[str, str], **side: float
) -> tuple[Measurement]:
    numbers = _means(modes, (first, second))
    return (mean_over_units(_differences(first, second), numbers=numbers, **side),)


def _differences(first: Numbers, second: Numbers) -> list[Sampled]:
    return _differences_of([first[key] for key in first], [second[key] for key in first])


def _differences_of(first: list[Sampled], second: list[Sampled]) -> list[Sampled]:
    return [one - other for one, other in zip(first, second, strict=True)]


def _means(modes: tuple[str, ...], numbers: tuple[Numbers, ...]) -> dict[str, np.ndarray]:
    return {
        mode: mean_of(list(of_mode.values())).value
        for mode, of_mode in zip(modes, numbers, strict=True)
    }


def _sums_by_pair(numbers: Numbers) -> Numbers:
    """ξ of each pair: the sum over its two data sets."""
    pairs: Numbers = {}
    for (pair, _), number in numbers.items():
        pairs[pair, ""] = pairs[pair, ""] + number if (pair, "") in pairs else number
    return pairs


def _log_energy_ratios(
    table: pd.DataFrame, model: str, other: str | None = None
) -> dict[str, Sampled]:
    """log(energy on the kernel's own task / mean over the other data sets), by kernel.

    Args:
        table: eigenfunctions.csv.
        model: whose kernels.
        other: a model that must have the same kernel, and the data sets of both are compared.
    """
    rows = table[(table.model == model) & (table.split == "test")]
    keys = ["seed", "task", "dataset"]
    if other is not None:
        known = table[(table.model == other) & (table.split == "test")][keys].drop_duplicates()
        rows = rows.merge(known, on=keys)
    # Means over the logits: they see the same images.
    images = rows.groupby([*keys, "image"], sort=False).energy.mean().rename("value").reset_index()
    ratios = {}
    for task, of_kernel in images.groupby("task", sort=False):
        energies = {name: _drawn(name, part) for name, part in of_kernel.groupby("dataset")}
        others = [energy for name, energy in energies.items() if name != task]
        ratios[task] = energies[task].log() - mean_of(others).log()
    return ratios


def _drawn(dataset: str, rows: pd.DataFrame) -> Sampled:
    """The mean of `value` over the images that each seed has drawn."""
    seeds = [of_seed for _, of_seed in rows.groupby("seed")]
    return Sampled.mean_over_drawn_images(
        dataset,
        [of_seed.image.to_numpy() for of_seed in seeds],
        [of_seed.value.to_numpy() for of_seed in seeds],
    )
