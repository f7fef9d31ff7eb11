"""The paper's own models in this study beside the paper's numbers and independent re-runs'."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

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

_INPUTS = TABLES["comparison"].tables

ROUNDING = 0.0005
"""Added to both ends of a range of re-runs: they are printed to a tenth of a percent."""

ONE_RUN = 0.01
"""The same where there is one re-run only, whose spread we do not know."""

ALL_TASKS = "all"
"""Stands for the mean over the tasks where a row otherwise has a task."""


def derive(tables: Tables, modes: Sequence[str]) -> Iterator[dict[str, object]]:
    """Rows of comparison.csv, from what `TABLES` names for it; accuracies as fractions.

    The paper's models come first, studied or not, then this study's others. A difference exists
    only where the model and all tasks, the control task included, are the paper's.

    Args:
        tables: by name.
        modes: those of the study, run or not.
    """
    for model in dict.fromkeys([*paper_models(), *studied_models(tables)]):
        yield from _rows(tables, model, modes)


def _rows(tables: Tables, model: str, modes: Sequence[str]) -> Iterator[dict[str, object]]:
    tasks = fine_tuned_tasks(tables, model)
    single_task = tables["single_task"]
    known = single_task[single_task.model == model].task.unique()
    others = [task for task in known if task not in tasks]
    comparable = len(others) == 1 and are_paper_tasks(tasks, others[0])
    if not tasks:
        tasks, others = paper_numbers()["tasks"], [paper_numbers()["control"]]
    measured = _measured(tables, model)
    for table, mode, task, quantity in _cells(tasks, others, modes):
        found = measured.get((table, mode, quantity), pd.DataFrame(dtype=float))
        values = _values(found, tasks, task)
        # The pre-trained model has no seed: equal values are one value, without a spread.
        varies = mode != "zero_shot" or values.nunique() > 1
        ours = values.mean()
        paper = paper_number(table, model, mode, quantity)
        low, high = rerun_range(table, model, mode, quantity, task) or (None, None)
        compared = comparable and model in paper_models() and not values.empty
        yield {
            "table": table, "model": model, "mode": mode, "task": task, "quantity": quantity,
            "paper": paper, "rerun_low": low, "rerun_high": high, "ours": ours,
            "spread": values.std(ddof=1) if varies else np.nan, "seeds": len(values),
            "difference": _difference(ours, paper, low, high) if compared else None,
            "within": _within(ours, low, high) if compared and low is not None else "",
        }  # fmt: skip


def _cells(
    tasks: list[str], others: list[str], modes: Sequence[str]
) -> Iterator[tuple[str, str, str, str]]:
    """Table, mode, task and quantity of every row of a model."""
    modes = ("zero_shot", *modes)
    for mode in modes:
        yield "addition", mode, ALL_TASKS, "absolute"
        if mode != "zero_shot":
            yield "addition", mode, ALL_TASKS, "normalized"
    for mode, quantity in itertools.product(modes, ("target", "control")):
        yield "negation", mode, ALL_TASKS, quantity
    for mode in modes:
        for task in (ALL_TASKS, *tasks, *(others if mode == "zero_shot" else ())):
            yield "single_task", mode, task, "accuracy"


def _measured(tables: Tables, model: str) -> dict[tuple[str, str, str], pd.DataFrame]:
    """Results by (table, mode, quantity): a row per seed, a column per task, or `ALL_TASKS`."""
    of_model = {name: tables[name][tables[name].model == model] for name in _INPUTS}
    test = of_model["single_task"].query("split == 'test'")
    added, negated = of_model["addition"].assign(task=ALL_TASKS), of_model["negation"]
    pretrained = negated.assign(mode="zero_shot")
    parts = (
        ("single_task", "accuracy", test, "accuracy"),
        ("addition", "absolute", test[test["mode"] == "zero_shot"], "accuracy"),
        ("addition", "absolute", added, "absolute"),
        ("addition", "normalized", added, "normalized"),
        *(("negation", what, negated, what) for what in ("target", "control")),
        *(("negation", what, pretrained, f"{what}_pretrained") for what in ("target", "control")),
    )
    return {
        (table, mode, quantity): rows.groupby(["seed", "task"])[column].mean().unstack("task")
        for table, quantity, of_table, column in parts
        for mode, rows in of_table.groupby("mode")
    }


def _values(found: pd.DataFrame, tasks: list[str], task: str) -> pd.Series:
    """One value per seed; a seed for which a task is missing has none."""
    wanted = tasks if task == ALL_TASKS and ALL_TASKS not in found else [task]
    if not set(wanted) <= set(found.columns):
        return pd.Series(dtype=float)
    return found[wanted].dropna().mean(axis=1)


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
