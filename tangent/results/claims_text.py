"""The claims' numbers as a person reads them, for the report and as a Markdown table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from tangent.results.render import MISSING, Table

_SHOWN = ("criterion", "measured", "value", "range", "met_by", "verdict", "paper")


def claims_by_family(rows: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The rows of `readable_claims` in blocks: label of a family -> the claims of its models."""
    blocks: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        blocks.setdefault(row["family"], []).append(row)
    return blocks


def readable_claims(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of claims.csv with their numbers as text: fractions in points, differences signed.

    `met_by` says how many of the seeds meet the criterion; `paper_lines` are the paper's own
    numbers for this model, or for all of its models.
    """
    shown = []
    for row in table.to_dict("records"):
        scale, suffix, digits = (100, " points", 1) if row["unit"] == "fraction" else (1, "", 3)
        sign = "+" if row["quantity"].startswith("difference") else ""
        mean, low, high, spread = (
            f"{scale * row[name]:{'' if name == 'spread' else sign}.{digits}f}".replace("-", "−")
            for name in ("mean", "minimum", "maximum", "spread")
        )
        several = row["seeds"] > 1
        row["value"] = mean + (f" ± {spread}" if several else "") + suffix if row["seeds"] else ""
        row["range"] = f"{low} to {high}" if several else ""
        row["met_by"] = _met_by(row["seeds_met"], row["seeds"])
        row["paper_lines"] = _paper_lines(row["paper"], row["model"])
        shown.append(row)
    return shown


def _met_by(met: int, seeds: int) -> str:
    if seeds == 0:
        return MISSING
    return f"{met} of {seeds} seed" + ("s" if seeds > 1 else "")


def _paper_lines(text: str, model: str) -> list[str]:
    *models, unit = text.replace(" points", ", points").split(", ")
    own = [one for one in models if one.startswith(f"{model} ")]
    return [*(own or models), unit]


def claims_as_table(table: pd.DataFrame) -> Table:
    """claims.csv as a table to print: a block per model family; values, seeds and verdicts."""
    several_models = table["model"].nunique() > 1
    rows: list[tuple[str, tuple[str, ...]]] = []
    for family, block in claims_by_family(readable_claims(table)).items():
        rows.append((family, ()))
        for row in block:
            label = f"{row['model']}: {row['statement']}" if several_models else row["statement"]
            rows.append((label, tuple(str(row[name]) for name in _SHOWN)))
    return Table(
        name="claims",
        caption="The paper's claims as statements with a criterion, measured in this study",
        stub="Claim",
        groups=(("", ("Criterion", "Measured", "Value", "Range", "Met by", "Verdict", "Paper")),),
        rows=tuple(rows),
        notes=(
            "Value: mean over seeds ± standard deviation. Range: smallest to largest seed. "
            "Verdict, for these models and tasks at their scale: reproduced if the criterion holds "
            "for every seed, not reproduced if for none, mixed if the seeds disagree, not run if "
            "the study has no such results.",
        ),
    )
