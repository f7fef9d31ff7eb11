"""The paper's three tables (addition, negation, random initialisation) from the tidy ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tangent.config.schema import RANDOM_SUFFIX
from tangent.results.render import MISSING, Table, percent
from tangent.results.studied import fine_tuned_tasks, modes_in, studied_models

# Planning reads the registry and does without pandas.
if TYPE_CHECKING:
    import pandas as pd

Tables = dict[str, "pd.DataFrame"]


def mode_rows(tables: Tables) -> dict[str, str]:
    """Labels of the rows of tables 1 and 2 -> what `mode` is in the tidy tables."""
    return {"Pre-trained": "zero_shot"} | {mode: mode for mode in modes_in(tables["single_task"])}


@dataclass(frozen=True)
class PaperTable:
    """One of the paper's tables, a group of columns per model.

    Attributes:
        caption: what it shows, with units.
        inputs: the tidy tables that it is made from.
        stub: header of the column of row labels.
        columns: titles of a model's columns.
        rows: tidy tables -> label of each row -> what `cells` is told of it.
        cells: (tidy tables, model, row) -> a text per column.
        notes: tidy tables -> sentences below the table.
        models: tidy tables -> the models that have columns.
    """

    caption: str
    inputs: tuple[str, ...]
    stub: str
    columns: tuple[str, ...]
    rows: Callable[[Tables], Mapping[str, str | tuple[str, str]]]
    cells: Callable[..., tuple[str, ...]]
    notes: Callable[[Tables], tuple[str, ...]]
    models: Callable[[Tables], list[str]] = studied_models


def paper_table(name: str, tables: Tables) -> Table:
    """Table `name` of `PAPER_TABLES` from the tidy tables that it names as inputs."""
    entry = PAPER_TABLES[name]
    models = entry.models(tables)
    rows = [
        (label, tuple(cell for model in models for cell in entry.cells(tables, model, row)))
        for label, row in entry.rows(tables).items()
    ]
    return Table(
        name,
        entry.caption,
        entry.stub,
        tuple((model, entry.columns) for model in models),
        tuple(rows),
        entry.notes(tables),
    )


def _addition(tables: Tables, model: str, mode: str) -> tuple[str, ...]:
    if mode == "zero_shot":
        return _pretrained(tables, model), MISSING
    return _percents(tables["addition"], model, mode, ("absolute", "normalized"))


def _addition_notes(tables: Tables) -> tuple[str, ...]:
    addition = tables["addition"]
    return (
        "Normalised: divided, task by task, by the same mode's own single-task accuracy. "
        f"α chosen on validation data{_alphas(addition)}.",
        seeds_note(addition),
    )


def _negation(tables: Tables, model: str, mode: str) -> tuple[str, ...]:
    rows = tables["negation"]
    rows = rows[rows.model == model]
    if mode == "zero_shot":
        control = rows.groupby("seed").control_pretrained.mean()
        return _pretrained(tables, model), percent(control.unique())
    columns = ["target", "control"]
    means = rows.groupby(["model", "mode", "seed"])[columns].mean().reset_index()
    return _percents(means, model, mode, columns)


def _negation_notes(tables: Tables) -> tuple[str, ...]:
    negation = tables["negation"]
    shares = [f"{100 * value:g} %" for value in negation.control_threshold.unique()]
    return (
        "The aim is a low target accuracy at an unharmed control accuracy. α chosen per task on "
        "validation data: lowest target accuracy that keeps at least "
        f"{', '.join(shares) or 'a given share'} of the pre-trained accuracy on the control task."
        f"{_kept(negation)}",
        seeds_note(negation),
    )


def _random_init(tables: Tables, model: str, row: tuple[str, str]) -> tuple[str, ...]:
    mode, initialization = row
    rows = tables["random_init"]
    rows = rows[rows.initialization == initialization]
    name = model + (RANDOM_SUFFIX if initialization == "random" else "")
    return _percents(rows, name, mode, ("single_task", "absolute", "normalized"))


def _random_init_models(tables: Tables) -> list[str]:
    rows = tables["random_init"]
    models = list(rows[rows.initialization == "pretrained"].model.unique())
    return models or studied_models(tables)


def _random_init_notes(tables: Tables) -> tuple[str, ...]:
    random_init = tables["random_init"]
    if random_init.empty:
        return ("This study has no part from a random initialisation.",)
    number = int(random_init.tasks.max())
    tasks = f"{number} task" if number == 1 else f"{number} tasks"
    notes = [
        f"Means over the same {tasks} in all rows. Only the encoder starts at random; the "
        "head is the pre-trained model's.",
        "Normalised accuracy divides by the single tasks' accuracy: it says little where these "
        "were hardly learnt.",
    ]
    if random_init.absolute.isna().any():
        notes.append(
            f"–: the study from a random initialisation adds {tasks}, the pre-trained model "
            "another number, and such sums cannot be compared; table 1 has the pre-trained sum."
        )
    return (*notes, seeds_note(random_init))


PAPER_TABLES = {
    "table1": PaperTable(
        "Task addition: test accuracy in %, mean over the tasks, after adding all task vectors",
        inputs=("single_task", "addition"),
        stub="Mode",
        columns=("Absolute", "Normalised"),
        rows=mode_rows,
        cells=_addition,
        notes=_addition_notes,
    ),
    "table2": PaperTable(
        "Task negation: test accuracy in %, mean over the negated tasks",
        inputs=("single_task", "negation"),
        stub="Mode",
        columns=("Target", "Control"),
        rows=mode_rows,
        cells=_negation,
        notes=_negation_notes,
    ),
    "table3": PaperTable(
        "Random initialisation: test accuracy in % of single tasks and of task addition",
        inputs=("single_task", "random_init"),
        stub="Mode, initialisation",
        columns=("Single task", "Absolute", "Normalised"),
        rows=lambda tables: {
            f"{mode}, {label}": (mode, initialization)
            for initialization, label in (("pretrained", "pre-trained"), ("random", "random"))
            for mode in modes_in(tables["single_task"])
        },
        cells=_random_init,
        notes=_random_init_notes,
        models=_random_init_models,
    ),
}


def _pretrained(tables: Tables, model: str) -> str:
    """Mean test accuracy before fine-tuning, over the tasks that are fine-tuned."""
    rows = tables["single_task"].query(
        "model == @model and mode == 'zero_shot' and split == 'test'"
    )
    rows = rows[rows.task.isin(fine_tuned_tasks(tables, model))]
    # The pre-trained model has no seed: equal values are one value, without a spread.
    return percent(rows.groupby("seed").accuracy.mean().unique())


def _percents(
    table: pd.DataFrame, model: str, mode: str, columns: Sequence[str]
) -> tuple[str, ...]:
    rows = table[(table.model == model) & (table["mode"] == mode)]
    return tuple(percent(rows[column]) for column in columns)


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
