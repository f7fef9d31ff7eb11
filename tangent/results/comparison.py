"""The paper's own models in this study beside the paper's numbers and independent re-runs'."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from tangent.modes import MODES
from tangent.results.columns import TABLES
from tangent.results.paper_numbers import (
    are_paper_tasks,
    paper_models,
    paper_number,
    paper_numbers,
    rerun_range,
)
from tangent.results.studied import fine_tuned_tasks, studied_models

Tables = dict[str, pd.DataFrame]

INPUTS = ("single_task", "addition", "negation")

ROUNDING = 0.0005
"""Added to both ends of a range of re-runs: they are printed to a tenth of a percent."""

ONE_RUN = 0.01
"""The same where there is one re-run only, whose spread we do not know."""

ALL_TASKS = "all"
"""Stands for the mean over the tasks where a row otherwise has a task."""


def comparison_table(tables: Tables) -> pd.DataFrame:
    """Rows of comparison.csv from the tidy tables named in `INPUTS`; accuracies as fractions.

    The paper's models come first, studied or not, then this study's others. A difference exists
    only where the model and all tasks, the control task included, are the paper's.
    """
    models = dict.fromkeys([*paper_models(), *studied_models(tables)])
    rows = [row for model in models for row in _rows(tables, model)]
    return pd.DataFrame.from_records(rows, columns=list(TABLES["comparison"]))


def _rows(tables: Tables, model: str) -> Iterator[dict[str, object]]:
    of_model = {name: tables[name][tables[name].model == model] for name in INPUTS}
    tasks = fine_tuned_tasks(tables, model)
    others = [task for task in of_model["single_task"].task.unique() if task not in tasks]
    comparable = len(others) == 1 and are_paper_tasks(tasks, others[0])
    if not tasks:
        tasks, others = paper_numbers()["tasks"], [paper_numbers()["control"]]
    for table, mode, task, quantity in _cells(tasks, others):
        values = _values(of_model, tasks, table, mode, task, quantity)
        # The pre-trained model has no seed: equal values are one value, without a spread.
        varies = mode != "zero_shot" or values.nunique() > 1
        ours = values.mean()
        paper = paper_number(table, model, mode, quantity)
        low, high = rerun_range(table, model, mode, quantity, task) or (None, None)
        compared = comparable and model in paper_models() and not values.empty
        yield {
            "table": table, "model": model, "mode": mode, "task": task, "quantity": quantity,
            "paper": paper, "rerun_low": low, "rerun_high": high, "ours": ours,
            "spread": values.std(ddof=1) if varies else np.nan,
            "seeds": len(values),
            "difference": _difference(ours, paper, low, high) if compared else None,
            "within": _within(ours, low, high) if compared and low is not None else "",
        }  # fmt: skip


def _cells(tasks: list[str], others: list[str]) -> Iterator[tuple[str, str, str, str]]:
    """Table, mode, task and quantity of every row of a model."""
    for mode in ("zero_shot", *MODES):
        yield "addition", mode, ALL_TASKS, "absolute"
        if mode != "zero_shot":
            yield "addition", mode, ALL_TASKS, "normalized"
    for mode in ("zero_shot", *MODES):
        yield "negation", mode, ALL_TASKS, "target"
        yield "negation", mode, ALL_TASKS, "control"
    for mode in ("zero_shot", *MODES):
        for task in (ALL_TASKS, *tasks, *(others if mode == "zero_shot" else ())):
            yield "single_task", mode, task, "accuracy"


def _values(
    of_model: Tables, tasks: list[str], table: str, mode: str, task: str, quantity: str
) -> pd.Series:
    """One value per seed; a seed for which a task is missing has none."""
    if table == "addition" and mode != "zero_shot":
        addition = of_model["addition"]
        return addition[addition["mode"] == mode].set_index("seed")[quantity].dropna()
    if table == "negation":
        rows = of_model["negation"]
        if mode == "zero_shot":
            quantity = f"{quantity}_pretrained"
        else:
            rows = rows[rows["mode"] == mode]
    else:
        rows, quantity = of_model["single_task"], "accuracy"
        rows = rows[(rows["mode"] == mode) & (rows.split == "test")]
    wanted = tasks if task == ALL_TASKS else [task]
    per_task = rows[rows.task.isin(wanted)].groupby(["seed", "task"])[quantity].mean()
    return per_task.unstack("task").reindex(columns=wanted).dropna().mean(axis=1)


def _difference(
    ours: float, paper: float | None, low: float | None, high: float | None
) -> float | None:
    """Ours − the paper's or, where it gives none, ours − that of the one re-run there is."""
    if paper is not None:
        return ours - paper
    return ours - low if low is not None and low == high else None


def _within(ours: float, low: float, high: float) -> str:
    margin = ONE_RUN if low == high else ROUNDING
    # Accuracies are ratios of integers: what lies on the border lies inside.
    return "yes" if low - margin - 1e-9 <= ours <= high + margin + 1e-9 else "no"
