"""Emergence: what the study measures of each checkpoint of one pre-training, by its step."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from tangent.arithmetic.alphas import SEARCH_BOX
from tangent.results.studied import modes_in, task_means


def derive(
    tables: dict[str, pd.DataFrame], steps: Mapping[str, int]
) -> Iterator[dict[str, object]]:
    """Rows of emergence.csv: per checkpoint, mode and seed, in the order of the steps.

    Accuracies are means over the tasks on test examples. A number is empty where the checkpoint has
    no such results: no heat maps, no kernels.

    Args:
        tables: `single_task`, `addition`, `disentanglement` and `eigenfunctions`.
        steps: checkpoint -> its step, in the order of the steps.
    """
    for model, step in steps.items():
        sums = tables["addition"].query("model == @model")
        errors = _mean_errors(tables["disentanglement"], model)
        ratios = _localization(tables["eigenfunctions"], model)
        before = task_means(tables, model, "zero_shot")
        for mode in modes_in(sums):
            single_task = task_means(tables, model, mode)
            for added in sums[sums["mode"] == mode].itertuples():
                seed = added.seed
                yield {
                    "model": model, "step": step, "mode": mode, "seed": seed,
                    "zero_shot": before[seed], "single_task": single_task[seed],
                    "absolute": added.absolute, "normalized": added.normalized,
                    "disentanglement": errors.get((seed, mode), np.nan),
                    "localization": ratios.get(seed, np.nan),
                }  # fmt: skip


def _mean_errors(table: pd.DataFrame, model: str) -> pd.Series:
    """Mean ξ over the search box and the pairs, by seed and mode; may be empty."""
    # Grid points are sums of floating-point steps: 1 may come as 1.0000000000000002.
    inside = table[["alpha_1", "alpha_2"]].abs().max(axis=1) <= SEARCH_BOX + 1e-6
    rows = table[(table.model == model) & inside]
    per_pair = rows.groupby(["seed", "mode", "task_1", "task_2"]).error.mean()
    return per_pair.groupby(["seed", "mode"]).mean()


def _localization(eigenfunctions: pd.DataFrame, model: str) -> pd.Series:
    """Ratio of mean local energies, geometric mean over the kernels, by seed; may be empty."""
    rows = eigenfunctions[(eigenfunctions.model == model) & (eigenfunctions.split == "test")]
    energies = rows.groupby(["seed", "task", "dataset"]).energy.mean().reset_index()
    own = energies[energies.dataset == energies.task].set_index(["seed", "task"]).energy
    others = energies[energies.dataset != energies.task].groupby(["seed", "task"]).energy.mean()
    return np.exp(np.log(own / others).groupby("seed").mean())
