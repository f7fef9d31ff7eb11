"""Other people's numbers (paper_numbers.yaml), to be shown beside ours."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml


@cache
def paper_numbers() -> dict[str, Any]:
    """The content of paper_numbers.yaml; accuracies in percent, one per entry of `models`."""
    path = Path(__file__).with_name("paper_numbers.yaml")
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def paper_models() -> list[str]:
    """Names of the paper's models, as the numbers are ordered."""
    return paper_numbers()["models"]


def is_other_scale(model: str) -> bool:
    """Whether `model` is none of the paper's, so that its numbers must not be compared in size."""
    return model not in paper_models()


def paper_row(table: str, mode: str) -> dict[str, Any]:
    """The row of `mode` in `table` (addition, negation or single_task)."""
    return next(row for row in paper_numbers()[table] if row["mode"] == mode)


def paper_difference(table: str, column: str, mode: str, other: str) -> str:
    """Differences `mode` − `other` of `column` as text, in percentage points, one per model."""
    pairs = zip(paper_row(table, mode)[column], paper_row(table, other)[column], strict=True)
    differences = [f"{first - second:+.1f}".replace("-", "−") for first, second in pairs]
    named = zip(paper_models(), differences, strict=True)
    source = paper_row(table, mode)["source"]
    return ", ".join(f"{model} {value}" for model, value in named) + f" points ({source})"
