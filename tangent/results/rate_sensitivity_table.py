"""The same weights at several learning rates: task addition beside single-task accuracy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from tangent.arithmetic.modes import MODES
from tangent.config.schema import Config


def rate_sensitivity_rows(
    config: Config, tables: Mapping[str, pd.DataFrame]
) -> Iterator[dict[str, object]]:
    """A row per model, mode and seed.

    Args:
        config: the study's.
        tables: the tidy tables `single_task` and `addition`.
    """
    single_task = tables["single_task"]
    validation = single_task[single_task.split == "validation"]
    means = validation.groupby(["model", "mode", "seed"]).accuracy.mean()
    sums = tables["addition"].set_index(["model", "mode", "seed"])
    for model in config.rate_sensitivity.models:
        for name, mode in MODES.items():
            for seed in config.seeds:
                added = sums.loc[model, name, seed]
                yield {
                    "model": model, "mode": name, "seed": seed,
                    "rate": config.learning_rate_of(model, mode.trained_as),
                    "single_task": means[model, name, seed],
                    "alpha": added.alpha,
                    "absolute": added.absolute, "normalized": added.normalized,
                }  # fmt: skip
