"""Tables of the report: ours beside other people's numbers, and per task."""

from __future__ import annotations

import pandas as pd

from tangent.modes import MODES
from tangent.results.paper_numbers import is_other_scale, paper_models, paper_numbers
from tangent.results.paper_tables import INPUTS, table1, table2
from tangent.results.render import MISSING, Table, percent

__all__ = ["INPUTS", "beside_paper", "headline", "later_work", "per_task", "single_task_means"]

_LABELS = {"zero_shot": "Zero-shot"} | {mode.name: mode.label for mode in MODES.values()}


def headline(tables: dict[str, pd.DataFrame]) -> Table:
    """Tables 1 and 2 and the mean single-task accuracy in one: a row per model and mode."""
    addition, negation = table1(tables), table2(tables)
    models = list(tables["addition"].model.unique())
    rows = []
    for i, model in enumerate(models):
        means = _mean_accuracy(tables["single_task"], model)
        for position, mode in enumerate(("zero_shot", *MODES)):
            label = "Pre-trained" if mode == "zero_shot" else MODES[mode].label
            cells = [cell[2 * i : 2 * i + 2] for cell in _row_cells((addition, negation), position)]
            # Nothing was added to the pre-trained model: its accuracy is shown once.
            single = means.get(mode, MISSING)
            added = (MISSING, MISSING) if mode == "zero_shot" else cells[0]
            name = label if len(models) == 1 else f"{model}, {label}"
            rows.append((name, (single, *added, *cells[1])))
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


def _row_cells(tables: tuple[Table, ...], position: int) -> list[tuple[str, ...]]:
    return [table.rows[position][1] for table in tables]


def _mean_accuracy(single_task: pd.DataFrame, model: str) -> dict[str, str]:
    test = single_task[(single_task.model == model) & (single_task.split == "test")]
    tasks = test[test["mode"] != "zero_shot"].task.unique()
    means = test[test.task.isin(tasks)].groupby(["mode", "seed"]).accuracy.mean()
    texts = {mode: percent(means[mode]) for mode in _LABELS}
    return texts | {"zero_shot": percent(means["zero_shot"].unique())}


def beside_paper(table: Table, kind: str, columns: tuple[str, str], form: str) -> Table:
    """Table 1 or 2 with the paper's numbers to its right, both columns of a model in one cell.

    Args:
        table: `table1` or `table2`; two columns per model.
        kind: `addition` or `negation`, a table of paper_numbers.yaml.
        columns: keys of the two columns there.
        form: how two numbers make a cell, as `{} ({})`.
    """
    models = tuple(title for title, _ in table.groups)
    rows = []
    for (label, cells), numbers in zip(table.rows, paper_numbers()[kind], strict=True):
        ours = zip(cells[::2], cells[1::2], strict=True)
        theirs = zip(*(_texts(numbers.get(column)) for column in columns), strict=True)
        rows.append((label, tuple(_joined(form, pair) for pair in (*ours, *theirs))))
    names = (name.lower() for name in table.groups[0][1])
    return Table(
        f"{table.name}-beside-paper",
        f"{table.caption}: {form.format(*names)}",
        table.stub,
        (("this study", models), (f"paper, recalled{_scale(models)}", tuple(paper_models()))),
        tuple(rows),
        table.notes,
    )


def _joined(form: str, pair: tuple[str, str]) -> str:
    return pair[0] if pair[1] == MISSING else form.format(*pair)


def _scale(models: tuple[str, ...]) -> str:
    return "; another scale" if any(map(is_other_scale, models)) else ""


def _texts(numbers: list[float | list[float]] | None) -> list[str]:
    if numbers is None:
        return [MISSING] * len(paper_models())
    return [
        f"{number[0]:.1f}–{number[1]:.1f}" if isinstance(number, list) else f"{number:.1f}"
        for number in numbers
    ]


def single_task_means(tables: dict[str, pd.DataFrame]) -> Table:
    """Mean single-task accuracy per mode, ours and an independent re-run's."""
    models = tuple(tables["addition"].model.unique())
    ours = [_mean_accuracy(tables["single_task"], model) for model in models]
    cited = {row["mode"]: _texts(row["accuracy"]) for row in paper_numbers()["single_task"]}
    none = _texts(None)
    return Table(
        "single-task-means",
        "Single tasks: test accuracy in %, mean over the tasks",
        "Mode",
        (
            ("this study", models),
            (f"re-run, cited{_scale(models)}", tuple(paper_models())),
        ),
        tuple(
            (label, (*(means[mode] for means in ours), *cited.get(mode, none)))
            for mode, label in _LABELS.items()
        ),
    )


def later_work() -> Table:
    """Addition by re-runs and later methods on the paper's protocol."""
    rows = []
    for row in paper_numbers()["later_addition"]:
        pairs = zip(_texts(row["absolute"]), _texts(row["normalized"]), strict=True)
        rows.append((row["label"], tuple(text for pair in pairs for text in pair)))
    return Table(
        "later-work",
        "Task addition elsewhere: test accuracy in %, mean over the paper's eight tasks (cited)",
        "Method",
        tuple((model, ("Absolute", "Normalised")) for model in paper_models()),
        tuple(rows),
    )


def per_task(tables: dict[str, pd.DataFrame], model: str) -> Table:
    """Every task of one model: single-task, addition and negation accuracy per mode."""
    test = tables["single_task"].query("model == @model and split == 'test'")
    added = tables["addition_tasks"].query("model == @model")
    negated = tables["negation"].query("model == @model")
    rows = []
    for task in negated.task.unique():
        one = test[test.task == task]
        cells = [percent(one[one["mode"] == "zero_shot"].accuracy.unique())]
        cells += [percent(one[one["mode"] == mode].accuracy) for mode in MODES]
        for table, column in ((added, "accuracy"), (negated, "target")):
            of_task = table[table.task == task]
            cells += [percent(of_task[of_task["mode"] == mode][column]) for mode in MODES]
        rows.append((task, tuple(cells)))
    modes = tuple(mode.label for mode in MODES.values())
    return Table(
        "per-task",
        f"{model}, every task: test accuracy in %",
        "Task",
        (
            ("Single task", ("Zero-shot", *modes)),
            ("After addition of all τ", modes),
            ("After negation of its τ", modes),
        ),
        tuple(rows),
    )
