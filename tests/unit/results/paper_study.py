"""Random tidy tables of a study of the paper's models; no result of anything."""

from __future__ import annotations

import random

import numpy as np
import pandas as pd

from tangent.evaluation.outcomes import encode
from tangent.results.columns import TABLES

MODELS = ("ViT-B-32", "ViT-B-16", "ViT-L-14")
TASKS = ("cars", "dtd", "eurosat", "gtsrb", "mnist", "resisc45", "sun397", "svhn")
CONTROL = "imagenet"
MODES = ("standard", "posthoc", "linear")
NAMES = ("single_task", "addition", "addition_tasks", "negation", "random_init", "outcomes")
QUANTITIES = ("single_task", "addition", "target", "control")
IMAGES = 100


def tables(models=MODELS, tasks=TASKS, control=CONTROL, seeds=(0, 1, 2)) -> dict[str, pd.DataFrame]:
    """Fresh random tables; the zero-shot accuracies are the same for every seed."""
    rows: dict[str, list[dict[str, object]]] = {name: [] for name in NAMES}
    for model in models:
        zero_shot = {task: random.random() for task in (*tasks, control)}
        for seed in seeds:
            row = {"model": model, "seed": seed}
            for split in ("validation", "test"):
                shift = 0.0 if split == "test" else 0.3
                rows["single_task"] += [
                    row | {"mode": "zero_shot", "task": task, "split": split}
                    | {"accuracy": accuracy + shift, "n": 100}
                    for task, accuracy in zero_shot.items()
                ]  # fmt: skip
                rows["single_task"] += [
                    row | {"mode": mode, "task": task, "split": split}
                    | {"accuracy": random.random() + shift, "n": 100, "classes": 10}
                    for mode in MODES for task in tasks
                ]  # fmt: skip
            for mode in MODES:
                added = []
                for quantity in QUANTITIES:
                    for task in tasks:
                        correct = np.random.default_rng().random(IMAGES) < random.random()
                        correct[0] = True  # nothing is divided by an accuracy of 0
                        added += [correct.mean()] if quantity == "addition" else []
                        rows["outcomes"].append(
                            row | {"mode": mode, "quantity": quantity, "task": task}
                            | {"dataset": control if quantity == "control" else task}
                            | {"n": IMAGES, "points": None, "outcomes": encode(correct)}
                        )  # fmt: skip
                rows["addition"].append(
                    row | {"mode": mode, "alpha": 0.3, "absolute": float(np.mean(added))}
                    | {"normalized": random.random()}
                )  # fmt: skip
                for task in tasks:
                    rows["addition_tasks"].append(
                        row | {"mode": mode, "task": task, "alpha": 0.3, "n": 100}
                        | {name: random.random() for name in ("accuracy", "normalized")}
                    )  # fmt: skip
                    rows["negation"].append(
                        row | {"mode": mode, "task": task, "alpha": 0.3}
                        | {"target": random.random(), "control": random.random()}
                        | {"control_pretrained": zero_shot[control], "n_target": 100}
                        | {"target_pretrained": zero_shot[task], "n_control": 100}
                        | {"control_threshold": 0.95}
                    )  # fmt: skip
    return {
        name: pd.DataFrame.from_records(rows[name], columns=list(TABLES[name].columns))
        for name in NAMES
    }


def without(given: dict[str, pd.DataFrame], **values) -> dict[str, pd.DataFrame]:
    """The tables without the rows in which all these columns have these values."""
    kept = {}
    for name, table in given.items():
        drop = pd.Series(True, index=table.index)
        for column, value in values.items():
            drop &= (table[column] == value) if column in table else False
        kept[name] = table[~drop]
    return kept
