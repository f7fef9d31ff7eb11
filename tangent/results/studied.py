"""Models, modes and tasks that a study's tables hold: it may have run only some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tangent.arithmetic.modes import MODES
from tangent.config.schema import RANDOM_SUFFIX

if TYPE_CHECKING:
    import pandas as pd

Tables = dict[str, "pd.DataFrame"]
"""Tidy tables by name."""


def studied_models(
    tables: Tables, names: Sequence[str] = ("single_task", "addition", "negation")
) -> list[str]:
    """The models of which these of the tables hold results, without those of random weights."""
    given = [tables[name] for name in names if name in tables]
    models = dict.fromkeys(model for table in given for model in table.model)
    return [model for model in models if not model.endswith(RANDOM_SUFFIX)]


def modes_in(table: pd.DataFrame) -> list[str]:
    """The modes that a tidy table has rows of, in their usual order."""
    found = set(table["mode"])
    return [mode for mode in MODES if mode in found]


def mode_label(mode: str) -> str:
    """What tables write for what `mode` is in the tidy tables."""
    return "Pre-trained" if mode == "zero_shot" else mode


def fine_tuned_tasks(tables: Tables, model: str) -> list[str]:
    """The tasks of which `model` has single-task accuracies: not the control task."""
    rows = tables["single_task"].query("model == @model and mode != 'zero_shot'")
    return list(rows.task.unique())


def task_means(tables: Tables, model: str, mode: str) -> pd.Series:
    """Mean test accuracy over the tasks on which `model` is fine-tuned, by seed."""
    rows = tables["single_task"].query("model == @model and mode == @mode and split == 'test'")
    rows = rows[rows.task.isin(fine_tuned_tasks(tables, model))]
    return rows.groupby("seed").accuracy.mean()
