"""The trainings among which learning rates were chosen, each beside the chosen one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from statistics import fmean
from typing import Any

from tangent.evaluation import outcomes
from tangent.training.learning_rates import MEAN, paired_standard_error, standard_error_of_mean

Row = Mapping[str, Any]


def compared_rates(results: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """A row per model, training, rate and task, and one for the mean over the tasks.

    Args:
        results: of each search, the choice (`task` is None) and every training, by rate.
    """
    for _, search in itertools.groupby(results, itemgetter("model", "training")):
        choice, *trainings = search
        chosen = {row["task"]: row for row in trainings if row["rate"] == choice["rate"]}
        for rate, of_rate in itertools.groupby(trainings, itemgetter("rate")):
            rows = list(of_rate)
            errors = [
                paired_standard_error(_right(row), _right(chosen[row["task"]])) for row in rows
            ]
            mean = {
                **rows[0],
                "task": MEAN,
                "accuracy": fmean(row["accuracy"] for row in rows),
                "n": sum(row["n"] for row in rows),
            }
            for row, error in zip(
                (*rows, mean), (*errors, standard_error_of_mean(errors)), strict=True
            ):
                yield {
                    **row,
                    "chosen": rate == choice["rate"],
                    "se_difference": None if math.isnan(error) else error,
                }


def _right(row: Row) -> Any:
    return outcomes.decode(row["outcomes"], row["n"])
