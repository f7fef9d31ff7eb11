"""The same weights at several learning rates: task addition beside single-task accuracy."""

from collections.abc import Mapping

import pandas as pd


def derive(
    tables: Mapping[str, pd.DataFrame], rates: Mapping[str, Mapping[str, float]]
) -> pd.DataFrame:
    """A row per model, mode and seed.

    Args:
        tables: the tidy tables `single_task` and `addition`.
        rates: model -> mode -> the learning rate of the mode's training.
    """
    addition, place = tables["addition"], ["model", "mode", "seed"]
    validation = tables["single_task"].query("split == 'validation'")
    means = validation.groupby(place).accuracy.mean().rename("single_task")
    rate = pd.DataFrame(rates).unstack().rename("rate")
    rows = pd.concat(addition[addition.model == model] for model in rates)
    return rows.join(means, on=place).join(rate, on=place[:2])
