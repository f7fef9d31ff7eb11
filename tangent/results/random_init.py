"""Random initialisation (table 3): each model beside its pre-trained twin, on the same tasks."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from tangent.arithmetic.modes import MODES
from tangent.config.schema import RANDOM_SUFFIX, Config
from tangent.results.raw import RawFiles


def random_init_rows(
    config: Config, raw: RawFiles, single_task: pd.DataFrame, addition: pd.DataFrame
) -> Iterator[dict[str, object]]:
    """Rows of random_init.csv: test accuracies, means over that study's tasks.

    A pre-trained row's `absolute` and `normalized` are empty unless both models add the same tasks:
    a sum of eight task vectors and a sum of three are different problems.
    """
    tasks = config.random_initialization.tasks
    test = single_task[single_task.split == "test"]
    means = test[test.task.isin(tasks)].groupby(["model", "mode", "seed"]).accuracy.mean()
    same_tasks = set(config.tasks) == set(tasks)
    for model in config.random_initialization.models:
        for mode in MODES:
            for seed in config.seeds:
                pretrained = addition.query("model == @model and mode == @mode and seed == @seed")
                path = f"addition/{model}{RANDOM_SUFFIX}/{mode}/seed{seed}/result.json"
                result = raw.json("addition", path)
                for name, initialization, added, source in (
                    (model, "pretrained", len(config.tasks), pretrained.iloc[0]),
                    (model + RANDOM_SUFFIX, "random", len(tasks), result),
                ):
                    comparable = initialization == "random" or same_tasks
                    yield {
                        "model": name, "initialization": initialization, "mode": mode,
                        "seed": seed, "tasks": len(tasks),
                        "zero_shot": means[name, "zero_shot", seed],
                        "single_task": means[name, mode, seed],
                        "tasks_added": added if comparable else None,
                    } | {
                        column: source[column] if comparable else None
                        for column in ("alpha", "absolute", "normalized")
                    }  # fmt: skip
