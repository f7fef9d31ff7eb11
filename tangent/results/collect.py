"""Tidy tables from raw results: one observation a row, accuracies as fractions in [0, 1].

A raw result says what it is, so a table is the concatenation of files. A CSV has the columns of its
table and perhaps more. A JSON result has a reader of its rows; what a row lacks is the result's.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import itemgetter
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd

from tangent.evaluation.outcomes import decode
from tangent.jobs import files
from tangent.jobs.errors import UserError
from tangent.results.columns import TABLES, text_columns
from tangent.training.learning_rates import MEAN, paired_standard_error, standard_error_of_mean

Row = Mapping[str, Any]


def collect(name: str, paths: Iterable[Path]) -> pd.DataFrame:
    """The tidy table `name` from the raw results that it concatenates.

    Raises:
        UserError: a file is missing, damaged or not such a result.
    """
    entry = TABLES[name]
    rows = [row for path in paths for row in _rows(name, Path(path))]
    if name == "learning_rates":
        rows = _compared_rates(rows)
    table = pd.DataFrame.from_records(rows, columns=list(entry.columns))
    if name == "single_task":
        table["nonlinear_advantage"] = _nonlinear_advantages(table)
    ranks = [pd.factorize(table[column])[0] for column in reversed(entry.order)]
    return table.iloc[np.lexsort(ranks)] if ranks else table


def _rows(name: str, path: Path) -> Iterator[Row]:
    columns = [column for column in TABLES[name].columns if column not in _COMPUTED]
    columns += ["outcomes"] if name == "learning_rates" else []
    text = text_columns(name)
    try:
        if path.suffix == ".csv":
            # An empty file lacks its first column.
            for row in files.read_csv(path) or [{}]:
                yield {
                    column: row[column] if column in text else _number(row[column])
                    for column in columns
                }
        else:
            result = files.read_json(path)
            for row in _READERS[name](result) if name in _READERS else [{}]:
                merged = {**result, **row}
                yield {column: merged[column] for column in columns}
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{path} lacks {error}: it is empty, edited or of another version. Delete it and run "
            "Snakemake again."
        ) from None


def _number(text: str) -> float | int | str:
    """A number; of what is none (a kernel of `all` logits), the text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _both_splits(result: Row) -> Iterator[Row]:
    """Of a single task, or of the model before fine-tuning on every task."""
    for task, splits in _by_task(result).items():
        for split in ("validation", "test"):
            yield {"task": task, "split": split, **splits[split]}


def _by_task(result: Row) -> Row:
    return result["tasks"] if "tasks" in result else {result["task"]: result}


def _tasks(of_tasks: Mapping[str, Row]) -> list[Row]:
    return [{"task": task, **of_task} for task, of_task in of_tasks.items()]


def _outcomes(result: Row) -> Iterator[Row]:
    """Records of all test images (`tangent.evaluation.outcomes`) of one data set.

    An image's value is whether it is right or, of a heat map, at which share of the `points` inside
    a region its two predictions differ. A grid without a point in a region has no such rows.
    """
    if "disagreements" in result:
        pair = result["task_1"], result["task_2"]
        for region, found in result["disagreements"].items():
            for task in pair if found["points"] else ():
                yield {
                    "quantity": region, "task": "+".join(pair), "dataset": task,
                    "n": result["n"][task], "points": found["points"],
                    "outcomes": found["counts"][task],
                }  # fmt: skip
    elif "control_task" in result:
        for quantity, dataset in (("target", result["task"]), ("control", result["control_task"])):
            yield {
                "quantity": quantity, "dataset": dataset, "n": result[f"n_{quantity}"],
                "points": None, "outcomes": result[f"outcomes_{quantity}"],
            }  # fmt: skip
    else:
        for task, of_task in _by_task(result).items():
            quantity = "single_task" if "test" in of_task else "addition"
            images = of_task.get("test", of_task)
            yield {"quantity": quantity, "task": task, "dataset": task, "points": None, **images}


def _subsets(result: Row) -> list[Row]:
    return [
        {"size": len(entry["tasks"]), "subset": "+".join(entry["tasks"]), **entry}
        for entry in result["subsets"]
    ]


def _search(result: Row) -> list[Row]:
    """A training at one of the rates or, without a task, the choice among them."""
    choice = dict.fromkeys(("task", "accuracy", "n", "outcomes"))
    return [{"rate": result["learning_rate"], **({} if "task" in result else choice)}]


# In no result: they compare several.
_COMPUTED = {"nonlinear_advantage", "chosen", "se_difference"}
_READERS: dict[str, Callable[[Row], Iterable[Row]]] = {
    "learning_rates": _search,
    "single_task": _both_splits,
    "addition_tasks": lambda result: _tasks(result["tasks"]),
    "outcomes": _outcomes,
    "subsets": _subsets,
    "per_task_alpha": lambda result: _tasks(result["per_task_alpha"]),
    "analogies": lambda result: result["analogies"],
}


def _nonlinear_advantages(table: pd.DataFrame) -> pd.Series:
    """(accuracy of standard − posthoc) / (1 − 1/C), in rows of `posthoc`."""
    place = ["model", "task", "split", "seed"]
    accuracies = table[table["mode"] == "standard"].set_index(place).accuracy
    posthoc = table[table["mode"] == "posthoc"]
    standard = accuracies.reindex(pd.MultiIndex.from_frame(posthoc[place])).to_numpy()
    return (standard - posthoc.accuracy) / (1 - 1 / posthoc.classes)


def _compared_rates(results: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """A row per model, training, rate and task, and one for the mean over the tasks.

    Each training stands beside that at the chosen rate. `results` are, of each search, the choice
    (`task` is None) and every training, by rate.
    """
    for _, search in itertools.groupby(results, itemgetter("model", "training")):
        choice, *trainings = search
        chosen = {row["task"]: row for row in trainings if row["rate"] == choice["rate"]}
        for rate, of_rate in itertools.groupby(trainings, itemgetter("rate")):
            rows = list(of_rate)
            pairs = [(row, chosen[row["task"]]) for row in rows]
            errors = [
                paired_standard_error(*(decode(one["outcomes"], one["n"]) for one in pair))
                for pair in pairs
            ]
            accuracy, n = fmean(row["accuracy"] for row in rows), sum(row["n"] for row in rows)
            rows.append({**rows[0], "task": MEAN, "accuracy": accuracy, "n": n})
            errors.append(standard_error_of_mean(errors))
            for row, error in zip(rows, errors, strict=True):
                yield {**row, "chosen": rate == choice["rate"], "se_difference": error}
