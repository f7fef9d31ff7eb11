"""How the report shows what learning rates were chosen from."""

from __future__ import annotations

import pandas as pd

from tangent.results.render import MISSING, Table, percent
from tangent.training.learning_rates import MEAN


def search_tables(table: pd.DataFrame) -> list[Table]:
    """A table per model and training: accuracy of every task at every rate, and what they say."""
    return [
        _table(model, training, rows)
        for (model, training), rows in table.groupby(["model", "training"], sort=False)
    ]


def _table(model: str, training: str, rows: pd.DataFrame) -> Table:
    tasks = list(rows.task.unique())
    cells = []
    for rate, of_rate in rows.groupby("rate"):
        by_task = of_rate.set_index("task").accuracy
        mark = " (chosen)" if of_rate.chosen.all() else ""
        cells.append((f"{rate:g}{mark}", tuple(percent([by_task[task]]) for task in tasks)))
    return Table(
        f"{model}-{training}-learning-rates",
        f"{model}, {training} training: single-task validation accuracy in % by learning rate",
        "Learning rate",
        (("Task", tuple(tasks)),),
        tuple(cells),
        (sentence(rows),),
    )


def sentence(rows: pd.DataFrame) -> str:
    """What was chosen, and whether the next best rate is within one standard error of it."""
    means = rows[rows.task == MEAN].sort_values(["accuracy", "rate"], ascending=[False, True])
    chosen = means[means.chosen].iloc[0]
    other = means[~means.chosen].iloc[0]
    difference = chosen.accuracy - other.accuracy
    error = MISSING if pd.isna(other.se_difference) else f"{100 * other.se_difference:.2f}"
    within = difference <= other.se_difference
    return (
        f"{chosen.rate:g} was chosen, on the validation images of seed {chosen.seed} alone. The "
        f"next best, {other.rate:g}, is {100 * difference:.2f} points lower (standard error of the "
        f"paired difference {error}): {'' if within else 'not '}within one standard error."
    )
