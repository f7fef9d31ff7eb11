"""The records of test images (outcomes.csv) as numbers with the influence of each image."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tangent.evaluation.outcomes import decode, decode_counts
from tangent.results.sampled import Sampled

Numbers = dict[tuple[str, str], Sampled]
"""(task or pair, data set of the images) -> the mean over the images, for each seed."""


def of_images(
    outcomes: pd.DataFrame, *wanted: tuple[str, str, str]
) -> tuple[list[int], list[Numbers]] | None:
    """Numbers of a model, in a mode, of a quantity, for the seeds that have all of them.

    Args:
        outcomes: the tidy table.
        wanted: (model, mode, quantity), each of which gives one of the `Numbers`.

    Returns:
        The seeds and the numbers, in the order of `wanted`; None if there are none of one of them.
    """
    parts = []
    for model, mode, quantity in wanted:
        rows = outcomes[
            (outcomes.model == model) & (outcomes["mode"] == mode) & (outcomes.quantity == quantity)
        ]
        parts.append(dict(list(rows.groupby(["task", "dataset"], sort=False))))
    if not all(parts):
        return None
    groups = [group for part in parts for group in part.values()]
    seeds = sorted(set.intersection(*(set(group.seed) for group in groups)))
    if not seeds:
        return None
    return seeds, [{key: _number(key[1], part[key], seeds) for key in part} for part in parts]


def _number(dataset: str, group: pd.DataFrame, seeds: list[int]) -> Sampled:
    rows = group.set_index("seed").loc[seeds]
    return Sampled.mean_over_images(dataset, np.array([_values(row) for row in rows.itertuples()]))


def _values(row) -> np.ndarray:
    n = int(row.n)
    if pd.isna(row.points):
        return decode(row.outcomes, n).astype(float)
    points = int(row.points)
    return decode_counts(row.outcomes, n, points) / points
