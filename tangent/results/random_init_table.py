"""Random initialisation (table 3): each model beside its pre-trained twin, on the same tasks."""

import itertools
from collections.abc import Iterator
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd

from tangent.config.schema import RANDOM_SUFFIX
from tangent.results.studied import fine_tuned_tasks, modes_in


def derive(tables: dict[str, pd.DataFrame]) -> Iterator[dict[str, Any]]:
    """Rows of random_init.csv: test accuracies, means over that study's tasks.

    A pre-trained row's `absolute` and `normalized` are empty unless both models add the same tasks:
    a sum of eight task vectors and a sum of three are different problems.

    Args:
        tables: `single_task`, `addition` and `addition_tasks`.
    """
    single_task = tables["single_task"]
    test = single_task[single_task.split == "test"]
    sums = tables["addition"].set_index(["model", "mode", "seed"])
    places = test[test.model.str.endswith(RANDOM_SUFFIX)][["model", "seed"]].drop_duplicates()
    for random, of_model in places.groupby("model", sort=False):
        model = random.removesuffix(RANDOM_SUFFIX)
        tasks, all_tasks = (fine_tuned_tasks(tables, name) for name in (random, model))
        means = test[test.task.isin(tasks)].groupby(["model", "mode", "seed"]).accuracy.mean()
        for mode, seed in itertools.product(modes_in(test), of_model.seed):
            pretrained = sums.loc[model, mode, seed] if set(all_tasks) == set(tasks) else {}
            for name, initialization, added, addition in (
                (model, "pretrained", len(all_tasks), dict(pretrained)),
                (random, "random", len(tasks), _added(tables, random, mode, seed)),
            ):
                yield {
                    "model": name, "initialization": initialization, "mode": mode, "seed": seed,
                    "tasks": len(tasks), "zero_shot": means[name, "zero_shot", seed],
                    "single_task": means[name, mode, seed],
                    "tasks_added": added if addition else None, **addition,
                }  # fmt: skip


def _added(tables: dict[str, pd.DataFrame], model: str, mode: str, seed: int) -> dict[str, float]:
    """Task addition as `tangent.evaluation.addition` averages it."""
    rows = tables["addition_tasks"]
    rows = rows[(rows.model == model) & (rows["mode"] == mode) & (rows.seed == seed)]
    return {
        "alpha": rows.alpha.iloc[0],
        "absolute": fmean(rows.accuracy),
        "normalized": float(np.mean(list(rows.normalized))),
    }
