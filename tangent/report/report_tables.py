"""Tables of the report that show this study alone: its numbers, other sums, learning rates."""

import pandas as pd

from tangent.results.paper_tables import mode_rows, paper_table, per_model, percents, seeds_note
from tangent.results.render import MISSING, Row, Table, percent
from tangent.results.studied import Tables, fine_tuned_tasks, modes_in, studied_models, task_means
from tangent.training.learning_rates import MEAN

_MEANS = ("absolute", "normalized")


def headline(tables: Tables) -> Table:
    """Tables 1 and 2 and the mean single-task accuracy in one: a row per model and mode."""
    addition, negation = (dict(paper_table(name, tables).rows) for name in ("table1", "table2"))
    models = studied_models(tables)
    rows: list[Row] = []
    for i, model in enumerate(models):
        if len(models) > 1:
            rows.append((model, ()))
        for label, mode in mode_rows(tables).items():
            added, negated = (cells[label][2 * i : 2 * i + 2] for cells in (addition, negation))
            single = task_means(tables, model, mode)
            if mode == "zero_shot":
                # Nothing was added to the pre-trained model: its accuracy is shown once. It has no
                # seed: equal values are one value, without a spread.
                single, added = single.unique(), (MISSING, MISSING)
            rows.append((label, (percent(single), *added, *negated)))
    return Table(
        "headline",
        "Test accuracy in %, means over the tasks",
        "Mode",
        (
            ("Single task", ("accuracy",)),
            ("Addition", ("absolute", "normalised")),
            ("Negation", ("target ↓", "control")),
        ),
        rows,
        sources=("single_task", "addition", "negation"),
    )


def per_task(tables: Tables, model: str) -> Table:
    """Every task of one model: single-task, addition and negation accuracy per mode."""
    test = tables["single_task"].query("model == @model and split == 'test'")
    added = tables["addition_tasks"].query("model == @model")
    negated = tables["negation"].query("model == @model")
    modes = modes_in(tables["single_task"])
    rows = []
    for task in fine_tuned_tasks(tables, model):
        before = test[(test.task == task) & (test["mode"] == "zero_shot")]
        cells = [percent(before.accuracy.unique())]
        for table, column in ((test, "accuracy"), (added, "accuracy"), (negated, "target")):
            cells += [percents(table, [column], task=task, mode=mode)[0] for mode in modes]
        rows.append((task, cells))
    return Table(
        f"{model}-per-task",
        f"{model}, every task: test accuracy in %",
        "Task",
        (
            ("Single task", tuple(mode_rows(tables))),
            ("After addition of all τ", tuple(modes)),
            ("After negation of its τ", tuple(modes)),
        ),
        rows,
        sources=("single_task", "addition_tasks", "negation"),
    )


def sweep(table: pd.DataFrame, model: str) -> Table:
    """What the α searches of one model saw: a row per α, means over tasks and seeds.

    The report's slider shows one row of it at a time, and that point of the figure's curves.
    """
    rows = table[table.model == model]
    modes, is_target = modes_in(rows), rows.task == rows.target
    added = rows.operation == "addition"
    shown = {
        "Addition, normalised": (rows[added], "normalized"),
        "Negation, target": (rows[~added & is_target], "accuracy"),
        "Negation, control (of pre-trained)": (rows[~added & ~is_target], "normalized"),
    }
    means = [
        of.groupby(["alpha", "mode"])[column].mean().unstack("mode")[modes]
        for of, column in shown.values()
    ]
    return Table(
        f"{model}-sweep",
        f"{model}, by α: validation accuracy in %, means over tasks and seeds",
        "α",
        [(title, modes) for title in shown],
        [(f"{alpha:g}", [percent([value]) for of in means for value in of.loc[alpha]])
         for alpha in means[0].index],
        sources=("alpha_sweep",),
    )  # fmt: skip


def beyond_paper(tables: Tables) -> list[Table]:
    """The tables of a study that merges or combines task vectors in other ways too."""
    found = []
    if "merging" in tables:
        of_models = tables["merging"].groupby("model", sort=False)
        found += [merging_methods(model, rows) for model, rows in of_models]
    if "per_task_alpha" in tables:
        found.append(per_task_alpha(tables["per_task_alpha"]))
        found += [] if tables["analogies"].empty else [analogies(tables["analogies"])]
    return found


def merging_methods(model: str, table: pd.DataFrame) -> Table:
    """A model's test accuracies by every way of merging, each at the α that validation chose."""
    methods = {method: method for method in table.merging.unique()}
    return Table(
        f"{model}-merging",
        f"{model}, ways of merging the task vectors: test accuracy in %, means over the tasks",
        "Method",
        *per_model(
            modes_in(table), ("absolute", "normalised"), methods,
            lambda mode, method: percents(table, _MEANS, merging=method, mode=mode),
        ),
        sources=("merging",),
    )  # fmt: skip


def per_task_alpha(table: pd.DataFrame) -> Table:
    """One α for all task vectors beside an α for each: means over the tasks, and every task's α."""
    tasks = list(table.task.unique())
    columns = ["shared_accuracy", "shared_normalized", "accuracy", "normalized"]
    rows = []
    for label, here in _places(table):
        means = here.groupby("seed")[["shared_alpha", *columns]].mean()
        cells = [_coefficient(means.shared_alpha), *percents(means, columns)]
        cells += [_coefficient(here[here.task == task].alpha) for task in tasks]
        rows.append((label, cells))
    return Table(
        "per-task-alpha",
        "Beyond the paper: task addition with an α per task, test accuracy in %, mean over the "
        "tasks",
        "Mode",
        (
            ("One shared α", ("α", "Absolute", "Normalised")),
            ("An α per task", ("Absolute", "Normalised")),
            ("α of the task vector of", tasks),
        ),
        rows,
        (
            "The α per task are found by coordinate ascent on validation data: from the shared α "
            "on, one at a time goes to its best value on the grid, until none improves the mean "
            "normalised accuracy.",
            _seeds(table),
        ),
        ("per_task_alpha",),
    )


def analogies(table: pd.DataFrame) -> Table:
    """Accuracy on d of τ_c + τ_b − τ_a, beside what is known without d's own vector and with it."""
    rows: list[Row] = []
    for label, here in _places(table):
        rows.append((label, ()))
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
        rows,
        (
            "α of τ_c and of the analogy chosen on d's validation data; τ_d: the single-task "
            "model.",
            _seeds(table),
        ),
        ("analogies",),
    )


def _places(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Label and rows of each model and mode."""
    groups = dict(list(table.groupby(["model", "mode"])))
    models = list(table.model.unique())
    return [
        (f"{model}: {mode}" if len(models) > 1 else mode, groups[model, mode])
        for model in models
        for mode in modes_in(table)
        if (model, mode) in groups
    ]


def _seeds(table: pd.DataFrame) -> str:
    note = seeds_note(table)
    return note if table.seed.nunique() < 2 else f"{note} α: lowest to highest of the seeds."


def _coefficient(values: pd.Series) -> str:
    """Coefficients, one per seed: their range."""
    low, high = f"{values.min():.2f}", f"{values.max():.2f}"
    return low if low == high else f"{low}–{high}"


def learning_rates(table: pd.DataFrame) -> list[Table]:
    """A table per model and training: accuracy of every task at every rate, and what they say."""
    return [
        Table(
            f"{model}-{training}-learning-rates",
            f"{model}, {training} training: single-task validation accuracy in % by learning rate",
            "Learning rate",
            (("Task", list(of_search.task.unique())),),
            [
                (f"{rate:g}{' (chosen)' if of_rate.chosen.all() else ''}",
                 [percent([accuracy]) for accuracy in of_rate.accuracy])
                for rate, of_rate in of_search.groupby("rate")
            ],
            (choice_of_rate(of_search),),
            ("learning_rates",),
        )
        for (model, training), of_search in table.groupby(["model", "training"], sort=False)
    ]  # fmt: skip


def choice_of_rate(rows: pd.DataFrame) -> str:
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
