"""What a study's tables hold: a study may have run only some models, modes, tasks or artefacts."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from tangent.config.schema import RANDOM_SUFFIX


def studied_models(
    tables: dict[str, pd.DataFrame], names: Sequence[str] = ("single_task", "addition", "negation")
) -> list[str]:
    """The models of which these tables hold results, without those of random weights."""
    models = dict.fromkeys(model for name in names for model in tables[name].model)
    return [model for model in models if not model.endswith(RANDOM_SUFFIX)]


def fine_tuned_tasks(tables: dict[str, pd.DataFrame], model: str) -> list[str]:
    """The tasks of which `model` has single-task accuracies: not the control task."""
    single_task = tables["single_task"]
    rows = single_task[(single_task.model == model) & (single_task["mode"] != "zero_shot")]
    return list(rows.task.unique())
