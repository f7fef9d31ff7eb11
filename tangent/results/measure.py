"""Measures of the claims: small functions from tidy tables to quantities with their thresholds.

Every function takes the tables, a model and the modes that the claim compares, returns the parts of
its criterion, the quantity that is shown first, and raises `NotRun` where the study has no such
results. Accuracies are made from the outcomes of the test images, so that intervals know how each
image moves them.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from tangent.config.schema import RANDOM_SUFFIX
from tangent.results.intervals import Measurement, mean_over_units, shares
from tangent.results.sampled import NotRun, Sampled, Units, mean_of, of_images
from tangent.results.studied import Tables

Parts = tuple[Measurement, ...]

LEARNT = 0.05
"""A model has learnt its single tasks if their mean accuracy rose by this much."""

LOCALIZED = 2.0
"""Eigenfunctions count as localized from this ratio of mean local energies on."""

CONTROL_TOLERANCE = 0.01
"""By how much control accuracies may differ and still be called the same."""

CLOSE = 0.05
"""By how much single-task accuracies may differ and still be called close."""


def accuracy(tables: Tables, model: str, *modes: str, of: str, **side: Any) -> Parts:
    """Mean accuracy `of` task addition or single tasks, the first mode's − the second's.

    Above 0, or as `side` says (table 1, figures 2 and 5).
    """
    return _difference(_of_modes(tables, model, of, *modes), **side)


def addition_normalized(tables: Tables, model: str, first: str, second: str) -> Parts:
    """Task addition, normalised accuracy of `first` − `second` (table 1)."""
    wanted = [(model, mode, of) for mode in (first, second) for of in ("addition", "single_task")]
    added_1, single_1, added_2, single_2 = of_images(tables["outcomes"], *wanted)
    return _difference({first: added_1 / single_1, second: added_2 / single_2})


def nonlinear_advantage(tables: Tables, model: str, first: str, second: str) -> Parts:
    """(accuracy of `first` − `second`) / (1 − 1/C), C classes, mean over the tasks (figure 2)."""
    of_modes = _of_modes(tables, model, "single_task", first, second)
    rows = tables["single_task"]
    classes = rows[rows.model == model].groupby("task").classes.first()
    lost = of_modes[first] - of_modes[second]
    advantages = Units({key: lost[key].times(1 / (1 - 1 / classes[key[0]])) for key in lost})
    return (mean_over_units(advantages, numbers=_means(of_modes)),)


def negation(tables: Tables, model: str, first: str, second: str) -> Parts:
    """Mean target accuracy of negation, `first` − `second`, and control, `second` − `first`."""
    wanted = [(model, mode, what) for what in ("target", "control") for mode in (first, second)]
    found = of_images(tables["outcomes"], *wanted)
    target_1, target_2, control_1, control_2 = found
    numbers = {f"{what} {mode}": of for (_, mode, what), of in zip(wanted, found, strict=True)}
    label = f"control {second} − {first}"
    return (
        mean_over_units(target_1 - target_2, numbers=_means(numbers)),
        mean_over_units(control_2 - control_1, threshold=-CONTROL_TOLERANCE, label=label),
    )


def disentanglement(tables: Tables, model: str, first: str, second: str, region: str) -> Parts:
    """Mean ξ over a region of the grid and the pairs, `first` − `second` (figure 3)."""
    of_modes = _of_modes(tables, model, region, first, second)
    tasks = [task for _, task in of_modes[first]]
    (measured,) = _difference({name: _sums_by_pair(of) for name, of in of_modes.items()})
    # Pairs that share a task vary together: other pairs are not drawn one by one.
    return (measured if len({*tasks}) == len(tasks) else replace(measured, values=None),)


def localization(tables: Tables, model: str) -> Parts:
    """Mean local energy on held-out examples of the task / on the other data sets (figure 6)."""
    ratios = _log_energy_ratios(tables["eigenfunctions"], model)
    return (_ratio(ratios, threshold=np.log(LOCALIZED)),)


def proposition1(tables: Tables, model: str) -> Parts:
    """Interference ‖Σ_{t≠s} f_t(D_s)‖² / ‖f_s(D_s)‖² of the model's own kernel, below 1."""
    rows = tables["proposition1_functions"]
    tasks = {
        task: _drawn(task, of_task.assign(value=of_task.others**2)).log()
        - _drawn(task, of_task.assign(value=of_task.own**2)).log()
        for task, of_task in rows[rows.model == model].groupby("task", sort=False)
    }
    return (_ratio(Units(tasks), below=True),)


def random_single_task(tables: Tables, model: str, mode: str) -> Parts:
    """Share of the way from untrained to the pre-trained model's fine-tuned accuracy (table 3)."""
    random = model + RANDOM_SUFFIX
    models = ((random, "zero_shot"), (random, mode), (model, mode))
    found = of_images(tables["outcomes"], *((*which, "single_task") for which in models))
    start, tuned, pretrained = (part.of(found[1]) for part in found)
    made, way = tuned - start, pretrained - start
    numbers = {
        "accuracy at initialisation": start, "fine-tuned": tuned,
        "pre-trained and fine-tuned": pretrained,
    }  # fmt: skip
    ratio, values = made.mean() / way.mean(), shares(made, way)
    return (Measurement(ratio, len(made), values, threshold=0.5, numbers=_means(numbers)),)


def random_gain(tables: Tables, model: str, mode: str) -> Parts:
    """Share of the single tasks' gain by fine-tuning that survives the addition, both models.

    share = (absolute − start) / (single task − start), accuracies averaged over the model's tasks;
    start is the accuracy before fine-tuning. Unlike normalised accuracy it gives no credit for what
    the model could do at α = 0. Not run where a model hardly learnt its single tasks: there is no
    gain to have a share of.
    """
    wanted = (("zero_shot", "single_task"), (mode, "single_task"), (mode, "addition"))
    models = (model, model + RANDOM_SUFFIX)
    found = of_images(tables["outcomes"], *((name, *part) for name in models for part in wanted))
    survived, values, tasks = {}, [], []
    for label, (start, single, added) in (("pre-trained", found[:3]), ("random", found[3:])):
        kept, gain = added - start, single.of(added) - start
        if gain.mean().value.min() < LEARNT:
            raise NotRun
        survived[f"{label} (sum of {len(added)} tasks)"] = kept.mean() / gain.mean()
        values.append(shares(kept, gain))
        tasks.append(list(added))
    pretrained, random = survived.values()
    parts = values[0] - values[1] if tasks[0] == tasks[1] else None
    numbers = {name: share.value for name, share in survived.items()}
    return (Measurement(pretrained - random, len(added), parts, numbers=numbers),)


def random_localization(tables: Tables, model: str) -> Parts:
    """Energy ratios of the pre-trained against the randomly initialised model (figure 6)."""
    names = (model, model + RANDOM_SUFFIX)
    pretrained, random = (
        _log_energy_ratios(tables["eigenfunctions"], *of) for of in (names, names[::-1])
    )
    pretrained = pretrained.of(random)
    means = _means({"pre-trained": pretrained, "random": random})
    numbers = {label: np.exp(mean) for label, mean in means.items()}
    side = {"threshold": np.log(LOCALIZED), "below": True, "label": "random"}
    return (
        mean_over_units(pretrained - random, logarithm=True, numbers=numbers),
        mean_over_units(random, logarithm=True, **side),
    )


def _of_modes(tables: Tables, model: str, quantity: str, *modes: str) -> dict[str, Units]:
    found = of_images(tables["outcomes"], *((model, mode, quantity) for mode in modes))
    return dict(zip(modes, found, strict=True))


def _difference(of_modes: Mapping[str, Units], **side: Any) -> Parts:
    """The first mode's − the second's, beside the means of both."""
    first, second = of_modes.values()
    return (mean_over_units(first - second, numbers=_means(of_modes), **side),)


def _ratio(logarithms: Units, **side: Any) -> Measurement:
    """The geometric mean of ratios, beside each of them."""
    numbers = {task: np.exp(ratio.value) for task, ratio in logarithms.items()}
    if not numbers:
        raise NotRun
    return mean_over_units(logarithms, logarithm=True, numbers=numbers, **side)


def _means(named: Mapping[str, Units]) -> dict[str, np.ndarray]:
    return {name: units.mean().value for name, units in named.items()}


def _sums_by_pair(numbers: Units) -> Units:
    """ξ of each pair: the sum over its two data sets."""
    pairs = Units()
    for (pair, _), number in numbers.items():
        pairs[pair] = pairs[pair] + number if pair in pairs else number
    return pairs


def _log_energy_ratios(table: pd.DataFrame, model: str, other: str | None = None) -> Units:
    """log(energy on the kernel's own task / mean over the other data sets), by kernel.

    Of the kernels and data sets that the model `other` has too, if one is given.
    """
    table, keys = table[table.split == "test"], ["seed", "task", "dataset"]
    rows = table[table.model == model]
    if other is not None:
        rows = rows.merge(table[table.model == other][keys].drop_duplicates(), on=keys)
    if rows.empty:
        raise NotRun
    # Means over the logits: they see the same images.
    images = rows.groupby([*keys, "image"], sort=False).energy.mean().rename("value").reset_index()
    ratios = Units()
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
