"""Models, modes and tasks that a study's tables hold: it may have run only some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tangent.arithmetic.modes import MODES
from tangent.config.schema import RANDOM_SUFFIX

if TYPE_CHECKING:
    import pandas as pd


def studied_models(
    tables: dict[str, pd.DataFrame], names: Sequence[str] = ("single_task", "addition", "negation")
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


def fine_tuned_tasks(tables: dict[str, pd.DataFrame], model: str) -> list[str]:
    """The tasks of which `model` has single-task accuracies: not the control task."""
    single_task = tables["single_task"]
    rows = single_task[(single_task.model == model) & (single_task["mode"] != "zero_shot")]
    return list(rows.task.unique())
