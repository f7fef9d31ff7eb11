"""The claims' numbers as a person reads them, for the report and as a Markdown table."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from tangent.results.render import MISSING, Row, Table, decimal

_SHOWN = {
    "criterion": "Criterion", "measured": "Measured", "value": "Value", "interval": "Interval",
    "interval_other": "Other", "met_by": "Met by", "verdict": "Verdict", "paper": "Paper",
}  # fmt: skip

THESE_NOTE = (
    "Interval: 95 %, for the mean over these tasks (pairs, kernels), over seeds and test images; "
    "of one seed over test images alone. It gives the verdict."
)
OTHER_NOTE = (
    "Other: 95 %, for other tasks like these, over seeds; of one seed for this seed alone; none "
    "with fewer than five tasks."
)
VERDICT_NOTE = (
    "Verdict, for these models and tasks at their scale: reproduced if the interval is wholly on "
    "the claim's side of the criterion's threshold, not reproduced if wholly on the other, "
    "undecided if it holds the threshold, not run if the study has no such results."
)


def claims_by_family(rows: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The rows of `readable_claims` in blocks: label of a family -> the claims of its models."""
    blocks: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        blocks.setdefault(row["family"], []).append(row)
    return blocks


def readable_claims(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of claims.csv with their numbers as text: fractions in points, differences signed.

    `interval` and `interval_other` are the two 95 % intervals; `met_by` says how many of the seeds
    meet the criterion by themselves; `paper_lines` are the paper's own
    numbers for this model, or for all of its models.
    """
    shown = []
    for row in table.to_dict("records"):
        number = _numbers_of(row)
        suffix = " points" if row["unit"] == "fraction" else ""
        met, seeds = row["seeds_met"], row["seeds"]
        row |= {"value": "", "interval": "", "interval_other": "", "met_by": MISSING}
        if seeds:
            spread = f" ± {number(row['spread'], '')}" if seeds > 1 else ""
            row["value"] = number(row["mean"]) + spread + suffix
            row["interval"] = _range(number, row["low"], row["high"])
            row["interval_other"] = _range(number, row["low_other"], row["high_other"])
            row["met_by"] = f"{met} of {seeds} seed" + ("s" if seeds > 1 else "")
        row["paper_lines"] = _paper_lines(row["paper"], row["model"])
        shown.append(row)
    return shown


def _numbers_of(row: dict[str, Any]) -> Callable[..., str]:
    scale, digits = (100, 1) if row["unit"] == "fraction" else (1, 3)
    given = "+" if row["quantity"].startswith("difference") else ""
    return lambda value, sign=given: decimal(scale * value, digits, sign)


def _range(number: Callable[..., str], low: float, high: float) -> str:
    return MISSING if pd.isna(low) else f"{number(low)} to {number(high)}"


def _paper_lines(text: str, model: str) -> list[str]:
    *models, unit = text.replace(" points", ", points").split(", ")
    own = [one for one in models if one.startswith(f"{model} ")]
    return [*(own or models), unit]


def claims_as_table(table: pd.DataFrame) -> Table:
    """claims.csv as a table to print: a block per model family; values, seeds and verdicts."""
    several = table["model"].nunique() > 1
    rows: list[Row] = []
    for family, block in claims_by_family(readable_claims(table)).items():
        rows.append((family, ()))
        for row in block:
            label = f"{row['model']}: {row['statement']}" if several else row["statement"]
            rows.append((label, [str(row[name]) for name in _SHOWN]))
    return Table(
        "claims",
        "The paper's claims as statements with a criterion, measured in this study",
        "Claim",
        [("", tuple(_SHOWN.values()))],
        rows,
        [
            f"Value: mean over seeds ± standard deviation. {THESE_NOTE} {OTHER_NOTE} Met by: seeds "
            f"whose own value is on the claim's side. {VERDICT_NOTE}"
        ],
    )


def claims_as_text(table: pd.DataFrame, width: int = 100) -> str:
    """Every claim of claims.csv with verdict, value and interval, in aligned columns."""
    rows = readable_claims(table)
    cells = [(row["verdict"], row["value"], row["interval"]) for row in rows]
    header = ("verdict", "value", "95 % interval")
    widths = [max(map(len, column)) + 2 for column in zip(header, *cells, strict=True)]

    def line(given: Iterable[str], last: str) -> str:
        columns = "".join(cell.ljust(size) for cell, size in zip(given, widths, strict=True))
        texts = textwrap.wrap(last, width - len(columns))
        return ("\n" + " " * len(columns)).join([columns + texts[0], *texts[1:]])

    several = table["model"].nunique() > 1
    lines, of_model = [], None
    for row, given in zip(rows, cells, strict=True):
        if several and row["model"] != of_model:
            of_model = row["model"]
            lines.append(of_model)
        lines.append(line(given, row["statement"]))
    return "\n".join([line(header, "claim"), *lines])
