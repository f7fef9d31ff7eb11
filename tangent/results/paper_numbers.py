"""Other people's numbers (paper_numbers.yaml, rerun_accuracies.yaml), to be shown beside ours.

The files keep the numbers as their sources print them; the functions return fractions.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tangent.results.render import decimal


def paper_numbers() -> dict[str, Any]:
    """The content of paper_numbers.yaml; accuracies in percent, one per entry of `models`."""
    return _read("paper_numbers.yaml")


def citation(reference: str) -> str:
    """`[n]` of an entry of `references`, counted from 1."""
    return f"[{list(paper_numbers()['references']).index(reference) + 1}]"


def rerun_accuracies() -> dict[str, Any]:
    """Single-task accuracies of an independent re-run: model -> mode -> split -> task."""
    return _read("rerun_accuracies.yaml")


@cache
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
    if table != "single_task":
        return paper_number(f"rerun_{table}", model, mode, quantity)
    accuracies = rerun_accuracies().get(model, {}).get(mode, {}).get("test", {})
    tasks = paper_numbers()["tasks"] if task == "all" else [task]
    if not accuracies.keys() >= set(tasks):
        return None
    return (sum(accuracies[one] for one in tasks) / len(tasks),) * 2


def paper_difference(table: str, quantity: str, mode: str, other: str) -> str:
    """Differences `mode` − `other` as text, in percentage points, one per model.

    Of single-task accuracies the paper prints no numbers: those are a re-run's.
    """
    texts = []
    for model in paper_models():
        first, second = (
            paper_number(table, model, name, quantity)
            or rerun_range(table, model, name, quantity, "all")[0]
            for name in (mode, other)
        )
        texts.append(f"{model} {decimal(100 * (first - second), 1, '+')}")
    sources = {row["mode"]: row["source"] for row in paper_numbers().get(table, [])}
    return ", ".join(texts) + f" points ({sources.get(mode, 'cited re-run')})"
