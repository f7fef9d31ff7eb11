"""The trainings among which learning rates were chosen, each beside the chosen one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import fmean

import numpy as np

from tangent.config.schema import Config
from tangent.evaluation import outcomes
from tangent.results.raw import RawFiles, Result
from tangent.training.learning_rates import MEAN, paired_standard_error, standard_error_of_mean

Row = dict[str, object]


def learning_rate_rows(config: Config, raw: RawFiles) -> Iterator[Row]:
    """A row per model, training, rate and task, and one for the mean over the tasks.

    Raises:
        UserError: a result is missing, or is none.
    """
    for model, training in config.searches:
        folder, seed = f"learning_rates/{model}/{training}", f"seed{config.tuning_seed}"
        chosen = raw.json("chosen_learning_rate", f"{folder}/{seed}/chosen.json")["learning_rate"]
        tasks, rates = config.trained_tasks(model, training), config.rate_grid(model, training)
        results = {
            (rate, task): raw.json(
                "tuning_accuracy", f"{folder}/{rate}/{task}/{seed}/accuracy.json"
            )
            for rate in rates
            for task in tasks
        }
        place = {"model": model, "training": training, "seed": config.tuning_seed}
        for rate in rates:
            of_rate = [results[rate, task] for task in tasks]
            errors = [
                paired_standard_error(_outcomes(result), _outcomes(results[chosen, task]))
                for result, task in zip(of_rate, tasks, strict=True)
            ]
            accuracies = [result["accuracy"] for result in of_rate]
            sizes = [result["n"] for result in of_rate]
            columns = zip(
                (*tasks, MEAN),
                (*accuracies, fmean(accuracies)),
                (*sizes, sum(sizes)),
                (*errors, standard_error_of_mean(errors)),
                strict=True,
            )
            for task, accuracy, n, error in columns:
                yield {
                    **place, "rate": rate, "task": task, "accuracy": accuracy, "n": n,
                    "chosen": rate == chosen,
                    "se_difference": None if math.isnan(error) else error,
                }  # fmt: skip


def _outcomes(result: Result) -> np.ndarray:
    return outcomes.decode(result["outcomes"], result["n"])
