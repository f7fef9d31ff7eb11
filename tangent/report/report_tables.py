"""Tables of the report that show this study alone: the headline, and every task."""

from __future__ import annotations

import pandas as pd

from tangent.results.paper_tables import mode_rows, paper_table
from tangent.results.render import MISSING, Table, percent
from tangent.results.studied import fine_tuned_tasks, modes_in, studied_models


def headline(tables: dict[str, pd.DataFrame]) -> Table:
    """Tables 1 and 2 and the mean single-task accuracy in one: a row per model and mode."""
    addition, negation = (paper_table(name, tables) for name in ("table1", "table2"))
    models = studied_models(tables)
    rows: list[tuple[str, tuple[str, ...]]] = []
    for i, model in enumerate(models):
        if len(models) > 1:
            rows.append((model, ()))
        means = _mean_accuracy(tables, model)
        for label, mode in mode_rows(tables).items():
            cells = [dict(table.rows)[label][2 * i : 2 * i + 2] for table in (addition, negation)]
            # Nothing was added to the pre-trained model: its accuracy is shown once.
            single = means.get(mode, MISSING)
            added = (MISSING, MISSING) if mode == "zero_shot" else cells[0]
            rows.append((label, (single, *added, *cells[1])))
    return Table(
        "headline",
        "Test accuracy in %, means over the tasks",
        "Mode",
        (
            ("Single task", ("accuracy",)),
            ("Addition", ("absolute", "normalised")),
            ("Negation", ("target ↓", "control")),
        ),
        tuple(rows),
    )


def _mean_accuracy(tables: dict[str, pd.DataFrame], model: str) -> dict[str, str]:
    test = tables["single_task"].query("model == @model and split == 'test'")
    test = test[test.task.isin(fine_tuned_tasks(tables, model))]
    means = test.groupby(["mode", "seed"]).accuracy.mean().reset_index("seed", drop=True)
    texts = {mode: percent(means[means.index == mode]) for mode in means.index.unique()}
    # The pre-trained model has no seed: equal values are one value, without a spread.
    return texts | {"zero_shot": percent(means[means.index == "zero_shot"].unique())}


def per_task(tables: dict[str, pd.DataFrame], model: str) -> Table:
    """Every task of one model: single-task, addition and negation accuracy per mode."""
    test = tables["single_task"].query("model == @model and split == 'test'")
    added = tables["addition_tasks"].query("model == @model")
    negated = tables["negation"].query("model == @model")
    modes = modes_in(test)
    rows = []
    for task in fine_tuned_tasks(tables, model):
        one = test[test.task == task]
        cells = [percent(one[one["mode"] == "zero_shot"].accuracy.unique())]
        cells += [percent(one[one["mode"] == mode].accuracy) for mode in modes]
        for table, column in ((added, "accuracy"), (negated, "target")):
            of_task = table[table.task == task]
            cells += [percent(of_task[of_task["mode"] == mode][column]) for mode in modes]
        rows.append((task, tuple(cells)))
    return Table(
        f"{model}-per-task",
        f"{model}, every task: test accuracy in %",
        "Task",
        (
            ("Single task", tuple(mode_rows(tables))),
            ("After addition of all τ", tuple(modes)),
            ("After negation of its τ", tuple(modes)),
        ),
        tuple(rows),
    )
