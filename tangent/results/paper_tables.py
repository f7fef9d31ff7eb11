"""The paper's three tables (addition, negation, random initialisation) from the tidy ones."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pandas as pd

from tangent.arithmetic.modes import MODES
from tangent.config.schema import RANDOM_SUFFIX
from tangent.results.render import MISSING, Table, percent
from tangent.results.studied import fine_tuned_tasks, studied_models

INPUTS = ("single_task", "addition", "negation", "random_init")


def paper_tables(tables: dict[str, pd.DataFrame]) -> list[Table]:
    """Tables 1, 2 and 3 from the tidy tables named in `INPUTS`."""
    return [table1(tables), table2(tables), table3(tables)]


def table1(tables: dict[str, pd.DataFrame]) -> Table:
    """Task addition: mean test accuracy over the tasks after adding all task vectors."""
    addition = tables["addition"]
    models = studied_models(tables)
    columns = ("absolute", "normalized")
    rows = [("Pre-trained", [(_pretrained(tables, model), MISSING) for model in models])]
    rows += [
        (mode.label, [_percents(addition, model, mode.name, columns) for model in models])
        for mode in MODES.values()
    ]
    return Table(
        "table1",
        "Task addition: test accuracy in %, mean over the tasks, after adding all task vectors",
        "Mode",
        tuple((model, ("Absolute", "Normalised")) for model in models),
        _joined(rows),
        (
            "Normalised: divided, task by task, by the same mode's own single-task accuracy. "
            f"α chosen on validation data{_alphas(addition)}.",
            seeds_note(addition),
        ),
    )


def table2(tables: dict[str, pd.DataFrame]) -> Table:
    """Task negation: mean over the tasks of the target's and the control task's test accuracy."""
    negation = tables["negation"]
    models = studied_models(tables)
    columns = ["target", "control"]
    means = negation.groupby(["model", "mode", "seed"])[columns].mean().reset_index()
    control = negation.groupby(["model", "seed"]).control_pretrained.mean().droplevel("seed")
    rows = [
        (
            "Pre-trained",
            [
                (_pretrained(tables, model), percent(control[control.index == model].unique()))
                for model in models
            ],
        )
    ]
    rows += [
        (mode.label, [_percents(means, model, mode.name, columns) for model in models])
        for mode in MODES.values()
    ]
    shares = [f"{100 * value:g} %" for value in negation.control_threshold.unique()]
    threshold = ", ".join(shares) or "a given share"
    return Table(
        "table2",
        "Task negation: test accuracy in %, mean over the negated tasks",
        "Mode",
        tuple((model, ("Target", "Control")) for model in models),
        _joined(rows),
        (
            "The aim is a low target accuracy at an unharmed control accuracy. α chosen per task "
            "on validation data: lowest target accuracy that keeps at least "
            f"{threshold} of the pre-trained accuracy on the control task.{_kept(negation)}",
            seeds_note(negation),
        ),
    )


def table3(tables: dict[str, pd.DataFrame]) -> Table:
    """Pre-trained against random initialisation: single tasks and task addition."""
    random_init = tables["random_init"]
    models = list(random_init[random_init.initialization == "pretrained"].model.unique())
    models = models or studied_models(tables)
    columns = ("single_task", "absolute", "normalized")
    rows = []
    for initialization, suffix, label in (
        ("pretrained", "", "pre-trained"),
        ("random", RANDOM_SUFFIX, "random"),
    ):
        part = random_init[random_init.initialization == initialization]
        for mode in MODES.values():
            cells = [_percents(part, model + suffix, mode.name, columns) for model in models]
            rows.append((f"{mode.label}, {label}", cells))
    return Table(
        "table3",
        "Random initialisation: test accuracy in % of single tasks and of task addition",
        "Mode, initialisation",
        tuple((model, ("Single task", "Absolute", "Normalised")) for model in models),
        _joined(rows),
        _table3_notes(random_init),
    )


def _table3_notes(random_init: pd.DataFrame) -> tuple[str, ...]:
    if random_init.empty:
        return ("This study has no part from a random initialisation.",)
    number = int(random_init.tasks.max())
    tasks = f"{number} task" if number == 1 else f"{number} tasks"
    notes = [
        f"Means over the same {tasks} in all rows. Only the encoder starts at random; the "
        "head is the pre-trained model's."
    ]
    notes.append(
        "Normalised accuracy divides by the single tasks' accuracy: it says little where these "
        "were hardly learnt."
    )
    if random_init.absolute.isna().any():
        notes.append(
            f"–: the study from a random initialisation adds {tasks}, the pre-trained model "
            "another number, and such sums cannot be compared; table 1 has the pre-trained sum."
        )
    notes.append(seeds_note(random_init))
    return tuple(notes)


def pretrained_accuracy(single_task: pd.DataFrame, model: str, tasks: Sequence[str]) -> pd.Series:
    """Mean test accuracy before fine-tuning of `model` over `tasks`, one value per seed."""
    rows = single_task.query("model == @model and mode == 'zero_shot' and split == 'test'")
    return rows[rows.task.isin(list(tasks))].groupby("seed").accuracy.mean()


def _pretrained(tables: dict[str, pd.DataFrame], model: str) -> str:
    tasks = fine_tuned_tasks(tables, model)
    # The pre-trained model has no seed: equal values are one value, without a spread.
    return percent(pretrained_accuracy(tables["single_task"], model, tasks).unique())


def _percents(
    table: pd.DataFrame, model: str, mode: str, columns: Sequence[str]
) -> tuple[str, ...]:
    rows = table[(table.model == model) & (table["mode"] == mode)]
    return tuple(percent(rows[column]) for column in columns)


def _joined(
    rows: Sequence[tuple[str, Sequence[tuple[str, ...]]]],
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((label, tuple(itertools.chain.from_iterable(groups))) for label, groups in rows)


def _kept(negation: pd.DataFrame) -> str:
    """What the chosen α, which keep the threshold on validation data, keep on test data."""
    share = (negation.control / negation.control_pretrained).groupby(negation["mode"]).mean()
    kept = [f"{MODES[mode].label} {100 * share[mode]:.1f} %" for mode in MODES if mode in share]
    return f" On test data the control keeps on average {', '.join(kept)}." if kept else ""


def _alphas(addition: pd.DataFrame) -> str:
    several = addition.model.nunique() > 1
    texts = []
    for (model, mode), rows in addition.groupby(["model", "mode"], sort=False):
        values = ", ".join(f"{alpha:.2f}" for alpha in sorted(rows.alpha.unique()))
        label = MODES[mode].label
        texts.append(f"{model} {label} {values}" if several else f"{label} {values}")
    return ": " + "; ".join(texts) if texts else ""


def seeds_note(table: pd.DataFrame) -> str:
    """How many seeds a table has, and how their spread is written."""
    number = table.seed.nunique()
    if number == 0:
        return "Not run."
    return "1 seed." if number == 1 else f"{number} seeds: mean ± standard deviation."
