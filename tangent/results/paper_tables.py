"""The paper's three tables (addition, negation, random initialisation) from the tidy ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from tangent.config.schema import RANDOM_SUFFIX
from tangent.results.render import MISSING, Row, Table, percent
from tangent.results.studied import Tables, mode_label, modes_in, studied_models, task_means

# Planning reads the registry and does without pandas.
if TYPE_CHECKING:
    import pandas as pd


def mode_rows(tables: Tables) -> dict[str, str]:
    """Labels of the rows of tables 1 and 2 -> what `mode` is in the tidy tables."""
    return {mode_label(mode): mode for mode in ("zero_shot", *modes_in(tables["single_task"]))}


def percents(table: pd.DataFrame, columns: Sequence[str], **where: str) -> list[str]:
    """`percent` of each of these columns, in the rows that have these values in others."""
    for name, value in where.items():
        table = table[table[name] == value]
    return [percent(table[column]) for column in columns]


class PaperTable(NamedTuple):
    """One of the paper's tables: the tidy tables that it is made from, and how."""

    inputs: tuple[str, ...]
    make: Callable[[Tables], Table]


def paper_table(name: str, tables: Tables) -> Table:
    """Table `name` of `PAPER_TABLES` from the tidy tables that it names as inputs."""
    inputs, make = PAPER_TABLES[name]
    return replace(make(tables), sources=inputs)


def _addition(tables: Tables) -> Table:
    addition = tables["addition"]

    def cells(model: str, mode: str) -> Sequence[str]:
        if mode == "zero_shot":
            return _pretrained(tables, model), MISSING
        return percents(addition, ("absolute", "normalized"), model=model, mode=mode)

    return Table(
        "table1",
        "Task addition: test accuracy in %, mean over the tasks, after adding all task vectors",
        "Mode",
        *per_model(studied_models(tables), ("Absolute", "Normalised"), mode_rows(tables), cells),
        (
            "Normalised: divided, task by task, by the same mode's own single-task accuracy. "
            f"α chosen on validation data{_alphas(addition)}.",
            seeds_note(addition),
        ),
    )


def _negation(tables: Tables) -> Table:
    negation = tables["negation"]

    def cells(model: str, mode: str) -> Sequence[str]:
        rows = negation[negation.model == model]
        if mode == "zero_shot":
            control = rows.groupby("seed").control_pretrained.mean()
            return _pretrained(tables, model), percent(control.unique())
        columns = ["target", "control"]
        means = rows.groupby(["model", "mode", "seed"])[columns].mean().reset_index()
        return percents(means, columns, mode=mode)

    shares = [f"{100 * value:g} %" for value in negation.control_threshold.unique()]
    return Table(
        "table2",
        "Task negation: test accuracy in %, mean over the negated tasks",
        "Mode",
        *per_model(studied_models(tables), ("Target", "Control"), mode_rows(tables), cells),
        (
            "The aim is a low target accuracy at an unharmed control accuracy. α chosen per task "
            "on validation data: lowest target accuracy that keeps at least "
            f"{', '.join(shares) or 'a given share'} of the pre-trained accuracy on the control "
            f"task.{_kept(negation)}",
            seeds_note(negation),
        ),
    )


def _random_init(tables: Tables) -> Table:
    table = tables["random_init"]
    rows = {
        f"{mode}, {label}": (mode, suffix)
        for label, suffix in (("pre-trained", ""), ("random", RANDOM_SUFFIX))
        for mode in modes_in(tables["single_task"])
    }
    names = {"single_task": "Single task", "absolute": "Absolute", "normalized": "Normalised"}

    def cells(model: str, row: tuple[str, str]) -> Sequence[str]:
        mode, suffix = row
        return percents(table, names, model=model + suffix, mode=mode)

    models = list(table[table.initialization == "pretrained"].model.unique())
    notes = ["This study has no part from a random initialisation."]
    if not table.empty:
        number = int(table.tasks.max())
        tasks = f"{number} task" if number == 1 else f"{number} tasks"
        notes = [
            f"Means over the same {tasks} in all rows. Only the encoder starts at random; the "
            "head is the pre-trained model's.",
            "Normalised accuracy divides by the single tasks' accuracy: it says little where these "
            "were hardly learnt.",
        ]
        if table.absolute.isna().any():
            notes.append(
                f"–: the study from a random initialisation adds {tasks}, the pre-trained model "
                "another number, and such sums cannot be compared; table 1 has the pre-trained sum."
            )
        notes.append(seeds_note(table))
    return Table(
        "table3",
        "Random initialisation: test accuracy in % of single tasks and of task addition",
        "Mode, initialisation",
        *per_model(models or studied_models(tables), list(names.values()), rows, cells),
        tuple(notes),
    )


PAPER_TABLES = {
    "table1": PaperTable(("single_task", "addition"), _addition),
    "table2": PaperTable(("single_task", "negation"), _negation),
    "table3": PaperTable(("single_task", "random_init"), _random_init),
}


def per_model(
    models: Sequence[str],
    columns: Sequence[str],
    rows: Mapping[str, Any],
    cells: Callable[[str, Any], Sequence[str]],
) -> tuple[list[tuple[str, Sequence[str]]], list[Row]]:
    """Groups and rows: of each model the same columns, and in a row what `cells` says of both."""
    groups = [(model, columns) for model in models]
    return groups, [
        (label, [cell for model in models for cell in cells(model, row)])
        for label, row in rows.items()
    ]


def _pretrained(tables: Tables, model: str) -> str:
    # The pre-trained model has no seed: equal values are one value, without a spread.
    return percent(task_means(tables, model, "zero_shot").unique())


def _kept(negation: pd.DataFrame) -> str:
    """What the chosen α, which keep the threshold on validation data, keep on test data."""
    share = (negation.control / negation.control_pretrained).groupby(negation["mode"]).mean()
    kept = [f"{mode} {100 * share[mode]:.1f} %" for mode in modes_in(negation)]
    return f" On test data the control keeps on average {', '.join(kept)}." if kept else ""


def _alphas(addition: pd.DataFrame) -> str:
    several = addition.model.nunique() > 1
    texts = []
    for (model, mode), rows in addition.groupby(["model", "mode"], sort=False):
        values = ", ".join(f"{alpha:.2f}" for alpha in sorted(rows.alpha.unique()))
        texts.append(f"{model} {mode} {values}" if several else f"{mode} {values}")
    return ": " + "; ".join(texts) if texts else ""


def seeds_note(table: pd.DataFrame) -> str:
    """How many seeds a table has, and how their spread is written."""
    number = table.seed.nunique()
    if number == 0:
        return "Not run."
    return "1 seed." if number == 1 else f"{number} seeds: mean ± standard deviation."
