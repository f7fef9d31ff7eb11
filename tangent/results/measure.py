"""What each claim measures: small functions from tidy tables to one row per seed.

Every function returns a table indexed by seed with the columns `value` (the quantity of the claim),
`holds` (its criterion) and the numbers behind them, or None where the study has no such results;
a seed that lacks one of the numbers has no `value`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from tangent.config.schema import RANDOM_SUFFIX

Tables = dict[str, pd.DataFrame]

LEARNT = 0.05
"""A model has learnt its single tasks if their mean accuracy rose by this much."""

LOCALIZED = 2.0
"""Eigenfunctions count as localized from this ratio of mean local energies on."""

CONTROL_TOLERANCE = 0.01
"""By how much control accuracies may differ and still be called the same."""


def addition(
    tables: Tables, model: str, column: str, first: str, second: str
) -> pd.DataFrame | None:
    """Task addition, `first` − `second`; `column` is `absolute` or `normalized` (table 1)."""
    table = tables["addition"]
    values = table[table.model == model].pivot(index="seed", columns="mode", values=column)
    return _difference(values, first, second)


def single_task(tables: Tables, model: str, first: str, second: str) -> pd.DataFrame | None:
    """Mean single-task test accuracy over the tasks, `first` − `second` (figure 2)."""
    table = tables["single_task"]
    test = table[(table.model == model) & (table.split == "test")]
    means = test.groupby(["seed", "mode"]).accuracy.mean().unstack("mode")
    return _difference(means, first, second)


def negation(tables: Tables, model: str) -> pd.DataFrame | None:
    """Mean target accuracy of negation, standard − linear, at the same control (table 2)."""
    table = tables["negation"]
    table = table[(table.model == model) & table["mode"].isin(["standard", "linear"])]
    means = table.groupby(["seed", "mode"])[["target", "control"]].mean().unstack("mode")
    if table["mode"].nunique() < 2:
        return None
    target, control = means.target, means.control
    value = target.standard - target.linear
    same_control = control.linear >= control.standard - CONTROL_TOLERANCE
    return pd.DataFrame(
        {
            "target standard": target.standard,
            "target linear": target.linear,
            "control standard": control.standard,
            "control linear": control.linear,
            "value": value,
            "holds": (value > 0) & same_control,
        }
    )


def disentanglement(tables: Tables, model: str, mode: str, limit: float) -> pd.DataFrame | None:
    """Mean ξ over |α1|, |α2| ≤ `limit` and the pairs, standard − `mode` (figure 3)."""
    return _difference(mean_errors(tables["disentanglement"], model, limit), "standard", mode)


def mean_errors(table: pd.DataFrame, model: str, limit: float) -> pd.DataFrame:
    """Mean ξ over |α1|, |α2| ≤ `limit` and the pairs: a row per seed, a column per mode."""
    # Grid points are sums of floating-point steps: 1 may come as 1.0000000000000002.
    inside = table[["alpha_1", "alpha_2"]].abs().max(axis=1) <= limit + 1e-6
    rows = table[(table.model == model) & inside]
    per_pair = rows.groupby(["seed", "mode", "task_1", "task_2"]).error.mean()
    return per_pair.groupby(["seed", "mode"]).mean().unstack("mode")


def localization(tables: Tables, model: str) -> pd.DataFrame | None:
    """Mean local energy on held-out examples of the task / on the other data sets (figure 6)."""
    energies = mean_energies(tables["eigenfunctions"], model)
    if energies.empty:
        return None
    ratios = energy_ratios(energies)
    value = _geometric_mean(ratios)
    return ratios.unstack("task").assign(value=value, holds=value >= LOCALIZED)


def random_single_task(tables: Tables, model: str) -> pd.DataFrame | None:
    """Share of the way from untrained to the pre-trained model's fine-tuned accuracy (table 3)."""
    table = tables["random_init"]
    rows = table[table["mode"] == "standard"].set_index("seed")
    random, pretrained = rows[rows.model == model + RANDOM_SUFFIX], rows[rows.model == model]
    if random.empty or pretrained.empty:
        return None
    value = (random.single_task - random.zero_shot) / (pretrained.single_task - random.zero_shot)
    return pd.DataFrame(
        {
            "accuracy at initialisation": random.zero_shot,
            "fine-tuned": random.single_task,
            "pre-trained and fine-tuned": pretrained.single_task,
            "value": value,
            "holds": value >= 0.5,
        }
    )


def random_gain(tables: Tables, model: str, mode: str) -> pd.DataFrame | None:
    """Share of the single tasks' gain by fine-tuning that survives the addition, both models.

    share = (absolute − start) / (single task − start), accuracies averaged over the model's tasks;
    start is the accuracy before fine-tuning. Unlike normalised accuracy it gives no credit for what
    the model could do at α = 0. None where a model hardly learnt its single tasks: there is no gain
    to have a share of.
    """
    random = tables["random_init"]
    random = random[(random.model == model + RANDOM_SUFFIX) & (random["mode"] == mode)]
    pretrained = tables["addition"]
    pretrained = pretrained[(pretrained.model == model) & (pretrained["mode"] == mode)]
    if random.empty or pretrained.empty:
        return None
    random = random.set_index("seed")
    table = tables["single_task"]
    table = table[(table.model == model) & (table.split == "test")]
    tasks = table[table["mode"] == mode].task.unique()
    means = table[table.task.isin(tasks)].groupby(["seed", "mode"]).accuracy.mean().unstack("mode")
    if not {mode, "zero_shot"} <= set(means.columns):
        return None
    absolute = pretrained.set_index("seed").absolute
    gains = [means[mode] - means.zero_shot, random.single_task - random.zero_shot]
    if min(gain.min() for gain in gains) < LEARNT:
        return None
    first = (absolute - means.zero_shot) / (means[mode] - means.zero_shot)
    second = (random.absolute - random.zero_shot) / (random.single_task - random.zero_shot)
    return pd.DataFrame(
        {
            f"pre-trained (sum of {len(tasks)} tasks)": first,
            f"random (sum of {int(random.tasks_added.iloc[0])} tasks)": second,
            "value": first - second,
            "holds": first > second,
        }
    )


def random_localization(tables: Tables, model: str) -> pd.DataFrame | None:
    """Energy ratios of the pre-trained against the randomly initialised model (figure 6)."""
    random = mean_energies(tables["eigenfunctions"], model + RANDOM_SUFFIX)
    pretrained = mean_energies(tables["eigenfunctions"], model)
    if random.empty or pretrained.empty:
        return None
    common = random.index.intersection(pretrained.index)
    first = _geometric_mean(energy_ratios(pretrained.loc[common]))
    second = _geometric_mean(energy_ratios(random.loc[common]))
    return pd.DataFrame(
        {
            "pre-trained": first,
            "random": second,
            "value": first / second,
            "holds": (second < LOCALIZED) & (second < first),
        }
    )


def mean_energies(eigenfunctions: pd.DataFrame, model: str) -> pd.Series:
    """Mean local energy on test examples, indexed by (seed, task, dataset)."""
    rows = eigenfunctions[(eigenfunctions.model == model) & (eigenfunctions.split == "test")]
    return rows.groupby(["seed", "task", "dataset"]).energy.mean()


def energy_ratios(energies: pd.Series) -> pd.Series:
    """Energy on the kernel's own task / mean over the other data sets, by (seed, task)."""
    table = energies.reset_index()
    own = table[table.dataset == table.task].set_index(["seed", "task"]).energy
    others = table[table.dataset != table.task].groupby(["seed", "task"]).energy.mean()
    return own / others


def localization_ratios(eigenfunctions: pd.DataFrame, model: str) -> pd.Series:
    """Ratio of mean local energies, geometric mean over the kernels, by seed; may be empty."""
    return _geometric_mean(energy_ratios(mean_energies(eigenfunctions, model)))


def _geometric_mean(ratios: pd.Series) -> pd.Series:
    return np.exp(np.log(ratios).groupby("seed").mean())


def _difference(values: pd.DataFrame, first: str, second: str) -> pd.DataFrame | None:
    """`values` has a row per seed and a column per mode; the claim is that `first` is larger."""
    if not {first, second} <= set(values.columns):
        return None
    value = values[first] - values[second]
    return pd.DataFrame(
        {first: values[first], second: values[second], "value": value, "holds": value > 0}
    )
