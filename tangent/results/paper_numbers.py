"""Other people's numbers (paper_numbers.yaml, rerun_accuracies.yaml), to be shown beside ours.

The files keep the numbers as their sources print them; the functions return fractions.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tangent.results.render import decimal


@cache
def paper_numbers() -> dict[str, Any]:
    """The content of paper_numbers.yaml; accuracies in percent, one per entry of `models`."""
    return _read("paper_numbers.yaml")


@cache
def rerun_accuracies() -> dict[str, Any]:
    """Single-task accuracies of an independent re-run: model -> mode -> split -> task."""
    return _read("rerun_accuracies.yaml")


def _read(name: str) -> dict[str, Any]:
    return yaml.safe_load(Path(__file__).with_name(name).read_text(encoding="utf-8"))


def paper_models() -> list[str]:
    """Names of the paper's models, as the numbers are ordered."""
    return paper_numbers()["models"]


def are_paper_tasks(tasks: Iterable[str], control: str) -> bool:
    """Whether these are the paper's eight tasks, in any order, and its control task."""
    return set(tasks) == set(paper_numbers()["tasks"]) and control == paper_numbers()["control"]


def paper_number(table: str, model: str, mode: str, quantity: str) -> Any:
    """The paper's accuracy (`addition` or `negation`), or None where we know none.

    Of `rerun_addition`: the lowest and the highest accuracy of independent re-runs.
    """
    for row in paper_numbers().get(table, []):
        if row["mode"] == mode and quantity in row and model in paper_models():
            number = row[quantity][paper_models().index(model)]
            # Rounded: 71.4 / 100 is 0.7140000000000001.
            if isinstance(number, list):
                return tuple(round(bound / 100, 4) for bound in number)
            return round(number / 100, 4)
    return None


def rerun_range(
    table: str, model: str, mode: str, quantity: str, task: str
) -> tuple[float, float] | None:
    """Lowest and highest accuracy of independent re-runs, or None where we know none.

    Args:
        table: `addition`, `negation` or `single_task`. Of single tasks there is one re-run: the two
            numbers are equal.
        task: a task, or `all` for the mean over the paper's tasks.
    """
    if table == "single_task":
        accuracies = rerun_accuracies().get(model, {}).get(mode, {}).get("test", {})
        if task == "all" and accuracies:
            tasks = paper_numbers()["tasks"]
            mean = sum(accuracies[one] for one in tasks) / len(tasks)
            return mean, mean
        return (accuracies[task], accuracies[task]) if task in accuracies else None
    return paper_number(f"rerun_{table}", model, mode, quantity)


def paper_difference(table: str, column: str, mode: str, other: str) -> str:
    """Differences `mode` − `other` of `column` as text, in percentage points, one per model."""
    rows = {row["mode"]: row for row in paper_numbers()[table]}
    pairs = zip(rows[mode][column], rows[other][column], strict=True)
    return _in_points([first - second for first, second in pairs], rows[mode]["source"])


def rerun_difference(mode: str, other: str) -> str:
    """The same of mean single-task accuracies, of which the paper prints no numbers: a re-run's."""
    means = [
        [rerun_range("single_task", model, name, "accuracy", "all") for name in (mode, other)]
        for model in paper_models()
    ]
    return _in_points([100 * (first[0] - second[0]) for first, second in means], "cited re-run")


def _in_points(differences: Iterable[float], source: str) -> str:
    named = zip(paper_models(), differences, strict=True)
    texts = [f"{model} {decimal(difference, 1, '+')}" for model, difference in named]
    return ", ".join(texts) + f" points ({source})"
