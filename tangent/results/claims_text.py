"""The claims' numbers as a person reads them, for the report and as a Markdown table."""

import textwrap
from itertools import groupby
from operator import itemgetter
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


def readable_claims(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of claims.csv with their numbers as text: fractions in points, differences signed.

    `interval` and `interval_other` are the two 95 % intervals; `met_by` says how many of the seeds
    meet the criterion by themselves; `paper_lines` are the paper's own numbers for this model, or
    for all of its models.
    """
    return [row | _texts(row) for row in table.to_dict("records")]


def _texts(row: dict[str, Any]) -> dict[str, Any]:
    scale, digits, unit = (100, 1, "points") if row["unit"] == "fraction" else (1, 3, row["unit"])
    sign = "+" if row["quantity"].startswith("difference") else ""

    def interval(low: float, high: float) -> str:
        ends = (decimal(scale * end, digits, sign) for end in (low, high))
        return MISSING if pd.isna(low) else " to ".join(ends)

    *models, source = row["paper"].replace(" points", ", points").split(", ")
    own = [text for text in models if text.startswith(f"{row['model']} ")]
    paper = {"paper_lines": [*(own or models), source]}
    if not (seeds := row["seeds"]):
        return paper | {"value": "", "interval": "", "interval_other": "", "met_by": MISSING}
    spread = f" ± {decimal(scale * row['spread'], digits)}" if seeds > 1 else ""
    return paper | {
        "value": decimal(scale * row["mean"], digits, sign) + f"{spread} {unit}",
        "interval": interval(row["low"], row["high"]),
        "interval_other": interval(row["low_other"], row["high_other"]),
        "met_by": f"{row['seeds_met']} of {seeds} seed" + ("s" if seeds > 1 else ""),
    }


def claims_as_table(table: pd.DataFrame) -> Table:
    """claims.csv as a table to print: a block per model family; values, seeds and verdicts."""
    several = table["model"].nunique() > 1
    rows: list[Row] = []
    # The rows of a family stand together.
    for family, block in groupby(readable_claims(table), itemgetter("family")):
        rows.append((family, ()))
        for row in block:
            label = f"{row['model']}: {row['statement']}" if several else row["statement"]
            rows.append((label, [str(row[name]) for name in _SHOWN]))
    note = (
        f"Value: mean over seeds ± standard deviation. {THESE_NOTE} {OTHER_NOTE} Met by: seeds "
        f"whose own value is on the claim's side. {VERDICT_NOTE}"
    )
    caption = "The paper's claims as statements with a criterion, measured in this study"
    return Table("claims", caption, "Claim", [("", tuple(_SHOWN.values()))], rows, [note])


def claims_as_text(table: pd.DataFrame) -> str:
    """Every claim of claims.csv with verdict, value and interval, in aligned columns."""
    found = readable_claims(table)
    header = {"verdict": "verdict", "value": "value", "interval": "95 % interval"}
    widths = {name: max(len(row[name]) for row in (header, *found)) + 2 for name in header}

    def line(row: dict[str, Any], last: str) -> str:
        start = "".join(row[name].ljust(width) for name, width in widths.items())
        return textwrap.fill(last, 100, initial_indent=start, subsequent_indent=" " * len(start))

    several = table["model"].nunique() > 1
    lines = [line(header, "claim")]
    for model, block in groupby(found, itemgetter("model")):
        lines += [model] if several else []
        lines += [line(row, row["statement"]) for row in block]
    return "\n".join(lines)
