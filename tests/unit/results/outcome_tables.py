"""Tidy tables with outcomes of images that a test chooses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from tangent.evaluation.outcomes import encode, encode_counts
from tangent.results.columns import TABLES


def table(name: str, rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    return pd.DataFrame.from_records(list(rows), columns=list(TABLES[name].columns))


def empty() -> dict[str, pd.DataFrame]:
    return {name: table(name, []) for name in TABLES["claims"].tables}


def right(accuracy: float, n: int = 1000) -> np.ndarray:
    """The first images are right, as many as `accuracy` says."""
    return np.arange(n) < round(accuracy * n)


def outcome(
    mode: str, quantity: str, task: str, correct: np.ndarray, seed: int = 0, **others: object
) -> dict[str, object]:
    """A row of outcomes.csv of the model `m`: right or wrong."""
    return {
        "model": "m", "mode": mode, "seed": seed, "quantity": quantity, "task": task,
        "dataset": task, "n": len(correct), "points": None, "outcomes": encode(correct),
    } | others  # fmt: skip


def counted(
    mode: str, region: str, pair: str, task: str, counts: np.ndarray, points: int, seed: int = 0
) -> dict[str, object]:
    """A row of outcomes.csv of a heat map: at how many points the predictions differ."""
    text = encode_counts(counts, points)
    of_map = {"dataset": task, "points": points, "outcomes": text}
    return outcome(mode, region, pair, counts, seed, **of_map)


def tables_of(rows: Iterable[Mapping[str, object]]) -> dict[str, pd.DataFrame]:
    return empty() | {"outcomes": table("outcomes", rows)}
