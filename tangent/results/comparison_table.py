"""The paper's own models in this study beside the paper's numbers and independent re-runs'."""

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
from tangent.results.studied import Tables, fine_tuned_tasks, studied_models

_INPUTS = TABLES["comparison"].tables

ROUNDING = 0.0005
"""Added to both ends of a range of re-runs: they are printed to a tenth of a percent."""

ONE_RUN = 0.01
"""The same where there is one re-run only, whose spread we do not know."""

ALL_TASKS = "all"
"""Stands for the mean over the tasks where a row otherwise has a task."""


_QUANTITIES = {
    "addition": ("absolute", "normalized"),
    "negation": ("target", "control"),
    "single_task": ("accuracy",),
}


def derive(tables: Tables, modes: Sequence[str]) -> Iterator[dict[str, object]]:
    """Rows of comparison.csv, from what `TABLES` names for it; accuracies as fractions.

    Modes are those of the study, run or not. The paper's models come first, studied or not, then
    this study's others. A difference exists only where the model and all tasks, the control task
    included, are the paper's.
    """
    for model in dict.fromkeys([*paper_models(), *studied_models(tables)]):
        yield from _rows(tables, model, modes)


def _rows(tables: Tables, model: str, modes: Sequence[str]) -> Iterator[dict[str, object]]:
    tasks = fine_tuned_tasks(tables, model)
    single_task = tables["single_task"]
    known = single_task[single_task.model == model].task.unique()
    others = [task for task in known if task not in tasks]
    comparable = model in paper_models() and len(others) == 1 and are_paper_tasks(tasks, others[0])
    if not tasks:
        tasks, others = paper_numbers()["tasks"], [paper_numbers()["control"]]
    measured = _measured(tables, model)
    for table, mode, task, quantity in _cells(tasks, others, modes):
        found = measured.get((table, mode, quantity), pd.DataFrame(dtype=float))
        # One value per seed; a seed for which a task is missing has none.
        wanted = tasks if task == ALL_TASKS and ALL_TASKS not in found else [task]
        values = found.reindex(columns=wanted).dropna().mean(axis=1)
        # The pre-trained model has no seed: equal values are one value, without a spread.
        varies = mode != "zero_shot" or values.nunique() > 1
        ours = values.mean()
        paper = paper_number(table, model, mode, quantity)
        low, high = rerun_range(table, model, mode, quantity, task) or (None, None)
        # Where the paper gives none, the one re-run there is.
        reference = low if paper is None and low == high else paper
        compared = comparable and not values.empty
        # Accuracies are ratios of integers: what lies on the border lies inside.
        margin = (ONE_RUN if low == high else ROUNDING) + 1e-9
        is_within = low is not None and low - margin <= ours <= high + margin
        yield {
            "table": table, "model": model, "mode": mode, "task": task, "quantity": quantity,
            "paper": paper, "rerun_low": low, "rerun_high": high, "ours": ours,
            "spread": values.std(ddof=1) if varies else np.nan, "seeds": len(values),
            "difference": ours - reference if compared and reference is not None else None,
            "within": ("yes" if is_within else "no") if compared and low is not None else "",
        }  # fmt: skip


def _cells(
    tasks: list[str], others: list[str], modes: Sequence[str]
) -> Iterator[tuple[str, str, str, str]]:
    """Table, mode, task and quantity of every row of a model."""
    for table, quantities in _QUANTITIES.items():
        for mode, quantity in itertools.product(("zero_shot", *modes), quantities):
            of_mode = (*tasks, *others) if mode == "zero_shot" else tasks
            if (mode, quantity) != ("zero_shot", "normalized"):
                for task in (ALL_TASKS, *(of_mode if table == "single_task" else ())):
                    yield table, mode, task, quantity


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
