"""The same weights at several learning rates: task addition beside single-task accuracy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd


def derive(
    tables: Mapping[str, pd.DataFrame], rates: Mapping[str, Mapping[str, float]]
) -> Iterator[dict[str, object]]:
    """A row per model, mode and seed.

    Args:
        tables: the tidy tables `single_task` and `addition`.
        rates: model -> mode -> the learning rate of the mode's training.
    """
    single_task = tables["single_task"]
    validation = single_task[single_task.split == "validation"]
    means = validation.groupby(["model", "mode", "seed"]).accuracy.mean()
    addition = tables["addition"]
    for model, of_mode in rates.items():
        for added in addition[addition.model == model].itertuples():
            yield {
                "model": model, "mode": added.mode, "seed": added.seed,
                "rate": of_mode[added.mode],
                "single_task": means[model, added.mode, added.seed],
                "alpha": added.alpha,
                "absolute": added.absolute, "normalized": added.normalized,
            }  # fmt: skip
