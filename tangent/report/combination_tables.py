"""Tables of the report that go beyond the paper: an α per task, and analogies."""

from __future__ import annotations

import pandas as pd

from tangent.arithmetic.modes import MODES
from tangent.results.paper_tables import seeds_note
from tangent.results.render import Table, percent


def beyond_paper(tables: dict[str, pd.DataFrame]) -> list[Table]:
    """The tables of a study that combines task vectors in other ways too."""
    found = [per_task_alpha(tables["per_task_alpha"])]
    if not tables["analogies"].empty:
        found.append(analogies(tables["analogies"]))
    return found


def per_task_alpha(table: pd.DataFrame) -> Table:
    """One α for all task vectors beside an α for each: means over the tasks, and every task's α."""
    tasks = list(table.task.unique())
    columns = ["shared_alpha", "shared_accuracy", "shared_normalized", "accuracy", "normalized"]
    means = table.groupby(["model", "mode", "seed"])[columns].mean()
    rows = []
    for label, place in _places(table):
        of = means.loc[place]
        one = table[(table.model == place[0]) & (table["mode"] == place[1])]
        rows.append(
            (
                label,
                (
                    _coefficient(of.shared_alpha),
                    *(percent(of[name]) for name in columns[1:]),
                    *(_coefficient(one[one.task == task].alpha) for task in tasks),
                ),
            )
        )
    return Table(
        "per-task-alpha",
        "Beyond the paper: task addition with an α per task, test accuracy in %, mean over the "
        "tasks",
        "Mode",
        (
            ("One shared α", ("α", "Absolute", "Normalised")),
            ("An α per task", ("Absolute", "Normalised")),
            ("α of the task vector of", tuple(tasks)),
        ),
        tuple(rows),
        (
            "The α per task are found by coordinate ascent on validation data: from the shared α "
            "on, one at a time goes to its best value on the grid, until none improves the mean "
            "normalised accuracy.",
            _seeds(table),
        ),
    )


def analogies(table: pd.DataFrame) -> Table:
    """Accuracy on d of τ_c + τ_b − τ_a, beside what is known without d's own vector and with it."""
    rows: list[tuple[str, tuple[str, ...]]] = []
    for label, (model, mode) in _places(table):
        rows.append((label, ()))
        here = table[(table.model == model) & (table["mode"] == mode)]
        for (a, b, c, d), of in here.groupby(list("abcd"), sort=False):
            cells = (
                percent(of.zero_shot.unique()), percent(of.baseline_accuracy),
                percent(of.accuracy), _coefficient(of.alpha), percent(of.single_task),
            )  # fmt: skip
            rows.append((f"{a} is to {b} as {c} is to {d}", cells))
    return Table(
        "analogies",
        "Beyond the paper: task analogies, “a is to b as c is to d”, test accuracy on d in %",
        "Analogy",
        (
            ("Without fine-tuning on d", ("Pre-trained", "τ_c", "τ_c + τ_b − τ_a", "its α")),
            ("With it", ("τ_d",)),
        ),
        tuple(rows),
        (
            "α of τ_c and of the analogy chosen on d's validation data; τ_d: the single-task "
            "model.",
            _seeds(table),
        ),
    )


def _places(table: pd.DataFrame) -> list[tuple[str, tuple[str, str]]]:
    """Label, and model and mode, of each pair of them."""
    models = list(table.model.unique())
    return [
        (f"{model}: {mode}" if len(models) > 1 else mode, (model, mode))
        for model in models
        for mode in MODES
        if ((table.model == model) & (table["mode"] == mode)).any()
    ]


def _seeds(table: pd.DataFrame) -> str:
    note = seeds_note(table)
    return note if table.seed.nunique() < 2 else f"{note} α: lowest to highest of the seeds."


def _coefficient(values: pd.Series) -> str:
    """Coefficients, one per seed: their range."""
    low, high = f"{values.min():.2f}", f"{values.max():.2f}"
    return low if low == high else f"{low}–{high}"
